"""Likeness of maps to other persons' maps: by hand, whatever the number of faces, with its error."""

import numpy as np
import pytest
import torch

from fer_xai.errors import InputError
from metrics.consistency.likeness import emotion_likeness
from metrics.statistics.intervals import mean_interval


def drawn(n, seed, *, persons=None):
    """Maps of three emotions of unequal shares, each a usual map and noise."""
    rng = np.random.default_rng(seed)
    usual = np.random.default_rng(99).normal(size=(3, 36)) * 0.7
    targets = np.concatenate([np.arange(3), rng.choice(3, size=n - 3, p=[0.6, 0.3, 0.1])])
    maps = usual[targets] + rng.normal(size=(n, 36))
    persons = np.arange(n) if persons is None else persons
    maps += 0.5 * rng.normal(size=(n, 36))[persons]
    return torch.tensor(maps).reshape(n, 6, 6), torch.tensor(targets), persons.tolist()


def test_each_pair_by_hand_and_the_own_person_left_out():
    maps = torch.rand(8, 4, 4, generator=torch.Generator().manual_seed(0))
    maps[6], maps[7] = 1.0, torch.nan
    targets, persons = torch.tensor([0, 0, 0, 1, 1, 2, 0, 1]), list("aabbccde")
    found = emotion_likeness(maps, targets, persons)
    pairs = np.corrcoef(maps[:6].flatten(1).double().numpy())
    assert found.own[0] == pytest.approx(pairs[0, 2], abs=1e-6)
    assert found.own[2] == pytest.approx((pairs[2, 0] + pairs[2, 1]) / 2, abs=1e-6)
    each = [(pairs[0, 3] + pairs[0, 4]) / 2, pairs[0, 5]]  # emotions at equal weight
    assert found.others[0] == pytest.approx(np.mean(each), abs=1e-6)
    # no other face of the emotion; a constant map; an undefined one
    assert np.isnan(found.own[[5, 6, 7]]).all()
    assert np.isnan(found.others[[6, 7]]).all()
    assert np.isnan(emotion_likeness(maps, targets, ["one"] * 8).own).all()


def test_it_does_not_depend_on_the_number_of_faces():
    few, many = (
        np.mean([np.nanmean(emotion_likeness(*drawn(n, seed)).gain) for seed in range(repeats)])
        for n, repeats in ((24, 200), (600, 8))
    )
    assert few == pytest.approx(many, abs=0.01)


@pytest.mark.parametrize("of_one", [1, 4])
def test_the_spread_of_the_influence_is_the_error_of_the_mean(of_one):
    truth = np.mean([np.nanmean(emotion_likeness(*drawn(1500, s)).gain) for s in range(4)])
    covered, plain = [], []
    for seed in range(200):
        found = emotion_likeness(*drawn(120, seed, persons=np.arange(120) // of_one))
        assert np.nanmean(found.influence) == pytest.approx(np.nanmean(found.gain))
        clusters = (np.arange(120) // of_one).tolist()
        for values, into in ((found.influence, covered), (found.gain, plain)):
            interval = mean_interval(values, clusters=clusters)
            into.append(interval.low <= truth <= interval.high)
    assert np.mean(covered) >= 0.93
    assert np.mean(plain) < 0.85


def test_refusals():
    with pytest.raises(InputError, match=r"Expected maps \(N, H, W\)"):
        emotion_likeness(torch.rand(2, 3), torch.tensor([0, 1]), "ab")
    with pytest.raises(InputError, match="Expected 2 persons, one an image, got 1"):
        emotion_likeness(torch.rand(2, 3, 3), torch.tensor([0, 1]), "a")
