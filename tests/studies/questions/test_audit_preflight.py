"""An audit looks at the wiring first, and judges no model that is not wired as declared."""

import json

import pytest
from torch import nn

from fer_xai.emotions import SIX
from studies import audit
from studies.questions.audit import verdicts
from tests.wiring.conftest import Matched, pattern_faces
from tests.wiring.conftest import wired as wired_net

ASKED = {
    "methods": ["saliency"],
    "metrics": ["gini"],
    "controls": ["centre"],
    "thresholds": {"saliency:gini": 0.0},
}


def wired(**changes):
    """The matched network behind a layer that changes nothing, for class activation maps."""
    same = nn.Conv2d(3, 3, 1, bias=False)
    same.weight.data = nn.init.dirac_(same.weight.data)
    return wired_net(nn.Sequential(same, Matched()), cam_layer="0", **changes)


@pytest.fixture(scope="module")
def many():
    return pattern_faces(120)


def test_a_right_model_is_judged_and_its_wiring_comes_first(many):
    found = audit(wired(), many, **ASKED)
    assert found.wired
    assert found.passed
    assert found.answer.splitlines()[0].startswith(
        "Preflight: No check found matched wired otherwise"
    )
    assert "order of the outputs" in set(found.tables["preflight"]["check"])


def test_a_model_with_swapped_outputs_is_not_judged_though_it_recognises_faces(many):
    swapped = wired(emotions=(SIX[1], SIX[0], *SIX[2:]))
    found = audit(swapped, many, **ASKED)
    assert found.recognised.above_prior
    assert not found.wired
    assert not found.judged
    assert not found.passed
    assert "emotions=('happiness', 'surprise'" in found.answer
    assert "Not judged: the model is not wired as declared. Repair the wiring" in found.answer
    assert audit(swapped, many, anyway=True, **ASKED).passed
    assert audit(swapped, many, preflight=False, **ASKED).passed


def test_what_was_found_is_kept_with_the_shards(many, tmp_path, monkeypatch):
    first = audit(wired(), many, shards=tmp_path / "kept", **ASKED)
    assert json.loads((tmp_path / "kept" / "preflight.json").read_text())["passed"]
    monkeypatch.setattr(verdicts, "preflight", lambda *_, **__: pytest.fail("it was made anew"))
    again = audit(wired(), many, shards=tmp_path / "kept", **ASKED)
    assert again.answer == first.answer
