"""The gate and the endpoint, where maps are undefined."""

import numpy as np
import torch

from fer_xai.landmarks import register
from studies.scoreboard.consistency import endpoint
from studies.scoreboard.gate import gate
from tests.studies.scoreboard.boards import board


def test_the_gate_and_the_endpoint_know_undefined_maps(predictor, faces, broken):
    lost = torch.tensor([face in broken for face in faces.ids])
    chosen = board(methods=["saliency"])
    explained = chosen.explained(predictor, faces)
    maps = explained.maps("saliency", chunk=3)
    assert torch.equal(maps.isnan().flatten(1).all(dim=1), lost)
    assert torch.equal(maps.isnan().flatten(1).any(dim=1), lost)
    table = gate(explained, chosen).set_index("method")
    assert table.loc["saliency", "undefined"] == 2 / 7
    assert table.loc["centre", "undefined"] == 0
    registration = register(faces.landmarks_at(64), size=64)
    found = endpoint(predictor, faces, registration, method="saliency")
    assert np.allclose(found["undefined"], 2 / 7)
    assert np.isnan(found["influence"][lost.numpy()]).all()
