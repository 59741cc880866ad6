import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from fer_xai.errors import InputError
from metrics.core.ssim import ssim


def _maps(n, side=20, seed=0):
    return torch.rand(n, side, side, generator=torch.Generator().manual_seed(seed))


def test_ssim_is_that_of_scikit_image():
    a, b = _maps(4), _maps(4, seed=1)
    b[1] = 0.9 * a[1] + 0.1 * b[1]
    mask = torch.rand(20, 20, generator=torch.Generator().manual_seed(2)) > 0.3
    found = ssim(a, b, mask)
    for i in range(4):
        local = structural_similarity(a[i].numpy(), b[i].numpy(), data_range=1.0, full=True)[1]
        assert float(found[i]) == pytest.approx(local[mask.numpy()].mean(), abs=1e-6)


def test_a_map_is_like_itself_and_a_batch_is_one_by_one():
    a, b = _maps(3), _maps(3, seed=1)
    mask = torch.ones(20, 20, dtype=torch.bool)
    assert ssim(a, a, mask) == pytest.approx(np.ones(3))
    alone = torch.cat([ssim(a[i : i + 1], b[i : i + 1], mask) for i in range(3)])
    assert torch.equal(ssim(a, b, mask), alone)
    assert torch.allclose(ssim(a, b, mask), ssim(b, a, mask))


def test_two_stacks_have_one_shape():
    mask = torch.ones(20, 20, dtype=torch.bool)
    with pytest.raises(InputError, match=r"Expected two stacks of maps \(N, 20, 20\)"):
        ssim(_maps(2), _maps(3), mask)


def test_maps_are_no_smaller_than_a_window():
    with pytest.raises(InputError, match="at least 7 pixels a side"):
        ssim(_maps(1, side=5), _maps(1, side=5), torch.ones(5, 5, dtype=torch.bool))
