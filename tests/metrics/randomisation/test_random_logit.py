import pytest
import torch
from skimage.metrics import structural_similarity

from fer_xai.emotions import EMOTIONS
from fer_xai.models import FERModel
from metrics.randomisation.mprt import mprt
from metrics.randomisation.random_logit import random_logit
from tests.helpers import TinyNet
from tests.metrics.explainers import edges, gradient, upsampled
from tests.reference.randomisation_slow import similarity_slow


def test_random_logit_is_held_against_another_emotion_the_model_has(case):
    predictor, images, maps, targets = case
    asked = []

    def explain(model, images, targets, ids):
        asked.extend(targets.tolist())
        return gradient(model, images, targets, ids)

    found = random_logit(predictor, images, maps, targets, explain)
    own = set(predictor.model.canonical(torch.arange(6)).tolist())
    assert all(other in own for other in asked)
    assert all(other != target for other, target in zip(asked, targets.tolist(), strict=True))
    others = gradient(predictor.model, images, torch.tensor(asked), None)
    slow = [
        similarity_slow(a.numpy(), b.numpy(), "ssim") for a, b in zip(maps, others, strict=True)
    ]
    assert found.tolist() == pytest.approx(slow, abs=1e-4)
    assert random_logit(
        predictor, images, edges(None, images, None, None), targets, edges
    ).tolist() == pytest.approx([1] * 6)


@pytest.mark.parametrize("classes", [7, 8])
def test_as_many_emotions_as_the_model_has(classes, images):
    model = FERModel(TinyNet(classes), emotions=EMOTIONS[:classes], size=64).eval()
    targets = torch.tensor([classes - 1] * 5)
    small = torch.nn.functional.interpolate(images, size=50)
    maps = gradient(model, small, targets, None)
    seen = set()

    def explain(model, images, targets, ids):
        seen.update(targets.tolist())
        return gradient(model, images, targets, ids)

    for seed in range(8):
        assert random_logit(model, small, maps, targets, explain, seed=seed).isfinite().all()
    assert len(seen) > 4
    assert max(seen) < classes - 1
    assert mprt(model, small, maps, targets, gradient, layers=2).similarity.isfinite().all()


def _random_logit_of(model, first, second):
    """The score where the target's map is one and the map of any other emotion another."""

    def explain(model, images, targets, ids):
        return second[[int(name) for name in ids]]

    images = torch.rand(len(first), 3, *first.shape[1:])
    targets = torch.zeros(len(first), dtype=torch.int64)
    return random_logit(model, images, first, targets, explain)


@pytest.mark.parametrize(("cells", "moved", "right"), [(2, 0.47, 0.06), (4, 0.80, 0.68)])
def test_unsigned_maps_are_compared_on_their_own_range(model, cells, moved, right):
    """Single cells in opposite corners: moved to [.5, 1] they are alike by the constant alone."""
    corners = torch.zeros(2, cells, cells)
    corners[0, 0, 0], corners[1, -1, -1] = 1, 1
    first, second = upsampled(corners)
    found = float(_random_logit_of(model, first[None], second[None]))
    slow = [
        structural_similarity(
            (first + up).numpy() / (1 + up),
            (second + up).numpy() / (1 + up),
            data_range=1.0,
            full=True,
        )[1].mean()
        for up in (0, 1)
    ]
    assert slow == pytest.approx([right, moved], abs=0.01)
    assert found == pytest.approx(slow[0], abs=1e-5)


def test_unrelated_noise_is_not_alike(model):
    """On [.5, 1] noise without negative values would score .17 in place of .05."""
    one, two = torch.randn(2, 8, 64, 64, generator=torch.Generator().manual_seed(0)) ** 2
    assert float(_random_logit_of(model, one, two).mean()) == pytest.approx(0.05, abs=0.01)


def test_the_range_is_the_pairs_and_so_a_batch_is_one_by_one(model):
    own = torch.Generator().manual_seed(0)
    plain, other = (upsampled(torch.rand(1, 4, 4, generator=own)) for _ in range(2))
    signed = upsampled(torch.randn(1, 4, 4, generator=own))
    both = _random_logit_of(model, torch.cat([plain, signed]), torch.cat([other, other]))
    assert both.tolist() == pytest.approx(
        [float(_random_logit_of(model, maps, other)) for maps in (plain, signed)], abs=1e-6
    )
    noise = plain - plain.min() - 1e-7  # rounding below zero is no sign
    assert _random_logit_of(model, noise, other) == pytest.approx(
        _random_logit_of(model, noise.clamp(min=0), other), abs=1e-4
    )
    assert float(_random_logit_of(model, signed, -signed)) < 0.2  # no map is like its inverse
