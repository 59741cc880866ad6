"""Gaps on rows: a planted gap is found, groups that mean nothing are not, small ones are named."""

import numpy as np
import pandas as pd
import pytest

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.errors import InputError
from fer_xai.types import Faces
from studies.questions.fairness.gaps import Gaps, told
from studies.questions.fairness.groups import groups_of
from studies.questions.fairness.recall import recall_table
from studies.questions.fairness.report import Part, answer_of


def faces_with(**columns) -> Faces:
    """Faces without pixels, of as many persons unless subjects are given."""
    n = len(next(iter(columns.values())))
    found = synthetic_faces(6, size=8).table.sample(n, replace=True, random_state=0)
    table = found.assign(id=[f"{k}" for k in range(n)], subject="")
    return Faces(table=table.assign(**columns), reader=lambda row: None, name="rows")


def rows_of(groups, right):
    gaps = Gaps(groups[0], groups[1].labels.numpy(), groups[1].persons, repeats=199)
    return gaps, gaps.recognition(right, np.full(len(right), 0.8))


def grouped(labels, **columns):
    faces = faces_with(age=labels, **columns)
    return groups_of(faces, ["age"], persons=faces.persons), faces


def test_a_planted_gap_is_found_and_the_three_faces_are_named():
    labels = np.repeat(["young", "old", "other", "few"], [200, 100, 100, 3])
    rng = np.random.default_rng(0)
    right = rng.random(403) < np.where(labels == "old", 0.5, 0.9)
    groups, faces = grouped(labels)
    gaps, table = rows_of((groups, faces), right)
    found = told(table)
    assert found.loc[found["gap"] < 0, "group"].tolist() == ["old"]
    old = table.set_index("group").loc["old"]
    assert old["gap low"] < -0.4 < old["gap high"] < 0
    few = table.set_index("group").loc["few"]
    assert few["small"] == "it has 3 faces of 3 persons, and a comparison takes 20 of 5"
    assert np.isnan(few["gap"])
    worst = gaps.worst().iloc[0]
    assert worst["worst group"] == "old"
    assert worst["gap"] < worst["one in twenty"] < worst["by chance"] < 0
    part = Part(model="net", recognition=table, worst=table, qualities=table[:0], recall=table)
    said = answer_of(part, groups)
    assert said.startswith("net recognises fewer faces of age old (−")
    assert (
        "Not compared, since too small or without an emotion in common: age few (3 faces)" in said
    )
    assert said.count(". ") <= 2


def test_groups_at_random_by_person_are_told_apart_as_rarely_as_promised():
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(40), 6)
    emotions = [["anger", "fear", "sadness"][k % 3] for k in range(240)]
    claims = 0
    for _ in range(12):
        labels = rng.choice(["a", "b", "c"], size=40)[person]
        faces = faces_with(age=labels, subject=[f"S{k}" for k in person], emotion=emotions)
        easy = rng.normal(0, 1, 40)[person]
        right = rng.random(240) < 1 / (1 + np.exp(-1.5 - easy))
        groups = groups_of(faces, ["age"], persons=faces.persons)
        claims += len(told(rows_of((groups, faces), right)[1])) > 0
    assert claims <= 3


def test_two_groups_are_one_comparison():
    groups, _ = grouped(["a"] * 40 + ["b"] * 60)
    assert groups.comparisons == 1
    assert len(groups.tested) == 2


@pytest.mark.parametrize(
    ("labels", "emotion", "sentence"),
    [
        (["a"] * 40, None, "two or more groups of age in rows, got a alone"),
        ([str(k) for k in range(40)], None, "at most 30 groups of age, got 40"),
        (["a"] * 40 + ["b"] * 3, None, "it has 3 faces of 3 persons, and a comparison takes 20 of"),
        (["a"] * 40 + ["b"] * 40, ["fear"] * 40 + ["anger"] * 40, "no emotion of which both"),
    ],
)
def test_groups_that_cannot_be_compared_are_refused(labels, emotion, sentence):
    columns = {} if emotion is None else {"emotion": emotion}
    with pytest.raises(InputError, match=sentence):
        grouped(labels, **columns)


def test_unknown_attributes_are_refused_and_unknown_values_counted():
    faces = faces_with(age=["a"] * 30 + ["b"] * 30 + [""] * 5)
    with pytest.raises(InputError, match="Expected an attribute of rows .*age.*, got 'race'"):
        groups_of(faces, ["race"], persons=faces.persons)
    sizes = groups_of(faces, ["age"], persons=faces.persons).sizes.set_index("group")
    assert sizes.loc["(unknown)", "faces"] == 5


def test_skewed_scores_of_a_small_group_have_no_interval():
    rng = np.random.default_rng(2)
    groups, faces = grouped(["a"] * 30 + ["b"] * 300)
    gaps = Gaps(groups, faces.labels.numpy(), faces.persons, repeats=99)
    values = pd.DataFrame(
        {("cam", "normal"): rng.normal(size=330), ("cam", "skewed"): rng.exponential(size=330)}
    )
    found = gaps.qualities(values, faces.labels.numpy(), np.ones(330, dtype=bool))
    found = found[found["group"] == "a"].set_index("quality")
    assert found.loc["normal", "gap low"] < 0 < found.loc["normal", "gap high"]
    assert found.loc["normal", "reason"] == ""
    assert "too skewed" in found.loc["skewed", "reason"]
    assert np.isnan(found.loc["skewed", "gap low"])
    assert found.loc["normal", "gap, rightly named"] == pytest.approx(found.loc["normal", "gap"])


def test_cells_of_few_faces_are_blank():
    groups, faces = grouped(["a"] * 60 + ["b"] * 25)
    answers = pd.DataFrame({"emotion": faces.table["emotion"], "named": faces.table["emotion"]})
    found = recall_table(groups, answers, faces.persons)
    assert (found["recall"].isna() == (found["faces"] < 10)).all()
    assert found["recall"].dropna().eq(1).all()
    assert found["false alarms"].eq(0).all()
