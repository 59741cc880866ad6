"""Tables of maps under occluders, and the floor of other persons' maps."""

import numpy as np
import pandas as pd
import pytest
import torch

from metrics.occlusion.stability import likeness_outside
from studies.engine.other_persons import other_persons
from studies.questions.occlusion_robustness import floor
from studies.questions.occlusion_robustness.map_tables import (
    drift_table,
    mass_table,
    occluder_maps_table,
)


@pytest.fixture(scope="module")
def maps():
    """Nine maps, of which one is constant, one undefined, and one far from zero."""
    found = torch.rand(9, 6, 6, generator=torch.Generator().manual_seed(0))
    found[2], found[3], found[4] = 0.5, torch.nan, 50 + found[4]
    return found


@pytest.fixture(scope="module")
def hidden():
    return torch.rand(9, 3, 6, 6, generator=torch.Generator().manual_seed(1)) < 0.3


@pytest.fixture(scope="module")
def others():
    persons = ["anna", "ben", "ben", "cleo", "dora", "anna", "emil", "emil", "dora"]
    return other_persons(torch.tensor([0, 0, 0, 0, 0, 0, 5, 5, 0]), persons)


def test_the_floor_is_the_mean_over_other_persons_faces(maps, hidden, others, monkeypatch):
    monkeypatch.setattr(floor, "TOGETHER", 80)  # two maps of other faces at a time
    found = floor.likeness_of_others(maps, torch.arange(9), hidden, others)
    for face in range(9):
        for k in range(3):
            pairs = [
                float(likeness_outside(maps[face][None], maps[j][None], hidden[face, k][None]))
                for j in range(9)
                if others[face, j]
            ]
            known = [value for value in pairs if np.isfinite(value)]
            want = np.mean(known) if known else np.nan
            assert float(found[face, k]) == pytest.approx(want, abs=1e-6, nan_ok=True)
    assert found[[2, 3, 6, 7]].isnan().all()  # undefined, or no other person
    assert found[[0, 1, 4, 5, 8]].isfinite().all()


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_the_floor_is_right_at_224_pixels(offset, monkeypatch):
    source = torch.Generator().manual_seed(2)
    cells = torch.rand(4, 1, 7, 7, generator=source)
    maps = torch.nn.functional.interpolate(cells, size=(224, 224), mode="bilinear")[:, 0] + offset
    hidden = torch.zeros(4, 2, 224, 224, dtype=torch.bool)
    hidden[:, 0, 90:180], hidden[:, 1] = True, torch.rand(224, 224, generator=source) < 0.5
    monkeypatch.setattr(floor, "TOGETHER", 224**2)  # one map at a time
    found = floor.likeness_of_others(maps, torch.arange(4), hidden, ~torch.eye(4, dtype=torch.bool))
    for face in range(4):
        others = [other for other in range(4) if other != face]
        for k in range(2):
            want = np.mean(
                [
                    np.corrcoef(*(maps[i][~hidden[face, k]].double().numpy() for i in (face, j)))
                    for j in others
                ],
                axis=0,
            )[0, 1]
            assert float(found[face, k]) == pytest.approx(want, abs=1e-6)


def test_the_floor_does_not_depend_on_the_order_of_faces(maps, hidden, others):
    rows = torch.arange(9)
    order = torch.tensor([4, 8, 0, 3, 1, 7, 2, 6, 5])
    first = floor.likeness_of_others(maps, rows, hidden, others)
    moved = others[order][:, order]
    again = floor.likeness_of_others(maps[order], rows, hidden[order], moved)
    torch.testing.assert_close(again, first[order], equal_nan=True)


@pytest.fixture
def rows():
    """Two faces; the map vanishes under the hand, and under the patch of one face's mouth."""
    nan = float("nan")
    cells = [
        ("a", "occluder", "mouth", 0.6, 0.1, 0.5),
        ("a", "occluder", "hand", nan, 0.1, nan),
        ("a", "patch", "mouth", 0.5, 0.1, 0.2),
        ("a", "patch", "hand", 0.1, 0.1, 0.9),
        ("b", "occluder", "mouth", 0.8, 0.2, 0.4),
        ("b", "occluder", "hand", nan, 0.1, nan),
        ("b", "patch", "mouth", nan, 0.1, nan),
        ("b", "patch", "hand", 0.3, 0.1, 0.3),
    ]
    table = pd.DataFrame(cells, columns=["id", "kind", "name", "likeness", "before", "after"])
    other = np.where(table["kind"] == "occluder", 0.2, np.nan)
    return table.assign(method="m", covered=True, stays=True, other=other, area=0.1)


def test_maps_that_vanish_are_counted_and_pairs_are_defined_on_both(rows):
    units = pd.Series([0, 1], index=["a", "b"])
    drift = drift_table({"net": rows}, units).iloc[0]
    assert drift["undefined"] == 50
    assert drift["undefined, patch"] == 25
    assert drift["likeness"] == pytest.approx(0.7)
    assert drift["beyond a patch"] == pytest.approx(0.1)  # one pair: a's mouth
    assert drift["other persons' maps"] == pytest.approx(0.2)
    assert not [name for name in drift.index if "other" in name and name != "other persons' maps"]
    mass = mass_table({"net": rows}, units).iloc[0]
    assert mass["undefined"] == 50
    assert mass["moved"] == pytest.approx(0.3)
    assert mass["after"] - mass["before"] == pytest.approx(mass["moved"])
    assert mass["beyond a patch"] == pytest.approx(0.3)  # 0.4 less 0.1
    means = occluder_maps_table({"net": rows}).set_index("occluder")
    assert means["undefined"].to_dict() == {"mouth": 0, "hand": 100}
