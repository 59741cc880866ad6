"""Integrated gradients: more points bring a smaller gap, and are taken where they are needed."""

import torch

from fer_xai.attributions import attribute
from fer_xai.attributions.integrated_gradients import IntegratedGradientsTo
from fer_xai.inference.predictor import Predictor
from tests.attributions.nets import predictor


def test_the_gap_shrinks_with_steps():
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    gaps = [
        attribute(
            predictor("resnet18"),
            images,
            torch.tensor([[0], [1]]),
            method=IntegratedGradientsTo(steps=steps, most=1),
        )
        .completeness_delta.abs()
        .max()
        for steps in (2, 64)
    ]
    assert gaps[1] < gaps[0] / 2


def test_integrated_gradients_double_their_steps_for_the_faces_that_need_it(model, images):
    used, columns = Predictor(model, device="cpu"), torch.tensor([[5, 0]] * 5)
    fixed = IntegratedGradientsTo(steps=2, most=2)
    before = attribute(used, images, columns, method=fixed).completeness_gap.abs()
    method = IntegratedGradientsTo(steps=2)
    found = attribute(used, images, columns, method=method)
    after = found.completeness_gap.abs()
    assert (before > 0.05).any()
    assert (before <= 0.05).any()
    assert (after <= 0.05).all()
    kept = before <= 0.05
    assert torch.equal(after[kept], before[kept])
    alone = attribute(used, images[3:4], columns[3:4], method=method)
    assert torch.allclose(alone.cells[0], found.cells[3], atol=1e-6)
