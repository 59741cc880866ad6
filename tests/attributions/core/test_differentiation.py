"""Gradients over drawn images have the mean and the variance that they have."""

import torch

from fer_xai.attributions import Question
from fer_xai.attributions.core.differentiation import mean_gradient
from fer_xai.inference.predictor import Predictor


def test_mean_and_variance_are_those_of_the_gradients_one_by_one(model, images):
    used, columns = Predictor(model, device="cpu"), torch.tensor([[0, 5], [2, 3]])
    generator = torch.Generator().manual_seed(0)
    drawn = torch.rand(5, 2, 3, 64, 64, generator=generator)
    mean, variance = mean_gradient(
        used, Question(images=images[:2], columns=columns), lambda i: (drawn[i], None), samples=5
    )
    each = []
    for batch in drawn:
        leaf = batch.clone().requires_grad_()
        logits = used.fastest(leaf).gather(1, columns)
        each.append([torch.autograd.grad(s, leaf, retain_graph=True)[0] for s in logits.sum(0)])
    stacked = torch.stack([torch.stack(pair, dim=1) for pair in each]).double()
    for found, expected in ((mean, stacked.mean(dim=0)), (variance, stacked.var(0, correction=0))):
        assert (found - expected).norm() < 1e-5 * expected.norm()
