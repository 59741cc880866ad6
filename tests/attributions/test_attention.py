"""Attention is opened without changing it, or refused; rows are those of the tokens that count."""

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

from fer_xai import FERModel, explain
from fer_xai.attributions import attribute
from fer_xai.attributions.attention import attentions
from fer_xai.attributions.core.question import Question
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor

ROLLOUTS = ("attention_rollout", "gradient_rollout")


class Tokens(nn.Module):
    """Sixteen patches, averaged in the end; what stands between is handed in."""

    def __init__(self, blocks, *, batch_first=True, **given):
        super().__init__()
        self.patch, self.blocks = nn.Conv2d(3, 8, 4, stride=4), blocks
        self.position = nn.Parameter(torch.randn(1, 16, 8))
        self.head, self.batch_first, self.given = nn.Linear(8, 6), batch_first, given

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2) + self.position
        x = x if self.batch_first else x.transpose(0, 1)
        given = {name: value(x) if callable(value) else value for name, value in self.given.items()}
        x = self.blocks(x, **given)
        return self.head(x.mean(dim=1 if self.batch_first else 0))


class Attend(nn.Module):
    """One attention and its residual, with whatever else it is called with."""

    def __init__(self, **given):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, **given)

    def forward(self, x, **given):
        return x + self.attention(x, x, x, need_weights=False, **given)[0]


def built(make, **given):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Tokens(make(), **given)
    return FERModel(net, emotions=SIX, size=16, name="tokens").eval()


def kept(model, images):
    """Weights of each attention, and the logits that they gave."""
    question = Question(images=images, columns=torch.zeros(len(images), 1).long())
    used = Predictor(model, device="cpu")
    with torch.enable_grad():
        logits, weights = attentions(used, question)
    assert torch.allclose(logits, used.model(images), atol=1e-5)
    return weights


@pytest.fixture
def small():
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def single():
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True)


@pytest.mark.parametrize("make", [encoder, single])
def test_pytorchs_own_encoders_are_opened(make, small):
    model = built(make)
    for method in ROLLOUTS:
        maps = explain(model, small, method=method, targets="fear").maps
        assert torch.isfinite(maps).all()
        assert (maps.flatten(1).std(dim=1) > 0).all()
    assert len(kept(model, small)) == (2 if make is encoder else 1)


def hidden(kind):
    """The second half of the patches is hidden, by truth (True hides) or by −∞, for each head."""
    mask = (torch.arange(16) >= 8).expand(16, 16)
    if kind == "added":
        return torch.zeros(16, 16).masked_fill(mask, -torch.inf)
    return mask


@pytest.mark.parametrize("kind", ["Boolean", "added"])
def test_masks_are_passed_on(kind, small):
    model = built(lambda: Attend(batch_first=True), attn_mask=hidden(kind))
    weights = kept(model, small)[0]
    assert not weights[..., 8:].any()
    assert torch.allclose(weights[..., :8].sum(dim=-1), torch.ones(3, 2, 16))
    each = built(
        lambda: Attend(batch_first=True),
        attn_mask=lambda x: torch.stack([hidden(kind)] * 2 * len(x)),  # one a face and head
    )
    assert torch.allclose(kept(each, small[:2])[0], weights[:2], atol=1e-6)


def test_a_batch_that_is_not_first_is_attended_within_each_face(small):
    first = built(lambda: Attend(batch_first=True))
    later = built(lambda: Attend(batch_first=False), batch_first=False)
    for method in ROLLOUTS:
        one, two = (explain(m, small, method=method, targets="fear").maps for m in (first, later))
        assert torch.allclose(one, two, atol=1e-6)


def test_boolean_masks_of_the_function_show_where_they_are_true(small):
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = nn.Linear(8, 24)

        def forward(self, x):
            q, k, v = self.mix(x).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4)
            shown = ~hidden("Boolean")
            return F.scaled_dot_product_attention(q, k, v, shown).transpose(1, 2).flatten(2)

    assert not kept(built(Plain), small)[0][..., 8:].any()


def test_attention_that_cannot_be_opened_is_refused(small):
    class Causal(nn.Module):
        def forward(self, x):
            x = x[:, None]
            return F.scaled_dot_product_attention(x, x, x, is_causal=True)[:, 0]

    two = small[:2]

    def padded(x):
        return torch.zeros(len(x), 16, dtype=torch.bool)

    for model, sentence in (
        (built(Causal), "Expected the copy of tokens .* to give the same logits"),
        (built(lambda: Attend(batch_first=True, add_zero_attn=True)), "with padding, extra keys"),
        (built(lambda: Attend(batch_first=True), key_padding_mask=padded), "with padding"),
    ):
        for method in ROLLOUTS:
            with pytest.raises(InputError, match=sentence):
                explain(model, two, method=method)


@pytest.mark.parametrize("pool", ["avg", "token"])
def test_rows_are_those_of_the_tokens_that_are_read(pool, small):
    """A class token is read where the network reads it, and registers never."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = timm.create_model(
            "vit_tiny_patch16_224",
            num_classes=6,
            img_size=16,
            patch_size=4,
            depth=2,
            embed_dim=16,
            num_heads=2,
            reg_tokens=4,
            class_token=pool == "token",
            global_pool=pool,
        )
    model = FERModel(net, emotions=SIX, size=16).eval()
    total = torch.eye(20 + (pool == "token"))
    for weights in kept(model, small):
        total = (0.5 * weights.detach().mean(dim=1) + 0.5 * torch.eye(len(total[-1]))) @ total
    row = total[:, 0, 5:] if pool == "token" else total[:, 4:, 4:].mean(dim=1)
    found = attribute(
        Predictor(model, device="cpu"), small, torch.zeros(3, 1).long(), method="attention_rollout"
    ).cells[:, 0]
    assert torch.allclose(found, row.unflatten(-1, (4, 4)), atol=1e-6)
