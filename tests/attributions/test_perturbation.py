"""What random masks say, one mask and one pixel at a time."""

import numpy as np
import pytest
import torch
from torch import nn

from fer_xai import FERModel
from fer_xai.attributions import Question, attribute
from fer_xai.attributions.perturbation import Rise
from fer_xai.emotions import SIX
from fer_xai.probe import Probe
from tests.reference.masks_slow import rise_slow


@pytest.fixture
def small():
    return torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def built(*layers):
    model = FERModel(nn.Sequential(*layers), emotions=SIX, size=6, mean=(0, 0, 0), std=(1, 1, 1))
    return model.eval()


@pytest.mark.parametrize("keep", [0.5, 0.3])
def test_rise_is_the_papers_mean_over_each_pixels_own_variance(keep, small):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = built(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 6))
    method = Rise(masks=5, cells=3, keep=keep, fill="mean")
    columns = torch.tensor([[1, 4], [3, 0]])
    given = {"ids": ["a", "b"], "seed": 2}
    found = attribute(Probe(model, device="cpu"), small, columns, method=method, **given).cells
    asked = Question(images=small, columns=columns, keys=("a", "b"), seed=2)
    grids, shifts = method._drawn(asked)
    for face in range(2):
        filled = small[face].mean(dim=(1, 2), keepdim=True)
        expected = rise_slow(
            model, small[face], grids[face], shifts[face], filled=filled,
            column=int(columns[face, face]), keep=keep,
        )  # fmt: skip
        assert np.allclose(found[face, face], expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("place", [(0, 0), (0, 3), (3, 3), (5, 2)])
def test_rise_says_what_a_pixel_adds_wherever_it_is(place, small):
    """A model that reads one pixel alone."""
    model = built(nn.Flatten(), nn.Linear(108, 6))
    weight = torch.zeros(6, 3, 6, 6)
    weight[:, :, place[0], place[1]] = 1
    model.net[1].weight.data = weight.flatten(1)
    column, method = torch.zeros(2, 1).long(), Rise(masks=3000)
    cells = attribute(Probe(model, device="cpu"), small, column, method=method).cells[:, 0]
    added = small[:, :, place[0], place[1]].sum(dim=1)
    assert torch.allclose(cells[:, place[0], place[1]], added, rtol=0.06)
