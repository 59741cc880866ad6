"""Cells that say nothing are nobody: such a face stands for itself, wherever persons are read."""

import io

import numpy as np
import pandas as pd
import pytest

from fer_xai.checks import name_or_unknown
from fer_xai.data.splits import face_groups
from fer_xai.errors import InputError
from fer_xai.types import Faces
from metrics.statistics.intervals import mean_interval
from metrics.statistics.permuting import permutations

NOTHING = [None, np.nan, pd.NA, pd.NaT, "", "  ", "\t", "nan", "None"]
IMAGES = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)


def _faces(table):
    return Faces(table=table, reader=lambda row: IMAGES[row], name="x")


def _csv(subjects, groups):
    lines = ["id,path,emotion,split,subject,source,group"]
    lines += [
        f"{i},{i}.png,fear,test,{s},,{g}"
        for i, (s, g) in enumerate(zip(subjects, groups, strict=True))
    ]
    return pd.read_csv(io.StringIO("\n".join(lines)))


@pytest.mark.parametrize("column", ["subject", "group"])
@pytest.mark.parametrize("nothing", ["", " ", "NaN", "None"])
def test_empty_cells_of_a_csv_are_no_person(column, nothing):
    blank, cells = [""] * 24, [nothing] * 24
    table = _csv(cells, blank) if column == "subject" else _csv(blank, cells)
    groups = face_groups(_faces(table))
    assert len(set(groups)) == 24
    assert set(_faces(table).table[column]) == {""}


@pytest.mark.parametrize("nothing", NOTHING, ids=repr)
def test_whatever_says_nothing_is_unknown(nothing):
    assert name_or_unknown(nothing) == ""
    table = _csv([""] * 4, [""] * 4).astype(object)
    table["subject"] = pd.Series([nothing, "a", nothing, "a "], dtype=object)
    groups = face_groups(_faces(table)).tolist()
    assert groups[1] == groups[3]
    assert len(set(groups)) == 3


def test_whole_numbers_stay_whole_beside_an_empty_cell():
    faces = _faces(_csv(["7", "", "7", "8"], ["", "1", "1", ""]))
    assert list(faces.table["subject"]) == ["7", "", "7", "8"]
    assert list(faces.table["group"]) == ["", "1", "1", ""]
    assert len(set(face_groups(faces))) == 2


def test_the_table_handed_in_stays_as_it_was():
    table = _csv([""] * 4, [""] * 4)
    before = table.copy()
    _faces(table).subset([2, 0])
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("nothing", NOTHING, ids=repr)
def test_clusters_of_metrics_are_read_alike(nothing):
    values = np.random.default_rng(0).normal(size=24)
    alone = mean_interval(values)
    unknown = mean_interval(values, clusters=[nothing] * 24)
    assert (unknown.n, unknown.standard_error) == (alone.n, pytest.approx(alone.standard_error))
    mixed = mean_interval(values, clusters=["a"] * 4 + [nothing] * 20)
    assert mixed.n == 21
    labels = np.arange(24) % 2
    free = permutations(labels, repeats=3, seed=0, clusters=np.array([nothing] * 24, dtype=object))
    assert np.array_equal(free, permutations(labels, repeats=3, seed=0))


def test_faces_without_an_id_or_an_emotion_are_named():
    table = _csv([""] * 3, [""] * 3)
    for nothing in (np.nan, "", None):
        with pytest.raises(InputError, match="Expected an id for each face of x, but row 1 of the"):
            _faces(table.assign(id=pd.Series(["a", nothing, "b"], dtype=object)))
    with pytest.raises(InputError, match="Expected canonical emotion names in the table, got nan:"):
        _faces(table.assign(emotion=["fear", np.nan, "fear"]))
    with pytest.raises(InputError, match="got the id '1' twice, in rows 0 and 2 of the table"):
        _faces(table.assign(id=[1, 2, "1"]))
