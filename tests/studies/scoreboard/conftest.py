"""Faces, a tiny network, and rows whose answer is known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from fer_xai.attributions import ATTRIBUTIONS
from fer_xai.data import load_dataset
from fer_xai.emotions import SIX
from fer_xai.inference.predictor import Predictor
from tests.helpers import tiny_model


@pytest.fixture(scope="module")
def faces():
    return load_dataset("synthetic", emotions=SIX, limit=7)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(tiny_model(), device="cpu", batch_size=16)


@pytest.fixture
def broken(faces, monkeypatch):
    """Ids of two faces whose saliency maps miss a fifth of what they should add up to."""
    kind, names = type(ATTRIBUTIONS["saliency"]), faces.ids[2:4]
    places = ["2", "3"]  # what they are called where nobody says
    make = kind.maps

    def maps(self, predictor, question):
        made = make(self, predictor, question)
        lost = torch.tensor([key in names + places for key in question.keys])[:, None].float()
        whole = made.cells.abs().sum(dim=(2, 3))
        return dataclasses.replace(made, completeness_delta=0.2 * whole * lost, expected_sum=whole)

    monkeypatch.setattr(kind, "maps", maps)
    return names


@pytest.fixture
def rows():
    """Forty faces of twenty people; saliency is better than the centre, LRP is worse."""
    rng = np.random.default_rng(0)
    shift = {"saliency": 0.2, "gradcam": 0.0, "lrp": -0.2, "centre": 0.0, "random": -0.1}
    face = 0.5 + 0.05 * rng.normal(size=40)
    return pd.DataFrame(
        {
            "id": f"f{i}",
            "model": "net",
            "method": method,
            "metric": metric,
            "value": (sign < 0) + sign * (move + face[i]) + 0.05 * rng.normal(),
        }
        for metric, sign in (("insertion", 1), ("deletion", -1), ("aopc", 1))
        for method, move in shift.items()
        for i in range(40)
    )
