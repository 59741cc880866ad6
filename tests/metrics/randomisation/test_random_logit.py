import pytest
import torch

from fer_xai.emotions import EMOTIONS
from fer_xai.models import FERModel
from metrics.randomisation.mprt import mprt
from metrics.randomisation.random_logit import random_logit
from tests.helpers import TinyNet
from tests.metrics.explainers import edges, gradient
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
