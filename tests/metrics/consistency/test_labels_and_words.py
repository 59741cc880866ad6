"""Faces without a label, what units are called, and the line that a result prints."""

import numpy as np
import pytest
import torch

from fer_xai.errors import InputError
from metrics.consistency.jackknife import jackknife_interval
from metrics.consistency.likeness import emotion_likeness
from metrics.consistency.separability import separability
from metrics.consistency.similarity import similarity
from metrics.statistics.intervals import mean_interval
from studies.engine.recognised_share import wilson_interval

LABELS = torch.arange(24) % 2
ROWS = torch.nn.functional.normalize(
    torch.rand(24, 9, generator=torch.Generator().manual_seed(0)) + torch.eye(9)[LABELS]
)
NAMELESS = ("", None, float("nan"))


@pytest.mark.parametrize("label", NAMELESS)
def test_a_face_without_a_label_is_its_own_and_units_are_called_faces(label):
    clusters = [label] * 24
    plain, own = separability(ROWS, LABELS), separability(ROWS, LABELS, clusters=clusters)
    assert own.interval == plain.interval
    assert own.interval.scheme == "delete-one jackknife over faces"
    assert similarity(ROWS, LABELS, clusters=clusters).interval.scheme.endswith("over faces")
    assert "over faces" in mean_interval(range(24), clusters=clusters).scheme
    few = separability(ROWS[:4], LABELS[:4], clusters=clusters[:4])
    assert few.left_out[0] == "2 maps, and 5 maps are needed"
    hits = np.arange(24) < 18
    assert wilson_interval(hits, clusters) == wilson_interval(hits, range(24))
    maps = ROWS.reshape(24, 3, 3)
    alone = emotion_likeness(maps, LABELS, clusters)
    assert np.array_equal(alone.own, emotion_likeness(maps, LABELS, range(24)).own)
    assert np.isfinite(alone.own).all()


def test_units_are_called_clusters_where_one_has_several_faces():
    clusters = ["a", "a", *[""] * 22]
    assert separability(ROWS, LABELS, clusters=clusters).interval.scheme.endswith("over clusters")
    assert "clusters" in mean_interval(range(24), clusters=clusters).scheme
    few = separability(ROWS[:4], torch.zeros(4), clusters=["a", "a", "", "b"])
    assert few.left_out[0] == "4 maps of 3 persons, and 5 persons are needed"


def test_a_result_prints_one_line():
    found = separability(ROWS, LABELS)
    low, high = (f"{x:.3f}".lstrip("0") for x in (found.interval.low, found.interval.high))
    middle = f"{found.auc:.3f}".lstrip("0")
    assert repr(found) == f"Separability(AUC {middle} [{low}, {high}], 24 faces)"
    persons = separability(ROWS, LABELS, clusters=[*range(12)] * 2)
    assert repr(persons).endswith("], 12 clusters)")
    alike = similarity(ROWS, LABELS)
    assert repr(alike).startswith(f"Similarity(excess {alike.macro_excess:.3f}".replace("0.", "."))
    for shown in (repr(alike), repr(similarity(ROWS[:2], LABELS[:2]))):
        assert "\n" not in shown
        assert "array" not in shown


def test_infinite_rows_and_parts_and_levels_are_refused():
    rows = ROWS.clone()
    rows[3, 2] = torch.inf
    for fn in (separability, similarity):
        with pytest.raises(InputError, match="^Expected finite rows, or NaN where a map is"):
            fn(rows, LABELS)
    with pytest.raises(InputError, match="finite parts of faces.* got inf at row 1"):
        jackknife_interval(0.5, [0.1, np.inf, 0.1], torch.zeros(3))
    with pytest.raises(InputError, match="Expected level above 0 and below 1, got 95"):
        jackknife_interval(0.5, [0.1, 0.2, 0.1], torch.zeros(3), level=95)
    with pytest.raises(InputError, match="Expected level above 0 and below 1, got 95"):
        wilson_interval(np.ones(8, dtype=bool), range(8), level=95)
