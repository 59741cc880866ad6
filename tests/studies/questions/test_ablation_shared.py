"""Networks of the ablation are compared over the emotions that all of them have enough maps of."""

import numpy as np
import pandas as pd
import pytest

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.data.splits import face_groups
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import register
from studies.questions.ablation.shared import compared, left_out, restricted
from studies.questions.ablation.tables import Units, difference_table, excess_parts, variant_table
from studies.scoreboard import consistency
from tests.helpers import tiny_model
from tests.studies.questions.test_shared_emotions import cells_of, lacking

FACES = synthetic_faces(60, size=64)
UNITS = Units(labels=FACES.labels.numpy(), clusters=face_groups(FACES).tolist())


def endpoint(cells, patch):
    patch.setattr(consistency, "native_maps", lambda *_, **__: cells)
    frame = register(FACES.landmarks_at(64), size=64, kind="none")
    return consistency.endpoint(Predictor(tiny_model(), device="cpu"), FACES, frame)


@pytest.fixture(scope="module")
def kept():
    """Whole, the same without all but four maps of fear, and that of its other faces alone."""
    with pytest.MonkeyPatch.context() as patch:
        cells = cells_of(FACES.labels)
        whole, few, none = (
            endpoint(some, patch)
            for some in (
                cells,
                lacking(cells, FACES.labels),
                lacking(cells, FACES.labels, kept=0),
            )
        )
    return whole, few, none


def test_a_variants_excess_is_over_the_emotions_that_all_its_networks_have(kept):
    whole, few, _ = kept
    made = {f"gimefive@seed{k}": few for k in range(2)}
    made |= {f"gimefive@untrained{k}": whole for k in range(3)}
    rows = pd.DataFrame({"variant": "gimefive", "seed": [0, 1], "accuracy": 80.0, "excess": 0.0})
    assert np.nanmean(whole["auc"]) != np.nanmean(few["auc"])
    alike = compared(made, ["gimefive"])
    aucs = np.array([one["auc"] for one in alike.values()])
    assert np.ptp(aucs, axis=0).max() < 1e-12
    assert excess_parts("gimefive", [0, 1], alike) == pytest.approx(0, abs=1e-7, nan_ok=True)
    row = variant_table(
        rows.assign(**{"AUC": 0.6, "macro recall": 80.0, "undefined maps": 0.1, "grid": "4×4"}),
        made,
        UNITS,
    ).iloc[0]
    assert row["AUC untrained"] == pytest.approx(np.nanmean(few["auc"]), abs=1e-12)
    said = left_out(made, ["gimefive"])
    assert "fear at happiness (too few maps in 2 of 5 networks)" in said[0]


def test_a_difference_of_two_variants_is_over_the_emotions_of_both(kept):
    whole, few, _ = kept
    made = {}
    for name, one in (("gimefive", whole), ("twin", few)):
        made |= {f"{name}@seed{k}": one for k in range(5)}
        made |= {f"{name}@untrained{k}": one for k in range(3)}
    made["twin@untrained0"] = whole  # the twin's own floor would lack fear in two of three
    rows = pd.DataFrame(
        {"variant": ["gimefive"] * 5 + ["twin"] * 5, "seed": [*range(5)] * 2, "accuracy": 80.0}
    )
    found = difference_table(rows, made, UNITS).iloc[0]
    assert found["excess AUC"] == pytest.approx(0, abs=1e-12)


def test_fewer_emotions_from_what_is_kept_are_those_of_the_faces_alone(kept):
    whole, few, none = kept
    shared = np.isfinite(few["areas"]).any(axis=2)
    for one in (restricted(whole, shared), restricted(few, shared)):
        assert one["auc"] == pytest.approx(few["auc"], abs=1e-12)
        assert one["influence"] == pytest.approx(few["influence"], abs=1e-7, nan_ok=True)
    everything = np.isfinite(whole["areas"]).any(axis=2)
    again = restricted(whole, everything)
    assert again["auc"] == pytest.approx(whole["auc"], abs=1e-12)
    assert again["influence"] == pytest.approx(whole["influence"], abs=1e-7, nan_ok=True)
    assert none["auc"] == pytest.approx(few["auc"], abs=1e-12)  # four maps take no part


def test_networks_that_lack_nothing_are_unchanged(kept):
    whole, *_ = kept
    made = {"a@seed0": whole, "a@untrained0": whole, "b@seed0": whole}
    alike = compared(made, ["a"])
    assert list(alike) == ["a@seed0", "a@untrained0"]
    assert all(one is whole for one in alike.values())
    assert left_out(made, ["a", "b"]) == []
