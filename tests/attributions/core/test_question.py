"""The number of an emotion that is explained: logit, log-probability or probability."""

import torch

from fer_xai import explain
from fer_xai.emotions import SIX
from fer_xai.perturb.fills import fill_images
from fer_xai.scores import scores
from tests.attributions.nets import halves, weight


def test_the_output_that_is_explained_can_be_chosen(linear, small):
    logits = linear(small).detach()
    column = torch.full((2, 1), SIX.index("fear"))
    for output, expected in {
        "logit": logits,
        "log_probability": logits.log_softmax(dim=1),
        "probability": logits.softmax(dim=1),
    }.items():
        assert torch.allclose(scores(logits, column, output=output), expected.gather(1, column))
        found = explain(
            linear,
            small,
            method="region_shapley",
            targets="fear",
            output=output,
            regions=halves(small),
        )
        empty = linear(fill_images(small, "mean")).detach()
        below = {
            "logit": empty,
            "log_probability": empty.log_softmax(1),
            "probability": empty.softmax(1),
        }[output]
        difference = (expected - below).gather(1, column)[:, 0]
        assert torch.allclose(found.values.sum(dim=1), difference, atol=1e-5)
        assert found.params["output"] == output
    gradient = explain(linear, small, method="saliency", targets="fear", output="probability")
    p = logits.softmax(dim=1)
    mean = torch.einsum("bc,cp->bp", p, linear.net[1].weight.detach()).reshape(2, 3, 8, 8)
    expected = p.gather(1, column)[..., None, None] * (weight(linear, "fear") - mean)
    assert torch.allclose(gradient.channels, expected, atol=1e-6)
