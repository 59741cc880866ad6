import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from fer_xai.errors import InputError
from metrics.consistency.structure import ssim_within_between
from metrics.core.similarity import map_similarity
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


def test_pairs_within_and_between_are_pairs_of_distinct_faces():
    maps = _maps(2)
    maps = torch.cat([maps, maps[1:]])
    mask = torch.ones(20, 20, dtype=torch.bool)
    found = ssim_within_between(maps, torch.tensor([0, 1, 1]), mask, pairs=3, seed=0)
    assert list(found) == [1]  # one map has no partner
    within, between = found[1]
    assert within == pytest.approx(1)
    scaled = maps / maps.amax(dim=(1, 2), keepdim=True)
    assert between == pytest.approx(float(ssim(scaled[:1], scaled[1:2], mask)), abs=1e-9)


def test_a_signed_map_is_not_like_its_inverse_whoever_compares():
    maps = _maps(1) - 0.5
    maps = torch.nn.functional.interpolate(maps[:, None, ::4, ::4], scale_factor=4)[:, 0]
    maps = torch.cat([maps, -maps, -maps])
    mask = torch.ones(20, 20, dtype=torch.bool)
    found = ssim_within_between(maps, torch.tensor([0, 1, 1]), mask, pairs=3, seed=0)
    between = map_similarity(maps[:1], maps[1:2], similarity="ssim").item()
    assert found[1] == pytest.approx((1, between), abs=1e-6)
    assert between < 0


def test_blank_and_unregistered_maps_take_no_part():
    maps = _maps(6)
    maps[4], maps[5] = 0.0, float("nan")
    labels = torch.tensor([0, 0, 1, 1, 0, 1])
    mask = torch.ones(20, 20, dtype=torch.bool)
    found = ssim_within_between(maps, labels, mask, pairs=8, seed=3)
    assert found == ssim_within_between(maps[:4], labels[:4], mask, pairs=8, seed=3)
    assert not ssim_within_between(maps[4:], labels[4:], mask, pairs=8, seed=3)


def test_bad_input():
    mask = torch.ones(20, 20, dtype=torch.bool)
    with pytest.raises(InputError, match=r"Expected two stacks of maps \(N, 20, 20\)"):
        ssim(_maps(2), _maps(3), mask)
    with pytest.raises(InputError, match="at least 7 pixels a side"):
        ssim(_maps(1, side=5), _maps(1, side=5), torch.ones(5, 5, dtype=torch.bool))
