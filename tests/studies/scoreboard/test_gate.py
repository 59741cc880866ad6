"""The gate and the endpoint, where maps are undefined."""

import numpy as np
import torch

from fer_xai.data import load_dataset
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import register
from fer_xai.models import load_model
from studies.scoreboard import gate as module
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
    # seven faces that all have likeness 1 leave room below the margin
    verdicts = dict.fromkeys(["random", "signed_random", "centre", "edges"], "undecided")
    controls = table.loc[table["control"], "gate"].to_dict()
    assert controls == {**verdicts, "uniform": "undefined"}
    registration = register(faces.landmarks_at(64), size=64)
    found = endpoint(predictor, faces, registration, method="saliency")
    assert np.allclose(found["undefined"], 2 / 7)
    assert np.isnan(found["influence"][lost.numpy()]).all()


def test_guided_backprop_is_stopped_and_gradients_and_grad_cam_pass(monkeypatch):
    """On GiMeFive, as it was trained on built-in faces."""
    monkeypatch.setattr(module, "MODEL_FREE", ())  # held above, on a smaller network
    used = Predictor(load_model("gimefive", weights="synthetic"), device="cpu", batch_size=8)
    chosen = board(methods=["guided_backprop", "saliency", "gradcam"])
    explained = chosen.explained(used, load_dataset("synthetic", limit=8))
    table = gate(explained, chosen).set_index("method")
    assert table.loc["guided_backprop", "likeness low"] > 0.5
    assert table["gate"].to_dict() == {
        "guided_backprop": "stopped",
        "saliency": "passes",
        "gradcam": "passes",
    }
