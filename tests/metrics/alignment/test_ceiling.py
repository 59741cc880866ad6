"""No map of few cells scores more than the ceiling, and one scores as much."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

import metrics
from fer_xai.attributions import upsample
from fer_xai.errors import InputError
from metrics.alignment.ceiling import _basis
from tests.metrics.alignment.drawn import SOFT, areas_of

CELLS = (2, 3)


def maps_of_cells(n, seed, *, cells=CELLS, side=12):
    """Maps of random cells, most of them sparse."""
    source = torch.Generator().manual_seed(seed)
    values = torch.rand(n, 1, *cells, generator=source, dtype=torch.float64)
    values = values * (torch.rand(n, 1, *cells, generator=source) < 0.5)
    return upsample(values, size=(side, side))[:, 0]


def areas(n=5):
    """Blocks, which few cells can follow, and noise, soft."""
    blocks = torch.zeros(2, 12, 12)
    blocks[0, 2:5, 3:9], blocks[1, 8:, :4] = 1, 1
    noise = torch.rand(n - 2, 12, 12, generator=torch.Generator().manual_seed(1))
    return torch.cat([blocks, noise])


def test_the_basis_is_that_of_our_maps():
    for cells, size in (((4, 4), (64, 64)), ((3, 5), (7, 5)), ((7, 7), (20, 30))):
        single = torch.eye(cells[0] * cells[1], dtype=torch.float64).reshape(-1, 1, *cells)
        expected = upsample(single, size=size).flatten(1).T
        assert np.allclose(_basis(*cells, *size), expected.numpy(), atol=1e-12)


def climbed(score, start):
    """The largest score that a search over the logarithms of cells finds."""
    return -minimize(lambda logs: -score(np.exp(logs)), start, method="L-BFGS-B").fun


@pytest.mark.parametrize("name", SOFT)
def test_no_map_scores_more_and_one_scores_as_much(name):
    best = metrics.alignment_ceiling(areas(), cells=CELLS, metric=name)
    for area, ceiling in zip(areas(), best.tolist(), strict=True):
        maps = maps_of_cells(3000, 0)
        found = SOFT[name](maps, area.expand(len(maps), -1, -1))
        assert float(found.nan_to_num().max()) <= ceiling + 1e-6

        x = _basis(*CELLS, 12, 12)
        a = area.flatten().double().numpy()
        scores = {
            "au_cosine": lambda c, x=x, a=a: (
                a @ (x @ c) / np.linalg.norm(a) / np.linalg.norm(x @ c)
            ),
            "region_mass": lambda c, x=x, a=a: a @ (x @ c) / (x @ c).sum(),
            "energy_gain": lambda c, x=x, a=a: a @ (x @ c) / (x @ c).sum() / a.mean(),
        }
        best_found = max(
            climbed(scores[name], start) for start in np.random.default_rng(0).normal(size=(5, 6))
        )
        assert ceiling - 0.003 < best_found <= ceiling + 1e-6


def test_a_ceiling_of_all_pixels_is_the_best_of_all_maps():
    area = areas_of(4, side=6)
    assert torch.allclose(metrics.alignment_ceiling(area, cells=(6, 6)), torch.ones(4), atol=1e-6)
    mass, gain = (
        metrics.alignment_ceiling({"AU1": area}, cells=(6, 6), metric=name)["AU1"]
        for name in ("region_mass", "energy_gain")
    )
    assert torch.allclose(mass, torch.ones(4))
    assert torch.allclose(gain, 1 / area.flatten(1).float().mean(dim=1))
    one = metrics.alignment_ceiling(area, cells=(1, 1))
    assert torch.allclose(one, metrics.au_cosine(torch.ones(4, 6, 6), area))


def test_empty_areas_have_no_ceiling():
    area = areas_of(3, side=6)
    area[1] = False
    assert metrics.alignment_ceiling(area).isnan().tolist() == [False, True, False]


def test_what_has_no_exact_ceiling_is_refused():
    area = areas_of(2, side=6)
    for name in ("pixel_auc", "pointing_game", "off_face_mass", "gini"):
        with pytest.raises(InputError, match="Expected a metric with an exact ceiling: au_cosine"):
            metrics.alignment_ceiling(area, metric=name)
    for cells in ((7, 1), (1, 8)):
        with pytest.raises(InputError, match=r"Expected at most as many cells as pixels \(6, 6\)"):
            metrics.alignment_ceiling(area, cells=cells)
    with pytest.raises(InputError, match="Expected at most 1024 cells, got 40×40"):
        metrics.contrast_ceiling(torch.zeros(1, 2, 64, 64), cells=(40, 40))
    for cells in (4, (1, 2, 3), (0, 4), (2.5, 2)):
        with pytest.raises(InputError, match="Expected cells"):
            metrics.alignment_ceiling(area, cells=cells)
    with pytest.raises(InputError, match=r"Expected areas \(B, H, W\), got \(6, 6\)"):
        metrics.alignment_ceiling(area[0])


def test_no_maps_have_a_larger_contrast_and_some_have_as_much():
    three = areas(6).reshape(2, 3, 12, 12)
    best = metrics.contrast_ceiling(three, cells=CELLS)
    for face, ceiling in enumerate(best.tolist()):
        own = three[face : face + 1]
        maps = torch.stack([maps_of_cells(400, seed) for seed in range(3)], dim=1)
        found = metrics.emotion_contrast(maps, own.expand(len(maps), -1, -1, -1))
        assert float(found.values[found.defined.all(dim=1)].max()) <= ceiling + 1e-6
        left = own.expand(len(maps), -1, -1, -1) * found.defined[:, :, None, None]
        part = found.values - metrics.contrast_ceiling(left, cells=CELLS)
        assert float(part[part.isfinite()].max()) <= 1e-6

        x = _basis(*CELLS, 12, 12)
        units = own[0].flatten(1).double().numpy()
        units = units / np.linalg.norm(units, axis=1, keepdims=True)

        def contrast(cells, x=x, units=units):
            shown = x @ cells.reshape(6, 3)
            matrix = (shown / np.linalg.norm(shown, axis=0)).T @ units.T
            return 1.5 * np.trace(matrix) / 3 - matrix.sum() / 6

        best_found = max(
            climbed(contrast, start) for start in np.random.default_rng(0).normal(size=(5, 18))
        )
        assert ceiling - 0.003 < best_found <= ceiling + 1e-6


def test_where_no_map_has_a_positive_product_a_single_cell_is_best():
    """A small area inside two larger ones: any map of one row of cells is more like these."""
    small, large = torch.zeros(4, 4), torch.zeros(4, 4)
    small[0, 0], large[0] = 1, 1
    nested = torch.stack([small, large, large, large])[None]
    found = metrics.contrast_ceiling(nested, cells=(1, 1))
    flat = metrics.emotion_contrast(torch.ones(1, 4, 4, 4), nested).values
    assert torch.allclose(found, flat, atol=1e-6)
    undefined = nested.clone()
    undefined[0, 1:] = 0
    assert bool(metrics.contrast_ceiling(undefined).isnan())
    part = torch.cat([areas(5), torch.zeros(1, 12, 12)]).reshape(1, 6, 12, 12)
    assert torch.allclose(metrics.contrast_ceiling(part), metrics.contrast_ceiling(part[:, :5]))
