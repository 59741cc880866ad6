from itertools import permutations

import pytest
import torch

from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from metrics.core.pixel_order import cells_of
from metrics.core.score_cache import ScoreCache
from metrics.faithfulness.naopc import _limits, naopc, naopc_searched
from tests.helpers import TARGETS
from tests.reference.regions_slow import naopc_slow


def test_limits_lie_within_the_true_ones(model, three, maps):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    found = naopc_searched(cache, three, maps, TARGETS, grid=2)
    cell, filled = cells_of(64, 64, 2), cache.filled("blur")
    for face, column in enumerate(model.columns(TARGETS)):

        def score(gone, face=face, column=column):
            mask = torch.isin(cell, torch.tensor(gone, dtype=torch.int64))
            image = torch.where(mask, filled[face], three[face])
            with torch.no_grad():
                return float(model(image[None]).softmax(dim=1)[0, column])

        every = {
            path: sum(score([]) - score(path[:k]) for k in range(1, 5)) / 5
            for path in permutations(range(4))
        }
        means = [float(maps[face][cell == k].mean()) for k in range(4)]
        own = every[tuple(sorted(range(4), key=lambda k: -means[k]))]
        assert found.aopc[face].item() == pytest.approx(own, abs=1e-6)
        assert min(every.values()) - 1e-6 <= found.lower[face].item()
        assert found.lower[face].item() < found.upper[face].item() <= max(every.values()) + 1e-6


def test_limits_are_the_same_for_all_maps(model, three):
    cache, cell = ScoreCache(Predictor(model, device="cpu"), three), cells_of(64, 64, 2)
    made = []
    for path in permutations(range(4)):
        maps = torch.tensor(path)[cell].float().expand(3, -1, -1).contiguous()
        made.append(naopc_searched(cache, three, maps, TARGETS, grid=2))
    for one in made[1:]:
        assert torch.equal(one.lower, made[0].lower)
        assert torch.equal(one.upper, made[0].upper)
    values = torch.stack([one.value for one in made])
    aopc = torch.stack([one.aopc for one in made])
    assert torch.equal(values.argsort(dim=0), aopc.argsort(dim=0))  # what beats the search counts
    assert (values.amax(dim=0) >= 1).all()


def test_maps_share_the_search(model, three, maps):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    naopc_searched(cache, three, maps, TARGETS, grid=2)
    searched = 4 + 2 * (3 + 2)  # both ways share the first step; of the last nothing is left
    assert cache.passes == 3 * (2 + searched + 3)
    naopc_searched(cache, three, -maps, TARGETS, grid=2)
    assert cache.passes == 3 * (2 + searched + 6)
    cache.empty("blur")
    assert cache.passes == 3 * (2 + searched + 6)


def test_lerf_is_the_other_end(model, three, maps):
    one, other = (
        naopc_searched(model, three, sign * maps, TARGETS, grid=2, order=order).aopc
        for sign, order in ((1, "lerf"), (-1, "morf"))
    )
    assert torch.allclose(one, other, atol=1e-6)


def test_searches_that_mislead_leave_limits_in_order(model, three, maps, monkeypatch):
    """What costs most at first leads to where nothing is lost, and what costs least to all."""
    lost = {
        "0": 0.1,
        "1": 0.0,
        "2": 0.05,
        "3": 0.05,
        "02": 0.2,
        "13": 0.1,
        "01": 0.15,
        "03": 0.15,
        "12": 0.15,
        "23": 0.15,
        "012": 0.0,
        "023": 0.0,
        "013": 1.0,
        "123": 1.0,
        "0123": 0.5,
    }

    def losses(self, gone, key):
        rows = [
            ["".join(str(p) for p in one.nonzero()[:, 0].tolist()) for one in face] for face in gone
        ]
        return torch.tensor([[lost[name] for name in names] for names in rows]).double()

    monkeypatch.setattr("metrics.faithfulness.naopc._Patches.losses", losses)
    found = naopc_searched(model, three, maps, TARGETS, grid=2)
    assert (found.lower < found.upper).all()
    assert found.value.isfinite().all()


