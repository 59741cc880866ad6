"""The interval of Cohen's κ covers at the sizes at which it is given."""

import numpy as np
import pytest

from studies.questions.label_audit.agreement import cohens_kappa, kappa_interval

SHARES = np.array([0.25, 0.2, 0.2, 0.15, 0.12, 0.08])
NAMES = list("abcdef")


def drawn(kappa, n, rng):
    """Pairs of two annotators with the same shares of labels, whose agreement beyond chance is κ."""
    table = kappa * np.diag(SHARES) + (1 - kappa) * np.outer(SHARES, SHARES)
    cells = rng.choice(36, n, p=table.ravel())
    return [(NAMES[cell // 6], NAMES[cell % 6]) for cell in cells]


@pytest.mark.parametrize(("kappa", "n"), [(0.3, 100), (0.6, 100), (0.9, 100), (0.95, 200)])
def test_it_covers(kappa, n):
    rng = np.random.default_rng(0)
    bounds = np.array([kappa_interval(drawn(kappa, n, rng)) for _ in range(1000)])
    bounds = bounds[np.isfinite(bounds[:, 0])]
    assert len(bounds) > 900
    assert 0.93 < np.mean((bounds[:, 0] <= kappa) & (kappa <= bounds[:, 1])) < 0.97


def test_none_is_given_of_few_pairs_or_without_disagreement():
    rng = np.random.default_rng(0)
    assert np.isnan(kappa_interval(drawn(0.5, 99, rng))).all()
    assert np.isnan(kappa_interval([("a", "a"), ("b", "b")] * 50)).all()
    assert np.isnan(kappa_interval([])).all()
    low, high = kappa_interval(pairs := drawn(0.5, 150, rng))
    assert low < cohens_kappa(pairs) < high
