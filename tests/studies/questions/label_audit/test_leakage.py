"""The difference of two accuracies covers what it should; a planted leak is measured."""

import numpy as np
import pandas as pd
import pytest

from metrics.statistics.intervals import mean_interval
from studies.questions.label_audit.copies import Copies
from studies.questions.label_audit.judges import Judge
from studies.questions.label_audit.leakage import difference, leakage_table


def _groups(rng, groups, share):
    """Faces in groups of one to three, which are recognised together more often than not."""
    sizes = rng.choice([1, 2, 3], size=groups, p=[0.8, 0.15, 0.05])
    labels = np.repeat(np.arange(groups), sizes)
    together = (rng.random(groups) < share)[labels]
    alone = rng.random(len(labels)) < share
    return np.where(rng.random(len(labels)) < 0.5, together, alone).astype(float), labels.tolist()


@pytest.mark.parametrize(
    ("copies", "others", "of_copies", "of_others"),
    [(40, 800, 0.9, 0.7), (60, 800, 0.95, 0.88), (300, 1500, 0.97, 0.7), (60, 800, 0.6, 0.6)],
)
def test_the_interval_covers(copies, others, of_copies, of_others):
    rng = np.random.default_rng(0)
    covered, runs = 0, 250
    for _ in range(runs):
        one, first = _groups(rng, copies, of_copies)
        two, second = _groups(rng, others, of_others)
        _, low, high, _ = difference(
            mean_interval(one, clusters=first, bounds=(0, 1)),
            mean_interval(two, clusters=second, bounds=(0, 1)),
        )
        covered += low <= of_copies - of_others <= high
    assert covered / runs >= 0.92
    assert covered / runs <= 0.985 or copies < 100  # few copies: wider than need be


def test_too_few_copies_have_no_interval():
    one, two = mean_interval([1.0, 0.0]), mean_interval([1.0, 0.0] * 10)
    estimate, low, high, reason = difference(one, two)
    assert estimate == 0
    assert np.isnan([low, high]).all()
    assert "too few" in reason


class _Planted(Copies):
    """Copies whose leaked faces are told."""

    def __init__(self, table, leaked):
        super().__init__(table=table, prints=None, near=None)
        object.__setattr__(self, "told", leaked)

    def groups(self, kind):
        return np.arange(len(self.table))

    def leaked(self, kind):
        return self.told


def test_a_planted_leak_is_measured_beyond_a_network_that_saw_nothing():
    n = 400
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"set": "fer2013", "split": "test", "source": "fer2013",
                          "emotion": ["fear", "anger"] * (n // 2)})  # fmt: off
    leaked = np.arange(n) < 100
    truth = np.eye(2)[[0, 1] * (n // 2)]

    def judge(name, trained, right):
        logits = np.where(right[:, None], truth, 1 - truth)
        return Judge(name=name, trained=trained, emotions=("fear", "anger"), rows=np.arange(n),
                     logits=logits, copied=np.zeros(n, bool))  # fmt: off

    easy = rng.random(n) < np.where(leaked, 0.8, 0.6)  # copies are easier photographs, too
    saw = judge("saw", "fer2013", easy | leaked)
    found = leakage_table([saw, judge("not", "rafdb", easy)], _Planted(table, leaked), table)
    row = found.iloc[-1]
    assert row["on copies"] == 100
    assert row["published"] == pytest.approx(row["clean"] + row["inflation"])
    assert row["inflation"] == pytest.approx(row["copies less others"] / 4)
    assert row["compared with"] == "not"
    assert row["beyond"] == pytest.approx(row["copies less others"] - row["its copies less others"])
    assert row["beyond low"] > 0
    assert row["beyond"] == pytest.approx(100 * (~easy[leaked]).mean())
    assert set(found["model"]) == {"saw"}  # the other one learned from another set


def test_faces_of_one_person_are_one_unit():
    n, persons = 400, 20
    rng = np.random.default_rng(2)
    person = np.arange(n) % persons
    table = pd.DataFrame({"set": "ckplus", "split": "test", "source": "ckplus", "group": "",
                          "emotion": ["fear", "anger"] * (n // 2), "subject": ""})  # fmt: off
    leaked = np.arange(n) < 200
    right = (rng.random(persons) < 0.7)[person]  # a person is recognised always or never
    truth = np.eye(2)[[0, 1] * (n // 2)]
    logits = np.where(right[:, None], truth, 1 - truth)
    saw = Judge(name="saw", trained="ckplus", emotions=("fear", "anger"), rows=np.arange(n),
                logits=logits, copied=np.zeros(n, bool))  # fmt: off
    known = table.assign(subject=[f"S{k}" for k in person])

    def width(faces):
        row = leakage_table([saw], _Planted(faces, leaked), faces).iloc[-1]
        return row["copies less others high"] - row["copies less others low"]

    assert width(known) > 2 * width(table)