@pytest.fixture
def regions():
    """Four unequal stripes and the rest."""
    out = torch.zeros(3, 5, 64, 64, dtype=torch.bool)
    for k, (top, end) in enumerate(((0, 6), (6, 20), (20, 33), (33, 50), (50, 64))):
        out[:, k, top:end] = True
    return out


@pytest.mark.parametrize("order", ["morf", "lerf"])
def test_naopc_lies_between_the_extremes_of_all_orders(model, three, maps, regions, order):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    regions = torch.cat([regions[:, :3], regions[:, 3:].any(dim=1, keepdim=True)], dim=1)
    found = naopc(cache, three, maps, TARGETS, regions, order=order)
    for face, column in enumerate(model.columns(TARGETS)):
        expected = naopc_slow(
            model,
            three[face],
            maps[face],
            regions[face],
            int(column),
            filled=cache.filled("blur")[face],
            order=order,
        )
        assert found.value[face].item() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("order", ["morf", "lerf"])
def test_naopc_of_ties_is_that_of_a_random_order(model, three, regions, order):
    caches = [
        ScoreCache(Predictor(model, device="cpu"), three, ids=list("abc"), seed=s) for s in range(8)
    ]
    flat = torch.ones(3, 64, 64)
    found = torch.stack(
        [naopc(one, three, flat, TARGETS, regions, order=order).value for one in caches]
    )
    assert (found.std(dim=0) > 0).all()
    part = naopc(model, three[1:2], flat[:1], TARGETS[1:2], regions[1:2], order=order, ids=["b"])
    assert part.value.item() == pytest.approx(found[0, 1].item(), abs=1e-3)


def test_limits_are_found_by_a_map_that_knows_the_order():
    """Every order of a random game of six, by hand."""
    from itertools import permutations

    worth = torch.rand(1, 64, generator=torch.Generator().manual_seed(1)).double()
    totals = []
    for path in permutations(range(6)):
        left = 63
        total = 0.0
        for player in path:
            left -= 1 << player
            total += float(worth[0, 63] - worth[0, left])
        totals.append(total)
    lower, upper = _limits(worth)
    assert lower.item() == pytest.approx(min(totals))
    assert upper.item() == pytest.approx(max(totals))


BAD = {
    "one patch": (
        lambda model, three, maps: naopc_searched(model, three, maps, TARGETS, grid=1),
        "Expected grid as a whole number of 2 or more, got 1",
    ),
    "unknown order": (
        lambda model, three, maps: naopc_searched(model, three, maps, TARGETS, order="up"),
        "Expected order morf, lerf",
    ),
}


@pytest.mark.parametrize(("asked", "match"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(asked, match, model, three, maps):
    with pytest.raises(InputError, match=match):
        asked(model, three, maps)


BAD_REGIONS = {
    "regions of one face": (
        lambda model, three, maps, regions: naopc(model, three, maps, TARGETS, regions[0]),
        r"Expected regions \(B, R, H, W\) to fit images",
    ),
    "too many regions": (
        lambda model, three, maps, regions: naopc(
            model, three, maps, TARGETS, regions[:, :1].repeat(1, 15, 1, 1) & False
        ),
        "Expected 1 to 12 regions, got 15",
    ),
    "unknown order": (
        lambda model, three, maps, regions: naopc(
            model, three, maps, TARGETS, regions, order="first"
        ),
        "Expected order morf, lerf",
    ),
}


@pytest.mark.parametrize(("asked", "match"), BAD_REGIONS.values(), ids=BAD_REGIONS)
def test_bad_regions_are_one_sentence(asked, match, *, model, three, maps, regions):
    with pytest.raises(InputError, match=match):
        asked(model, three, maps, regions)
