"""Tokens are laid on the grid of their patches, whatever stands before, behind or among them."""

import pytest
import timm
import torch
from torch import nn

from fer_xai import FERModel, explain
from fer_xai.attributions import attribute
from fer_xai.attributions.core.feature_maps import token_grid
from fer_xai.attributions.core.layers import found_layers, layer_of
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models.registry import architecture
from fer_xai.models.transformers import CompactTransformer
from tests.attributions.nets import build, predictor

SIZE = 32


class Block(nn.Module):
    """Attention and its residual, behind a norm."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)

    def forward(self, x):
        y = self.norm(x)
        return x + self.attention(y, y, y, need_weights=False)[0]


class Unfolded(nn.Module):
    """Patches cut out by a reshape and embedded by a linear layer: no convolution knows the grid."""

    def __init__(self, width, patch):
        super().__init__()
        self.patch, self.embed = patch, nn.Linear(3 * patch[0] * patch[1], width)

    def forward(self, x):
        high, wide = self.patch
        x = x.unflatten(3, (-1, wide)).unflatten(2, (-1, high))  # (B, 3, h, high, w, wide)
        return self.embed(x.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2))


class Embedded(nn.Module):
    """Patches cut out by a convolution."""

    def __init__(self, width, patch):
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Sequence(nn.Module):
    """A ViT with ``before`` and ``behind`` tokens beside its patches, which may stand in an order."""

    def __init__(self, *, before=0, behind=0, patch=(4, 4), embed=Embedded, order=None, width=12):
        super().__init__()
        self.patch_embed = embed(width, patch)
        self.before = nn.Parameter(torch.randn(1, before, width))
        self.behind = nn.Parameter(torch.randn(1, behind, width))
        self.patches = SIZE // patch[0] * (SIZE // patch[1])
        self.position = nn.Parameter(torch.randn(1, self.patches, width))
        self.order = torch.arange(self.patches) if order is None else order
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.last = nn.LayerNorm(width)
        self.head = nn.Linear(width, 6)

    def forward(self, x):
        x = (self.patch_embed(x) + self.position)[:, self.order]
        one, two = (part.expand(len(x), -1, -1) for part in (self.before, self.behind))
        x = self.last(self.blocks(torch.cat([one, x, two], dim=1)))
        start = self.before.shape[1]
        return self.head(x[:, start : start + self.patches].tanh().mean(dim=1))

    def places(self):
        """Where each patch stands."""
        return self.before.shape[1] + self.order.argsort()


SHUFFLED = torch.randperm(64, generator=torch.Generator().manual_seed(3))
CASES = {
    "no class token": ({}, (8, 8)),
    "class token": ({"before": 1}, (8, 8)),
    "class and distillation token": ({"before": 2}, (8, 8)),
    "class token and 16 registers": ({"before": 17}, (8, 8)),  # 81 tokens, 9 × 9
    "36 prompts": ({"before": 36}, (8, 8)),  # 100 tokens, 10 × 10
    "registers behind": ({"behind": 17}, (8, 8)),
    "before and behind": ({"before": 1, "behind": 4}, (8, 8)),
    "wide patches": ({"before": 1, "patch": (4, 8)}, (8, 4)),
    "high patches that fill a square": ({"patch": (8, 2)}, (4, 16)),  # 64 tokens
    "embedded by a linear layer": ({"before": 5, "embed": Unfolded, "patch": (8, 4)}, (4, 8)),
    "in another order": ({"before": 1, "order": SHUFFLED}, (8, 8)),
}


def made(net, **given):
    return FERModel(net, emotions=SIX, size=SIZE, name="tokens", **given).eval()


def sequence(**options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Sequence(**options)


@pytest.fixture
def small():
    return torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", list(CASES))
def test_patches_are_told_from_the_tokens_beside_them(name, small):
    options, side = CASES[name]
    model = made(sequence(**options))
    used = Predictor(model, device="cpu")
    layer = layer_of(used, None)
    assert (layer.name, layer.side) == ("last", side)
    assert torch.equal(layer.tokens.places, model.net.places())
    kept = []
    handle = model.net.last.register_forward_hook(lambda *a: kept.append(a[2]))
    score = model(small)[:, 2].sum()
    handle.remove()
    slopes = torch.autograd.grad(score, kept[0])[0][:, model.net.places()]  # (B, h·w, C)
    tokens = kept[0][:, model.net.places()]
    expected = (tokens * slopes.mean(dim=1, keepdim=True)).sum(dim=2).relu().unflatten(1, side)
    columns = torch.full((2, 1), 2)
    for method in ("gradcam", "eigencam", "scorecam", "ablationcam"):
        cells = attribute(used, small, columns, method=method).cells
        assert cells.shape == (2, 1, *side), method
        if method == "gradcam":
            assert torch.allclose(cells[:, 0], expected, atol=1e-6)
    for method in ("attention_rollout", "gradient_rollout"):
        assert attribute(used, small, columns, method=method).cells.shape == (2, 1, *side)


def test_rollouts_lie_on_the_patches_too(small):
    """The map of the shuffled network is that of the network in order, whose weights it has."""
    model, other = (made(sequence(before=1, behind=2, order=o)) for o in (None, SHUFFLED))
    for method in ("attention_rollout", "gradient_rollout", "gradcam", "eigencam"):
        one, two = (explain(net, small, method=method, targets="fear") for net in (model, other))
        assert torch.allclose(one.maps, two.maps, atol=1e-5), method
        assert (one.maps.flatten(1).std(dim=1) > 0).all()


class Pooled(Sequence):
    """Its tokens are merged in pairs half-way: of 32 no patch is one cell."""

    def forward(self, x):
        x = self.blocks((self.patch_embed(x) + self.position).unflatten(1, (-1, 2)).mean(dim=2))
        return self.head(self.last(x).tanh().mean(dim=1))


def test_where_the_grid_cannot_be_known_a_reshape_is_asked_for(small):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Pooled(embed=MixedEarly)
    used = Predictor(made(net), device="cpu")
    with pytest.raises(InputError, match=r"layer last of tokens, got \(2, 32, 12\).*reshape=…"):
        layer_of(used, "last")
    assert found_layers(used) == ["patch_embed.proj"]  # before there are tokens
    with pytest.raises(InputError, match="Expected 32 tokens whose patches can be traced"):
        explain(used, small, method="attention_rollout")

    def reshape(tokens):
        return tokens.transpose(1, 2).unflatten(2, (8, 4))

    reshaped = Predictor(made(net, cam_layer="last", reshape=reshape), device="cpu")
    for method in ("gradcam", "attention_rollout"):
        cells = attribute(reshaped, small, torch.zeros(2, 1).long(), method=method).cells
        assert cells.shape == (2, 1, 8, 4)


class MixedEarly(Embedded):
    """Patches that have seen each other before they are tokens."""

    def forward(self, x):
        x = super().forward(x)
        return x + x.mean(dim=1, keepdim=True) + x.cumsum(dim=1)


@pytest.mark.parametrize(
    "given",
    [
        {"class_token": True, "reg_tokens": 12, "patch_size": 8},
        {"class_token": False, "reg_tokens": 2, "global_pool": "avg", "patch_size": (16, 8)},
        {"class_token": True, "no_embed_class": True, "dynamic_img_size": True, "patch_size": 8},
    ],
)
def test_timms_vits(given):
    net = timm.create_model(
        "vit_tiny_patch16_224",
        num_classes=6,
        img_size=SIZE,
        depth=2,
        embed_dim=16,
        num_heads=2,
        **given,
    )
    patch = given["patch_size"]
    side = (SIZE // 8, SIZE // 8) if patch == 8 else (2, 4)
    layer = layer_of(Predictor(made(net), device="cpu"), None)
    assert layer.name == ("blocks.1.norm2" if "global_pool" in given else "blocks.1.norm1")
    assert layer.side == side
    assert layer.tokens.places.tolist() == list(
        range(net.num_prefix_tokens, net.num_prefix_tokens + side[0] * side[1])
    )


def test_a_distilled_vit_of_timms():
    net = timm.create_model(
        "deit_tiny_distilled_patch16_224",
        num_classes=6,
        img_size=SIZE,
        patch_size=8,
        depth=1,
        embed_dim=16,
        num_heads=2,
    )
    assert layer_of(Predictor(made(net), device="cpu"), "blocks.0.norm1").tokens.places[0] == 2


def test_the_shipped_transformers_need_no_reshape():
    assert architecture("cct").reshape is None
    cct = CompactTransformer(width=16, depth=1, heads=2)
    used = Predictor(FERModel(cct, emotions=SIX).eval(), device="cpu")
    assert token_grid(used, 256).places.tolist() == list(range(256))
    assert token_grid(predictor("vit"), 17).places.tolist() == list(range(1, 17))
    assert build("vit").reshape is None
    assert layer_of(predictor("swin"), None).tokens is None  # (B, h, w, C) as it is
