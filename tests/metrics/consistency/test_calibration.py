"""Simulated coverage and false positives of the statistics of pairs, on few data sets."""

import numpy as np
import pytest

from benchmarks.calibration import pairs

EFFECTS = {effect.name: effect for effect in pairs.EFFECTS}


def _at_least(row, rate):
    """Whether a rate may be that high, by three Monte-Carlo errors."""
    return row.rate >= rate - 3 * np.sqrt(rate * (1 - rate) / row.repeats)


@pytest.mark.parametrize(
    ("name", "smallest"),
    [("one pattern for all (null)", None), ("weak effect", 5), ("strong effect", 3)],
    ids=["null, equal emotions", "weak, rarest of 5", "strong, 3 left out"],
)
def test_intervals_of_sixty_faces_cover(name, smallest):
    rows = list(pairs.coverage_of_faces(60, effects=(EFFECTS[name],), faces=((60, smallest),)))
    assert [row.statistic for row in rows] == list(pairs.STATISTICS)
    for row in rows:
        assert _at_least(row, 0.93), row


def test_intervals_of_persons_cover():
    designs = list(pairs.person_designs())
    said, labels, persons = designs[1]
    null = pairs.Effect(name="null", moment=1.0, noise=0.2)
    for row in pairs.coverage(null, labels, persons, said, 60):
        assert _at_least(row, 0.93), row


@pytest.mark.parametrize("design", [0, 1, 2])
def test_permutation_errs_as_often_as_it_says(design):
    said, labels, persons = list(pairs.person_designs())[design]
    null = pairs.Effect(name="null", moment=1.0, noise=0.05)
    rate = pairs.false_positives_of(null, labels, persons, 150)
    assert rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150), said


def test_the_table_has_a_line_a_row():
    row = pairs.Row(design="d", statistic="s", n="60 faces", rate=0.95, repeats=100)
    assert list(pairs.table(iter([row])))[2] == "| s | d | 60 faces | 0.950 | 0.022 |  |  |"
