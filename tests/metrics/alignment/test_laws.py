"""What must hold for every score of a map and an area."""

import numpy as np
import pytest
import torch

import metrics
from fer_xai.errors import InputError
from tests.metrics.alignment.drawn import ALL, BINARY, SOFT, areas_of, maps_of

MAPS, AREAS = maps_of(6), areas_of(6)
SHARE = AREAS.flatten(1).double().mean(dim=1)
OF_UNIFORM = {
    "au_cosine": SHARE.sqrt(),
    "energy_gain": torch.ones(6),
    "pixel_auc": torch.full((6,), 0.5),
}
"""The others score the area's share."""


@pytest.mark.parametrize("name", sorted(ALL.keys() - {"region_iou"}))
def test_a_uniform_map(name):
    found = ALL[name](torch.full_like(MAPS, 0.3), AREAS)
    assert torch.allclose(found.double(), OF_UNIFORM.get(name, SHARE).double(), atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_the_area_itself_is_the_best_map_and_the_rest_the_worst(name):
    best, worst = (ALL[name](maps.float(), AREAS) for maps in (AREAS, ~AREAS))
    top = 1 / SHARE if name == "energy_gain" else torch.ones(6)
    assert torch.allclose(best.double(), top.double(), atol=1e-6)
    for maps in (MAPS, MAPS.abs(), 1 + 0 * MAPS):
        found = ALL[name](maps, AREAS)
        assert bool((found <= best + 1e-6).all())
        assert bool((found >= worst - 1e-6).all())
    assert bool((worst < 0.01).all()) or name in ("region_rank", "region_iou")


@pytest.mark.parametrize("name", ALL)
def test_maps_that_say_nothing_are_undefined_and_not_zero(name):
    maps = MAPS.clone()
    maps[0], maps[1], maps[2, 3, 4], maps[3, 0, 0] = 0, -maps[1].abs(), torch.nan, torch.inf
    found = ALL[name](maps, AREAS)
    assert found.isnan().tolist() == [True] * 4 + [False] * 2
    assert torch.equal(found[4:], ALL[name](MAPS, AREAS)[4:])


@pytest.mark.parametrize("name", ALL)
def test_areas_that_can_be_neither_hit_nor_missed_are_undefined(name):
    areas = AREAS.clone()
    areas[0], areas[2] = False, True
    assert ALL[name](MAPS, areas).isnan().tolist() == [True, False, True] + [False] * 3
    soft = AREAS.double()
    soft[4, 2, 2] = torch.nan
    assert ALL[name](MAPS, soft).isnan().tolist() == [False] * 4 + [True, False]
    assert ALL[name](MAPS[:0], AREAS[:0]).shape == (0,)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("scale", [3.7, 1e-30, 1e30])
def test_scale_and_negative_values_do_not_matter(name, scale):
    expected = ALL[name](MAPS, AREAS)
    assert torch.allclose(ALL[name](MAPS * scale, AREAS), expected, atol=1e-5)
    assert torch.equal(ALL[name](MAPS.clamp(min=0), AREAS), expected)


@pytest.mark.parametrize("name", ALL)
def test_faces_are_scored_by_themselves_and_in_any_precision(name, monkeypatch):
    expected = ALL[name](MAPS, AREAS)
    one_by_one = [ALL[name](MAPS[k : k + 1], AREAS[k : k + 1]) for k in range(6)]
    assert torch.equal(torch.cat(one_by_one), expected)
    monkeypatch.setattr("metrics.alignment.rows.CHUNK", 4)
    assert torch.equal(ALL[name](MAPS, AREAS), expected)
    for kind in (torch.uint8, torch.float16, torch.float64):
        assert torch.equal(ALL[name](MAPS, AREAS.to(kind)), expected)
    assert torch.allclose(ALL[name](MAPS.bfloat16(), AREAS), expected, atol=0.02)
    assert ALL[name](MAPS.double().requires_grad_(), AREAS).dtype == torch.float32


@pytest.mark.parametrize("name", ALL)
def test_areas_by_name(name):
    found = ALL[name](MAPS, {"AU1": AREAS, "AU2": ~AREAS})
    assert list(found) == ["AU1", "AU2"]
    assert torch.equal(found["AU1"], ALL[name](MAPS, AREAS))
    assert torch.equal(found["AU2"], ALL[name](MAPS, ~AREAS))


REFUSED = [
    (MAPS[0], AREAS, r"Expected maps \(B, H, W\), got \(14, 14\)"),
    (MAPS.numpy(), AREAS, "Expected maps as a torch tensor"),
    (MAPS[:, :0], AREAS[:, :0], "Expected maps with pixels"),
    (MAPS, AREAS.numpy(), "Expected areas as a torch tensor"),
    (MAPS, None, "Expected areas as a torch tensor"),
    (MAPS, {}, "got none"),
    (MAPS, {"AU1": AREAS[:2]}, "Expected areas of 'AU1' of the shape of the maps"),
    (MAPS, AREAS[:, :7], r"Expected areas of the shape of the maps \(6, 14, 14\), got"),
    (MAPS, AREAS * 255, "Expected areas from 0 to 1, got 255"),
    (MAPS, -AREAS.float(), "Expected areas from 0 to 1, got -1"),
    (MAPS, AREAS / AREAS.logical_not().float(), "Expected areas from 0 to 1, got inf"),
]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("maps", "areas", "match"), REFUSED)
def test_anything_else_is_refused(name, maps, areas, match):
    with pytest.raises(InputError, match=match):
        ALL[name](maps, areas.nan_to_num(posinf=torch.inf) if "inf" in match else areas)


