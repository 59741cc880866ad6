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
