"""Weighted recalls have an interval where simulations say that it covers."""

import numpy as np
import pytest

from studies.engine.weighted_recalls import weighted_recall


@pytest.mark.parametrize(
    ("faces", "persons", "known"), [(24, 24, False), (60, 60, True), (60, 6, False), (60, 10, True)]
)
def test_few_faces_or_persons_have_no_interval(faces, persons, known):
    hits, labels = np.arange(faces) % 3 > 0, np.arange(faces) % 2
    found = weighted_recall(hits, labels, np.arange(faces) % persons, weights={0: 0.5, 1: 0.5})
    assert np.isfinite(found.low) == known
    assert bool(found.reason) != known
    assert found.estimate == pytest.approx(2 / 3)
