"""Masks hold their area in whatever unit the score has, and show nothing where it is flat."""

import copy

import torch

from fer_xai import explain
from fer_xai.attributions.extremal import Extremal


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
        assert (two.mean(dim=(1, 2)) - area).abs().max() < 0.05
        assert (two > 0.9).any()
