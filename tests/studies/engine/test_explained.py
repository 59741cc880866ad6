"""What is explained of each face is decided, and computed, once."""

import numpy as np
import pytest
import torch

from fer_xai import explain
from fer_xai.attributions import CONTROLS, control_maps
from fer_xai.data import load_dataset
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.types import Faces
from studies import audit
from studies.engine import explained as module
from studies.engine.explained import Explained
from tests.helpers import tiny_model


@pytest.fixture(scope="module")
def faces():
    return load_dataset("synthetic", limit=6)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(tiny_model(), device="cpu", batch_size=16)


def test_targets_are_what_is_predicted_or_what_is_true(predictor, faces):
    made = Explained(predictor, faces)
    assert torch.equal(made.targets, explain(predictor, faces, method="gradcam").targets)
    assert torch.equal(Explained(predictor, faces, rule="true").targets, faces.labels)
    with pytest.raises(InputError, match="Expected targets predicted or true, got 'best'"):
        Explained(predictor, faces, rule="best")


@pytest.mark.parametrize("method", ["gradcam", "saliency", "smoothgrad", "region_ablation"])
def test_maps_are_those_of_explain(predictor, faces, method):
    made = Explained(predictor, faces, seed=3)
    regions = made.regions
    found = explain(
        predictor, faces.images, method=method, regions=regions, ids=faces.ids, seed=3
    ).maps
    assert torch.allclose(made.explanation(method).maps, found, atol=1e-6)
    assert torch.allclose(made.maps(method, chunk=4), found, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in CONTROLS if not n.startswith(("other", "same"))])
def test_controls_are_those_of_explain(predictor, faces, name):
    made = Explained(predictor, faces, seed=3)
    found = explain(predictor, faces.images, method=name, ids=faces.ids, seed=4)
    assert torch.allclose(made.control(name, seed=4).maps, found.maps, atol=1e-6)


def test_maps_are_made_once_while_there_is_room(predictor, faces, monkeypatch):
    calls = []
    monkeypatch.setattr(
        module, "explain", lambda *a, **o: calls.append(o["method"]) or explain(*a, **o)
    )
    kept, not_kept = (Explained(predictor, faces, keep=keep) for keep in (True, False))
    for made in (kept, not_kept):
        first, second = (made.maps("saliency", chunk=3) for _ in range(2))
        assert torch.equal(first, second)
    assert len(calls) == 2 + 4
    monkeypatch.setattr(module, "KEPT", 0)
    crowded = Explained(predictor, faces, keep=True)
    crowded.explanation("saliency")
    crowded.explanation("saliency")
    assert len(calls) == 6 + 2


@pytest.mark.parametrize("room", [2**28, 0])
def test_controls_of_all_faces_are_made_once_while_there_is_room(
    predictor, faces, monkeypatch, room
):
    made = []
    monkeypatch.setattr(module, "control_maps", lambda *a: made.append(a[0]) or control_maps(*a))
    monkeypatch.setattr(module, "KEPT", room)
    explained = Explained(predictor, faces, seed=3)
    for name in CONTROLS:
        parts = [explained.control(name, slice(start, start + 2)).maps for start in (0, 2, 4)]
        other = explained.control(name, seed=4).maps
        whole = Explained(predictor, faces, seed=3).control(name).maps
        assert torch.equal(torch.cat(parts), whole) or bool(whole.isnan().any())
        assert torch.equal(torch.cat(parts).isnan(), whole.isnan())
        if name == "random":
            assert not torch.equal(other, whole)
    asked = 3 if room else 5
    assert len(made) == asked * len(CONTROLS)  # with those of the second object


def test_another_network_is_asked_for_the_same_targets(predictor, faces):
    other = Predictor(tiny_model(seed=1), device="cpu", batch_size=16)
    made = Explained(predictor, faces)
    assert torch.equal(made.seen_by(other).targets, made.targets)


def test_an_audit_with_the_gate_explains_each_face_once_a_method(faces, monkeypatch):
    """The scores, the recognition and the gate share logits, targets and maps."""
    seen: list[str] = []
    monkeypatch.setattr(
        module, "explain", lambda *a, **o: seen.append(o["method"]) or explain(*a, **o)
    )
    logits = Predictor.logits
    whole = []

    def counted(self, images, **options):
        pixels = isinstance(images, Faces) or images.dtype == torch.uint8
        whole.append(pixels and len(images) == len(faces))
        return logits(self, images, **options)

    monkeypatch.setattr(Predictor, "logits", counted)
    report = audit(
        tiny_model(),
        faces,
        methods=["gradcam", "saliency"],
        metrics=["gini"],
        gate=True,
        preflight=False,
    )
    assert sorted(seen) == ["gradcam", "saliency"]
    assert sum(whole) == 1
    assert np.isfinite(report.frame["value"]).any()
