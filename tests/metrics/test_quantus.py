"""Against Quantus, where it computes the same; and what it does that ours must not do."""

import warnings

import numpy as np
import pytest
import torch

from fer_xai.inference.predictor import Predictor
from metrics.complexity import effective_complexity, entropy, gini
from metrics.core.score_cache import ScoreCache
from metrics.faithfulness.deletion import deletion
from metrics.faithfulness.road import road_combined
from tests.helpers import tiny_model

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import quantus

TARGETS = torch.tensor([0, 5, 2, 1, 3])
COMMON = {"normalise": False, "abs": False, "disable_warnings": True, "display_progressbar": False}


@pytest.fixture
def maps():
    return torch.randn(5, 64, 64, generator=torch.Generator().manual_seed(4))


def asked(metric, images, maps, model=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = metric(
            model=model,
            x_batch=images.numpy(),
            y_batch=np.array(TARGETS),
            a_batch=maps[:, None].numpy(),
            device="cpu",
        )
    return np.array(found, dtype=float)


def test_complexity_is_quantus(images, maps):
    known = {**COMMON, "abs": True}
    model = tiny_model()
    pairs = (
        (quantus.Sparseness(**known), gini(maps)),
        (quantus.Complexity(**known), entropy(maps)),
    )
    for metric, ours in pairs:
        assert np.allclose(asked(metric, images, maps, model), ours, rtol=1e-3)
    top = maps.abs().amax(dim=(1, 2), keepdim=True)
    counted = asked(quantus.EffectiveComplexity(eps=0.01, **known), images, maps / top, model)
    assert np.allclose(counted / 4096, effective_complexity(maps, threshold=0.01), atol=1e-3)


class Grey(torch.nn.Module):
    """Logits of images in one channel: of three, Quantus flips one after another."""

    def __init__(self):
        super().__init__()
        self.model = tiny_model()

    def forward(self, images):
        return self.model(images.expand(-1, 3, -1, -1))


def test_pixel_flipping_has_the_points_of_deletion_but_the_first(images, maps):
    metric = quantus.PixelFlipping(features_in_step=512, perturb_baseline=0.0, **COMMON)
    grey = images[:, :1]
    theirs = asked(metric, grey, maps, Grey().eval())
    assert theirs.shape == (5, 8)
    columns = tiny_model().columns(TARGETS)
    assert torch.equal(columns, TARGETS)  # so that both explain the same
    three = grey.expand(-1, 3, -1, -1).contiguous()
    ours = deletion(tiny_model(), three, maps, TARGETS, steps=8, fill="black").scores
    assert ours.shape == (5, 9)  # with the unperturbed point
    assert np.allclose(theirs, ours[:, 1:], atol=1e-3)


def test_a_score_does_not_change_with_the_batch(images, maps):
    """Quantus' ROAD scores the first batch only."""
    images, maps = images[..., ::2, ::2].contiguous(), maps[:, ::2, ::2].contiguous()
    whole = road_combined(Predictor(tiny_model(), device="cpu"), images, maps, TARGETS)
    for batch in (1, 2, 4):
        parts = [
            road_combined(
                ScoreCache(
                    Predictor(tiny_model(), device="cpu", batch_size=batch),
                    images[rows],
                    ids=[str(i) for i in range(rows.start, min(rows.stop, 5))],
                ),
                images[rows],
                maps[rows],
                TARGETS[rows],
            )
            for rows in (slice(i, i + batch) for i in range(0, 5, batch))
        ]
        assert torch.allclose(torch.cat(parts), whole, atol=1e-4)
