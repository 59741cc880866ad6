import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from fer_xai.errors import InputError
from metrics.agreement import pixel_agreement
from metrics.core.similarity import region_agreement, region_sums


def test_pixel_agreement_is_scipys_spearman_of_each_pair():
    maps = torch.randn(3, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    maps[0, 0, :3] = 0  # ties
    found = pixel_agreement(maps)
    for face in range(2):
        expected = spearmanr(maps[:, face].flatten(1).numpy(), axis=1).statistic
        assert np.allclose(found[face], expected, atol=1e-3)


def test_pixel_agreement_keeps_signs_scale_does_not_matter_and_constants_are_undefined():
    one = torch.randn(1, 4, 5, 5, generator=torch.Generator().manual_seed(1))
    found = pixel_agreement(torch.cat([one, 7 * one, -one, torch.ones_like(one)]))
    assert torch.allclose(found[:, 0, 1], torch.ones(4), atol=1e-4)
    assert torch.allclose(found[:, 0, 2], -torch.ones(4), atol=1e-4)
    assert found[:, 0, 3].isnan().all()
    assert pixel_agreement(torch.zeros(2, 0, 5, 5)).shape == (0, 2, 2)


def test_region_sums_add_up_and_empty_regions_are_nan():
    maps = torch.arange(8.0).reshape(2, 2, 2)
    regions = torch.zeros(2, 3, 2, 2, dtype=torch.bool)
    regions[:, 0, 0], regions[:, 1, 1] = True, True
    found = region_sums(maps, regions)
    assert found[:, :2].tolist() == [[1, 5], [9, 13]]
    assert found[:, 2].isnan().all()


def test_region_agreement_is_scipys_and_leaves_unknown_regions_out():
    generator = torch.Generator().manual_seed(2)
    one, two = (torch.randn(5, 8, generator=generator) for _ in range(2))
    one[1, 3] = torch.nan
    one[2] = 1.0
    one[3, 2:] = torch.nan
    found = region_agreement(one, two)
    assert np.isclose(found[0], spearmanr(one[0], two[0]).statistic)
    keep = [0, 1, 2, 4, 5, 6, 7]
    assert np.isclose(found[1], spearmanr(one[1, keep], two[1, keep]).statistic)
    assert np.isnan(found[2:4]).all()


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match=r"Expected maps \(M, N, H, W\), got \(2, 2\)"):
        pixel_agreement(torch.zeros(2, 2))
    with pytest.raises(InputError, match=r"Expected two accounts \(N, R\) of the same regions"):
        region_agreement(torch.zeros(2, 3), torch.zeros(2, 4))


def test_rounding_noise_decides_no_rank():
    exact = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    noisy = torch.tensor([[1.0, 1e-12, -1e-12, 2e-12]])
    assert region_agreement(noisy, exact) == pytest.approx(1)
