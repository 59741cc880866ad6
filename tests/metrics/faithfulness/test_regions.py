import pytest
import torch

from fer_xai.coalitions import coalitions, shapley_values
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from metrics.core.score_cache import ScoreCache
from metrics.faithfulness.naopc import _limits, naopc
from metrics.faithfulness.regions import shapley_agreement, single_deletion
from tests.reference.regions_slow import naopc_slow, single_deletion_slow
from tests.reference.shapley_slow import shapley_by_permutation

TARGETS = torch.tensor([0, 5, 2])


@pytest.fixture
def three(images):
    return images[:3]


@pytest.fixture
def maps():
    return torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(4))


@pytest.fixture
def regions():
    """Four unequal stripes and the rest."""
    out = torch.zeros(3, 5, 64, 64, dtype=torch.bool)
    for k, (top, end) in enumerate(((0, 6), (6, 20), (20, 33), (33, 50), (50, 64))):
        out[:, k, top:end] = True
    return out


def test_single_deletion_is_the_papers(model, three, maps, regions):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    found = single_deletion(cache, three, maps, TARGETS, regions)
    for face, column in enumerate(model.columns(TARGETS)):
        expected = single_deletion_slow(
            model,
            three[face],
            maps[face],
            regions[face],
            int(column),
            filled=cache.filled("blur")[face],
        )
        assert found[face].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("order", ["morf", "lerf"])
def test_naopc_lies_between_the_extremes_of_all_orders(model, three, maps, regions, order):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
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


def test_shapley_agreement_is_one_for_the_values_themselves(model, three, regions):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    shapley_agreement(cache, three, torch.zeros(3, 64, 64), TARGETS, regions)
    assert cache.passes == 3 * (2**5 - 1 + 1)
    columns = model.columns(TARGETS)
    members = coalitions(5)
    filled = cache.filled("blur")
    painted = torch.zeros(3, 64, 64)
    for face in range(3):
        worth = {}
        for present in members:
            gone = regions[face][~present].any(dim=0)
            image = torch.where(gone, filled[face], three[face])
            with torch.no_grad():
                value = float(model(image[None])[0, columns[face]])
            worth[frozenset(present.nonzero()[:, 0].tolist())] = value
        values = shapley_by_permutation(worth, 5)
        for k in range(5):
            painted[face][regions[face, k]] = values[k] / int(regions[face, k].sum())
    found = shapley_agreement(cache, three, painted, TARGETS, regions)
    assert torch.allclose(found, torch.ones(3))
    assert torch.allclose(
        shapley_agreement(cache, three, -painted, TARGETS, regions), -torch.ones(3)
    )
    assert cache.passes == 3 * 2**5


def test_faces_without_regions_are_undefined(model, three, maps, regions):
    regions[1] = False
    for metric in (single_deletion, shapley_agreement):
        found = metric(model, three, maps, TARGETS, regions)
        assert found.isnan().tolist() == [False, True, False]
    assert naopc(model, three, maps, TARGETS, regions).value.isnan().tolist() == [
        False,
        True,
        False,
    ]


def test_blank_maps_agree_with_nothing(model, three, regions):
    zero = torch.zeros(3, 64, 64)
    assert single_deletion(model, three, zero, TARGETS, regions).isnan().all()
    assert shapley_agreement(model, three, zero, TARGETS, regions).isnan().all()


def test_bad_input_is_one_sentence(model, three, maps, regions):
    with pytest.raises(InputError, match="Expected regions that do not overlap"):
        single_deletion(model, three, maps, TARGETS, regions | regions.roll(1, dims=1))
    with pytest.raises(InputError, match=r"Expected regions \(B, R, H, W\) to fit images"):
        naopc(model, three, maps, TARGETS, regions[0])
    with pytest.raises(InputError, match="Expected 1 to 12 regions, got 15"):
        naopc(model, three, maps, TARGETS, torch.zeros(3, 15, 64, 64, dtype=torch.bool))
    for other in (regions.to(torch.uint8), regions.float()):
        with pytest.raises(InputError, match="Expected bool regions, got torch"):
            shapley_agreement(model, three, maps, TARGETS, other)
    with pytest.raises(InputError, match="Expected order morf, lerf"):
        naopc(model, three, maps, TARGETS, regions, order="first")


def test_worth_of_values_adds_up():
    worth = torch.rand(2, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(shapley_values(worth).sum(1), (worth[:, -1] - worth[:, 0]).double())
