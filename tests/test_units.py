"""Labels of persons and moments: none empty, none shared by what is not known to be one."""

import numpy as np
import pandas as pd

from fer_xai.data import load_dataset
from fer_xai.types import Faces
from fer_xai.types.units import moment_labels, person_labels
from metrics.statistics.intervals import mean_interval


def _table(*rows):
    return pd.DataFrame(rows, columns=["id", "subject", "group", "emotion"])


def test_a_group_joins_faces_whose_subject_is_known_in_part():
    table = _table(
        ("a", "S1", "", "fear"),
        ("b", "S1", "g", "fear"),
        ("c", "", "g", "fear"),
        ("d", "", "h", "fear"),
        ("e", "", "h", "anger"),
        ("f", "", "", "anger"),
    )
    assert person_labels(table) == ["S1", "S1", "S1", "group h", "group h", "face f"]
    assert moment_labels(table) == [
        "S1 / fear",
        "S1 / g / fear",
        "S1 / g / fear",
        "group h / h / fear",
        "group h / h / anger",  # a moment has one emotion
        "face f / anger",
    ]


def test_copies_in_the_hands_of_two_persons_make_them_one():
    table = _table(("a", "S1", "g", "fear"), ("b", "S2", "g", "fear"), ("c", "S2", "", "fear"))
    assert person_labels(table) == ["S1+S2"] * 3


def test_equal_words_of_different_persons_are_told_apart():
    table = _table(("x", "", "", "fear"), ("y", "face x", "", "fear"), ("z", "", "x", "fear"))
    assert len(set(person_labels(table))) == len(set(moment_labels(table))) == 3
    slashed = _table(("x", "a / b", "c", "fear"), ("y", "a", "b / c", "fear"))
    assert len(set(moment_labels(slashed))) == 2


def test_an_empty_table_has_no_labels():
    assert person_labels(_table()) == moment_labels(_table()) == []


def test_faces_of_nobody_are_independent_and_of_somebody_clusters():
    cells = {"path": "", "split": "", "source": "", "emotion": "fear"}
    table = pd.DataFrame({"id": list("abcdef"), "subject": [None, np.nan, " ", "1", "1", 2]})
    faces = Faces(
        table=table.assign(**cells, group=""), reader=lambda _: np.zeros((8, 8)), name="x"
    )
    assert faces.persons == ["face a", "face b", "face c", "1", "1", "2"]
    assert len(set(faces.moments)) == 5
    assert mean_interval(np.arange(6.0), clusters=faces.persons).n == 5


def test_built_in_faces_know_their_persons():
    faces = load_dataset("synthetic", limit=24)
    assert faces.persons == list(faces.table["subject"])
