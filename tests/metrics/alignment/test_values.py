"""Against slow, obvious versions; ties have the mean over all orders."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

import metrics
from fer_xai.errors import InputError
from tests.metrics.alignment.drawn import areas_of, maps_of

COARSE = (maps_of(8, side=9, seed=3) * 1.5).round()
"""Maps with many ties."""
AREAS = areas_of(8, side=9)
TINY = torch.tensor([[2.0, 1, 1, 1, 0, -1], [1, 1, 0, 0, 1, 1], [3, 2, 2, 0, 0, 0]])[:, None]
TINY_AREAS = torch.tensor([[0, 1, 0, 1, 0, 1], [1, 0, 0, 1, 0, 0], [0, 1, 0, 1, 1, 1]])[:, None] > 0


def _over_all_orders(score):
    """Mean over all orders of the pixels, which break the ties."""
    out = []
    for x, a in zip(
        TINY.flatten(1).clamp(min=0).numpy(), TINY_AREAS.flatten(1).numpy(), strict=True
    ):
        found = [
            score(a[sorted(order, key=lambda p, x=x: -x[p])])  # stable
            for order in itertools.permutations(range(6))
        ]
        out.append(np.mean(found))
    return np.array(out)


def test_rank_under_ties_is_the_mean_over_all_orders():
    expected = _over_all_orders(lambda hits: hits[: hits.sum()].mean())
    assert np.allclose(metrics.region_rank(TINY, TINY_AREAS).numpy(), expected, atol=1e-6)


def test_overlap_under_ties_is_the_mean_over_all_orders():
    def overlap(hits):
        size, both = hits.sum(), hits[: hits.sum()].sum()
        return both / (2 * size - both)

    expected = _over_all_orders(overlap)
    assert np.allclose(metrics.region_iou(TINY, TINY_AREAS).numpy(), expected, atol=1e-6)


def test_pointing_under_ties_is_the_mean_over_all_orders():
    expected = _over_all_orders(lambda hits: hits[0])
    assert np.allclose(metrics.pointing_game(TINY, TINY_AREAS).numpy(), expected, atol=1e-6)


def test_auc_is_that_of_mann_and_whitney():
    found = metrics.pixel_auc(COARSE, AREAS).numpy()
    for face, (x, a) in enumerate(zip(COARSE.clamp(min=0).numpy(), AREAS.numpy(), strict=True)):
        u = stats.mannwhitneyu(x[a], x[~a]).statistic
        assert found[face] == pytest.approx(u / (a.sum() * (~a).sum()), abs=1e-6)


def test_rank_and_overlap_without_ties():
    maps = maps_of(8, side=9).abs()
    rank, overlap = (fn(maps, AREAS).double() for fn in (metrics.region_rank, metrics.region_iou))
    for face, (x, a) in enumerate(zip(maps.flatten(1), AREAS.flatten(1), strict=True)):
        size = int(a.sum())
        assert float(rank[face]) == pytest.approx(float(a[x.argsort()[-size:]].double().mean()))
    assert torch.allclose(overlap, rank / (2 - rank), atol=1e-6)


def test_overlap_of_a_large_map_with_many_ties_is_near_its_simulation():
    maps = torch.zeros(1, 40, 40)
    maps[0, :10], maps[0, 10:30] = 2, 1
    area = areas_of(1, side=40, share=0.9)
    source = np.random.default_rng(0)
    a = area.flatten().numpy()
    found = []
    for _ in range(2000):
        order = np.lexsort((source.random(1600), -maps.flatten().numpy()))
        both = a[order[: a.sum()]].sum()
        found.append(both / (2 * a.sum() - both))
    assert float(metrics.region_iou(maps, area)) == pytest.approx(np.mean(found), abs=1e-3)


def test_overlap_above_a_threshold():
    maps = torch.tensor([[[4.0, 2.0, 1.9, 0.0, -4.0]]])
    area = torch.tensor([[[True, False, True, True, False]]])
    for threshold, expected in ((1.0, 1 / 3), (0.5, 1 / 4), (0.1, 2 / 4), (1e-9, 2 / 4)):
        assert float(metrics.region_iou(maps, area, threshold=threshold)) == pytest.approx(expected)
    for threshold in (0, 1.1, "half", float("nan")):
        with pytest.raises(InputError, match="Expected threshold above 0"):
            metrics.region_iou(maps, area, threshold=threshold)


def test_tolerance_is_a_distance_to_the_nearest_pixel_of_the_area():
    area = torch.zeros(1, 11, 11, dtype=torch.bool)
    area[0, 5, 5] = True
    maps = torch.zeros(121, 11, 11)
    maps.view(121, 121).fill_diagonal_(1.0)  # one pixel after the other
    y, x = torch.meshgrid(torch.arange(11), torch.arange(11), indexing="ij")
    distance = ((y - 5).double() ** 2 + (x - 5) ** 2).sqrt().flatten()
    areas = area.expand(121, -1, -1)
    for tolerance in (0, 1, 1.5, 3):
        found = metrics.pointing_game(maps, areas, tolerance=tolerance)
        assert torch.equal(found, (distance <= tolerance).float())
    each = torch.linspace(0, 4, 121)
    each[7] = torch.nan
    found = metrics.pointing_game(maps, {"AU12": areas}, tolerance=each)["AU12"]
    assert bool(found[7].isnan())
    expected = (distance <= each.double()).float()
    assert torch.equal(found[each.isfinite()], expected[each.isfinite()])


def test_an_area_that_no_pixel_can_miss_with_its_tolerance_is_undefined():
    found = metrics.pointing_game(COARSE, AREAS, tolerance=20)
    assert bool(found.isnan().all())


@pytest.mark.parametrize("tolerance", [-1, "near", float("nan"), torch.tensor([-1.0] * 8)])
def test_other_tolerances_are_refused(tolerance):
    with pytest.raises(InputError, match="Expected tolerance from 0"):
        metrics.pointing_game(COARSE, AREAS, tolerance=tolerance)


def test_one_tolerance_a_face():
    with pytest.raises(InputError, match="Expected 8 tolerances, one an image, got 3"):
        metrics.pointing_game(COARSE, AREAS, tolerance=torch.ones(3))


def test_rounding_breaks_no_ties():
    """A plateau that differs by 1e-7 from pixel to pixel, as after an enlargement."""
    noise = torch.rand(8, 9, 9, generator=torch.Generator().manual_seed(0))
    flat, rough = torch.ones(8, 9, 9), 1 + 1e-7 * noise
    for fn in (metrics.region_rank, metrics.region_iou, metrics.pixel_auc, metrics.pointing_game):
        assert torch.allclose(fn(rough, AREAS), fn(flat, AREAS), atol=1e-6)
