import pytest
import torch

from fer_xai.coalitions import coalitions, shapley_values
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from metrics.core.score_cache import ScoreCache
from metrics.faithfulness.naopc import naopc
from metrics.faithfulness.regions import shapley_agreement, single_deletion
from tests.helpers import TARGETS
from tests.reference.regions_slow import single_deletion_slow
from tests.reference.shapley_slow import shapley_by_permutation


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


def test_worth_of_values_adds_up():
    worth = torch.rand(2, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(shapley_values(worth).sum(1), (worth[:, -1] - worth[:, 0]).double())


BAD = {
    "overlap": (
        lambda model, three, maps, regions: single_deletion(
            model, three, maps, TARGETS, regions | regions.roll(1, dims=1)
        ),
        "Expected regions that do not overlap",
    ),
    "integers": (
        lambda model, three, maps, regions: shapley_agreement(
            model, three, maps, TARGETS, regions.to(torch.uint8)
        ),
        "Expected bool regions, got torch",
    ),
    "floats": (
        lambda model, three, maps, regions: shapley_agreement(
            model, three, maps, TARGETS, regions.float()
        ),
        "Expected bool regions, got torch",
    ),
}


@pytest.mark.parametrize(("asked", "match"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(asked, match, *, model, three, maps, regions):
    with pytest.raises(InputError, match=match):
        asked(model, three, maps, regions)