@pytest.mark.parametrize("name", BINARY)
def test_soft_areas_are_refused_where_a_pixel_must_belong_or_not(name):
    with pytest.raises(InputError, match="Expected areas that a pixel belongs to or not, got 0.5"):
        ALL[name](MAPS, 0.5 * AREAS)


@pytest.mark.parametrize("name", SOFT)
def test_soft_areas_weigh_pixels(name):
    soft = torch.rand(6, 14, 14, generator=torch.Generator().manual_seed(5))
    x, a = MAPS.clamp(min=0).double().flatten(1).numpy(), soft.double().flatten(1).numpy()
    expected = {
        "au_cosine": (a * x).sum(1) / np.sqrt((a**2).sum(1) * (x**2).sum(1)),
        "region_mass": (a * x).sum(1) / x.sum(1),
        "energy_gain": (a * x).sum(1) / x.sum(1) / a.mean(1),
    }
    assert np.allclose(ALL[name](MAPS, soft).numpy(), expected[name], atol=1e-6)
    uniform = {"au_cosine": np.abs(a).sum(1) / (14 * np.sqrt((a**2).sum(1)))}
    if name in uniform:
        assert np.allclose(ALL[name](MAPS * 0 + 1, soft).numpy(), uniform[name], atol=1e-6)


def test_mass_outside_the_face_is_that_of_the_last_region():
    regions = torch.zeros(6, 8, 14, 14, dtype=torch.bool)
    regions[:, 7], regions[:, 2] = AREAS, ~AREAS
    expected = metrics.region_mass(MAPS, AREAS)
    assert torch.equal(metrics.off_face_mass(MAPS, regions), expected)
    regions[0] = False  # a face without landmarks
    assert metrics.off_face_mass(MAPS, regions).isnan().tolist() == [True] + [False] * 5
    with pytest.raises(InputError, match=r"Expected the 8 regions \(B, 8, H, W\)"):
        metrics.off_face_mass(MAPS, regions[:, :5])
    with pytest.raises(InputError, match="Expected regions as a torch tensor"):
        metrics.off_face_mass(MAPS, regions.numpy())
