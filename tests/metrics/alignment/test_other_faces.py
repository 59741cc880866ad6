"""The mean over other faces' areas, against a loop over pairs."""

import numpy as np
import pytest
import torch

import metrics
from fer_xai.errors import InputError
from tests.metrics.alignment.drawn import ALL, areas_of, maps_of

MAPS, AREAS = maps_of(9), areas_of(9)
AREAS[3] = False
MAPS[5] = -1
LABELS = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1, 2])
PERSONS = ["a", "b", "a", "", "", "c", "b", "c", "d"]


def slow(name, *, labels=None, persons=None):
    out = []
    for i in range(9):
        found = [
            float(ALL[name](MAPS[i : i + 1], AREAS[j : j + 1]))
            for j in range(9)
            if j not in (i, 3)
            and (labels is None or labels[i] == labels[j])
            and (persons is None or not persons[i] or persons[i] != persons[j])
        ]
        out.append(np.mean(found) if found else np.nan)
    return np.array(out)


@pytest.mark.parametrize("name", ["au_cosine", "region_mass", "energy_gain", "pixel_auc"])
@pytest.mark.parametrize("labels", [None, LABELS])
@pytest.mark.parametrize("persons", [None, PERSONS])
@pytest.mark.parametrize("chunk", [128, 2])
def test_it_is_the_mean_over_pairs(monkeypatch, name, labels, persons, chunk):
    monkeypatch.setattr("metrics.alignment.other_faces.CHUNK", chunk)
    found = metrics.other_faces_areas(MAPS, AREAS, metric=name, labels=labels, clusters=persons)
    expected = slow(name, labels=labels, persons=persons)
    assert np.isnan(expected[5])
    assert np.allclose(found.numpy(), expected, atol=1e-5, equal_nan=True)


def test_landmarks_that_matter_beat_those_of_others():
    areas = areas_of(60, share=0.1)
    own = metrics.au_cosine(areas + 0.1, areas)
    assert bool((own > metrics.other_faces_areas(areas + 0.1, areas) + 0.2).all())
    one = areas[:1].expand(60, -1, -1)
    same = metrics.other_faces_areas(areas + 0.1, one)
    assert torch.allclose(same, metrics.au_cosine(areas + 0.1, one), atol=1e-6)


def test_others_are_needed():
    assert metrics.other_faces_areas(MAPS[:1], AREAS[:1]).isnan().all()
    assert metrics.other_faces_areas(MAPS[:0], AREAS[:0]).shape == (0,)
    alone = metrics.other_faces_areas(MAPS[:4], AREAS[:4], clusters=["a"] * 4)
    assert alone.isnan().all()


def test_anything_else_is_refused():
    with pytest.raises(InputError, match="Expected metric au_cosine, region_mass, energy_gain"):
        metrics.other_faces_areas(MAPS, AREAS, metric="region_rank")
    with pytest.raises(InputError, match="Expected 9 labels, one an image, got 2"):
        metrics.other_faces_areas(MAPS, AREAS, labels=LABELS[:2])
    with pytest.raises(InputError, match="Expected 9 cluster labels"):
        metrics.other_faces_areas(MAPS, AREAS, clusters=["a"])
    with pytest.raises(InputError, match="Expected areas of the shape of the maps"):
        metrics.other_faces_areas(MAPS, AREAS[:, 1:])
    with pytest.raises(InputError, match="Expected areas that a pixel belongs to or not"):
        metrics.other_faces_areas(MAPS, 0.5 * AREAS, metric="pixel_auc")
    with pytest.raises(InputError, match=r"Expected maps \(B, H, W\)"):
        metrics.other_faces_areas(MAPS[0], AREAS[0])
