import pytest
import torch

from metrics.consistency.structure import ssim_within_between
from metrics.core.similarity import map_similarity
from metrics.core.ssim import ssim


def _maps(n, side=20, seed=0):
    return torch.rand(n, side, side, generator=torch.Generator().manual_seed(seed))


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
