"""How far apart data sets are: against roots of matrices, and what chance leaves."""

import numpy as np
import pytest
from scipy import linalg

from fer_xai.errors import InputError
from metrics import frechet_distance, prior_shift


def test_the_distance_is_that_of_the_equation():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(40, 5)) @ rng.normal(size=(5, 5))
    b = rng.normal(size=(30, 5)) + rng.normal(size=5)
    one, other = np.cov(a.T), np.cov(b.T)
    gap = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    slow = gap + np.trace(one + other - 2 * linalg.sqrtm(one @ other)).real
    found = frechet_distance(a, b, repeats=0)
    assert found.distance == pytest.approx(slow)
    assert found.from_means == pytest.approx(gap)
    assert np.isnan(found.p_value)
    assert frechet_distance(b, a, repeats=0).distance == pytest.approx(slow)
    turned = linalg.qr(rng.normal(size=(5, 5)))[0]
    assert frechet_distance(a @ turned + 1, b @ turned + 1, repeats=0).distance == pytest.approx(
        slow
    )


def test_a_set_is_not_apart_from_itself():
    a = np.random.default_rng(0).normal(size=(30, 4))
    assert frechet_distance(a, a, repeats=0).distance == pytest.approx(0, abs=1e-12)


def test_chance_is_what_the_distance_is_without_a_difference():
    rng = np.random.default_rng(1)
    found = [
        frechet_distance(rng.normal(size=(40, 6)), rng.normal(size=(60, 6)), repeats=39, seed=k)
        for k in range(40)
    ]
    distances = np.array([one.distance for one in found])
    assert distances.mean() == pytest.approx(np.mean([one.chance for one in found]), rel=0.15)
    assert np.mean([one.p_value <= 0.05 for one in found]) <= 0.15
    far = frechet_distance(rng.normal(size=(40, 6)), rng.normal(0.5, 1.5, size=(60, 6)))
    assert far.p_value == 0.01
    assert far.excess > 1


def test_persons_stay_together_in_the_divisions():
    rng = np.random.default_rng(2)
    persons = np.repeat(rng.normal(size=(12, 2)), 5, axis=0)
    features = persons + 0.05 * rng.normal(size=(60, 2))
    labels = np.repeat(np.arange(12), 5).tolist()
    a, b = features[:30], features[30:]
    apart = frechet_distance(a, b)
    together = frechet_distance(a, b, clusters_a=labels[:30], clusters_b=labels[30:])
    assert together.chance > 2 * apart.chance
    assert together.p_value > apart.p_value


def test_too_few_faces_and_other_shapes_are_refused():
    a = np.random.default_rng(0).normal(size=(6, 5))
    with pytest.raises(InputError, match="more faces than features in both sets, got 6 and 5 face"):
        frechet_distance(a, a[:5])
    with pytest.raises(InputError, match="of one network"):
        frechet_distance(a, a[:, :2])
    with pytest.raises(InputError, match="finite features"):
        frechet_distance(a, np.where(a > 0, np.nan, a))
    with pytest.raises(InputError, match="Expected 6 cluster labels"):
        frechet_distance(a, a, clusters_a=["a"])


def test_prior_shift_is_half_of_all_differences():
    shift, by = prior_shift(["fear"] * 3 + ["anger"], ["happiness"] * 4)
    assert shift == 1
    assert by == {"anger": -0.25, "fear": -0.75, "happiness": 1.0}
    assert prior_shift(["fear", "anger"], ["anger", "fear"])[0] == 0
    with pytest.raises(InputError, match="a set without any"):
        prior_shift([], ["fear"])
