import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from fer_xai.errors import InputError
from metrics.agreement import pixel_agreement


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


def test_maps_of_one_explanation_are_refused():
    with pytest.raises(InputError, match=r"Expected maps \(M, N, H, W\), got \(2, 2\)"):
        pixel_agreement(torch.zeros(2, 2))
