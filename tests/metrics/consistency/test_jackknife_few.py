"""Tests of intervals whose variance comes from faces and from a few untrained networks."""

import numpy as np
import pytest
import torch

from metrics.consistency.jackknife import jackknife_interval
from metrics.consistency.separability import separability


def drawn(rng, networks, ratio, n=60):
    """An excess of nothing: faces with errors, and networks that scatter ``ratio`` times as far."""
    faces = rng.normal(size=n)
    floor = ratio * np.sqrt(networks / n) * rng.normal(size=networks)
    return jackknife_interval(
        float(faces.mean() - floor.mean()),
        (faces - faces.mean()) / n,
        np.zeros(n, dtype=int),
        extra_variance=float(floor.var(ddof=1) / networks),
        extra_n=networks,
    )


@pytest.mark.parametrize(("networks", "ratio"), [(2, 1), (2, 3), (3, 3), (5, 1), (5, 3)])
def test_few_networks_that_scatter_are_covered(networks, ratio):
    rng = np.random.default_rng([networks, ratio])
    found = [drawn(rng, networks, ratio) for _ in range(400)]
    share = np.mean([one.low <= 0 <= one.high for one in found])
    assert share >= 0.93 - 2.6 * np.sqrt(0.05 * 0.95 / 400)
    for one in found:  # tests and intervals say the same
        assert (one.p_value < 0.05) == (one.low > 0 or one.high < 0)


def test_five_networks_have_welch_and_satterthwaites_freedom():
    rng = np.random.default_rng(0)
    found = drawn(rng, 5, 1)
    assert 4 < found.freedom < 63
    assert found.high - found.estimate == pytest.approx(found.estimate - found.low)


def test_maps_that_are_all_alike_have_no_interval():
    one = torch.nn.functional.normalize(torch.rand(1, 9))
    found = separability(one.repeat(60, 1), torch.arange(60) % 6).interval
    assert np.isnan([found.low, found.high]).all()
