import numpy as np
import pytest
import torch

from fer_xai.errors import InputError
from metrics.consistency.profiles import profile_reliability, region_profiles


def test_uniform_maps_have_log_gain_zero_and_mass_in_a_region_is_its_gain():
    regions = torch.zeros(2, 6, 6, dtype=torch.bool)
    regions[0, :2] = True
    regions[1, 2:] = True
    uniform = region_profiles(torch.ones(1, 6, 6), regions)
    assert uniform == pytest.approx(torch.zeros(1, 2), abs=1e-6)
    top = torch.zeros(1, 6, 6)
    top[0, :2] = 2.5
    found = region_profiles(top, regions)[0]
    assert found[0] == pytest.approx(np.log(0.99 * 3 + 0.01), abs=1e-5)
    assert found[1] == pytest.approx(np.log(0.01), abs=1e-5)
    assert torch.isnan(region_profiles(torch.zeros(1, 6, 6), regions)).all()
    assert torch.isnan(region_profiles(torch.ones(1, 6, 6), torch.zeros(1, 2, 6, 6) > 0)).all()


def test_profile_reliability_tells_agreement_from_noise():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=8)
    agree = torch.from_numpy(shared + 0.1 * rng.normal(size=(20, 8)))
    noise = torch.from_numpy(rng.normal(size=(20, 8)))
    labels = torch.tensor([0] * 20 + [1] * 20)
    found = profile_reliability(torch.cat([agree, noise]), labels)
    assert found[0][0] > 0.9
    assert found[0][1] > 0.9
    assert abs(found[1][0]) < 0.2
    assert found[1][1] < 0.2
    assert found[0][2] == 20


def test_regions_fit_the_maps():
    maps = torch.rand(4, 3, 3)
    with pytest.raises(InputError, match=r"Expected regions \(R, H, W\) or .* got \(3, 3\)"):
        region_profiles(maps, maps[0] > 0)


def test_frames_of_one_person_make_no_agreement():
    """Three near-identical frames of each of 20 persons, whose evidence lies anywhere."""
    rng = np.random.default_rng(0)
    alone, together = [], []
    for _ in range(12):
        own = np.repeat(rng.normal(size=(20, 7)), 3, axis=0)
        profiles = torch.from_numpy(own + 0.02 * rng.normal(size=own.shape))
        labels = torch.arange(20).repeat_interleave(3) % 2
        persons = [k // 3 for k in range(60)]
        together += profile_reliability(profiles, labels).values()
        alone += profile_reliability(profiles, labels, clusters=persons).values()
    icc, w, n = np.mean(alone, axis=0)
    assert n == 30
    assert icc == pytest.approx(0, abs=0.015)
    assert w == pytest.approx(1 / 30, abs=0.015)  # of 30 raters who do not agree
    assert np.mean(together, axis=0)[0] > 0.05


def test_without_known_persons_reliability_is_that_of_before():
    profiles = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    profiles[3, 2] = profiles[7] = torch.nan
    labels = torch.arange(20) % 2
    before = profile_reliability(profiles, labels)
    for clusters in ([""] * 20, [None] * 20, [f"person {20 - k}" for k in range(20)]):
        assert profile_reliability(profiles, labels, clusters=clusters) == before


def test_one_person_agrees_with_nobody():
    icc, w, n = profile_reliability(torch.rand(6, 4), torch.zeros(6), clusters=[1] * 6)[0]
    assert np.isnan([icc, w]).all()
    assert n == 6
