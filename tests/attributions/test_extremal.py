"""Masks hold their area in whatever unit the score has, and show nothing where it is flat."""

import copy

import pytest
import torch

from fer_xai import explain
from fer_xai.attributions.extremal import Extremal
from fer_xai.errors import InputError


def test_an_emotion_of_constant_score_has_a_blank_map(model, images):
    model.net.fc.weight.data[5] = 0
    found = explain(model, images[:2], method=Extremal(steps=3), targets=["fear", "anger"])
    assert found.blank.tolist() == [True, False]


def test_the_area_holds_whatever_the_scale_of_the_logits(model, images):
    larger = copy.deepcopy(model)
    larger.net.fc.weight.data *= 100
    larger.net.fc.bias.data *= 100
    for area in (0.1, 0.3):
        method = Extremal(areas=(area,), steps=60)
        one, two = (
            explain(used, images[:3], method=method, targets="fear").maps
            for used in (model, larger)
        )
        assert torch.allclose(one, two, atol=0.02)
        assert (two > 0.9).any()


def test_the_area_is_the_one_that_was_asked_for(model, images):
    """The penalty alone leaves .06 to .08 of an area of .05."""
    for area in (0.05, 0.1, 0.4, 1 / 256):
        method = Extremal(areas=(area,), steps=8)
        made = explain(model, images[:3], method=method, targets="fear").maps
        assert torch.allclose(made.mean(dim=(1, 2)), torch.tensor(area), rtol=1e-3)
        assert made.min() >= 0
        assert made.max() <= 1
    both = explain(model, images[:2], method=Extremal(areas=(0.1, 0.3), steps=4), targets="fear")
    assert torch.allclose(both.maps.mean(dim=(1, 2)), torch.tensor(0.2), rtol=1e-3)


def test_an_area_of_less_than_a_cell_is_refused():
    with pytest.raises(InputError, match="Expected areas from 0.00391 to 0.996, one cell to all"):
        Extremal(areas=(0.1, 0.001))
    Extremal(areas=(0.001,), cells=32)
