import pytest
import torch

import metrics
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from fer_xai.perturb.fills import Fill
from fer_xai.perturb.fills.skin import skin_fill
from metrics.core.pixel_order import rank_pixels
from metrics.core.score_cache import ScoreCache
from tests.helpers import TARGETS


def test_double_precision_images_are_scored_as_single(model, three, maps):
    once, twice = (
        metrics.deletion(model, one, maps, TARGETS, steps=4).auc for one in (three, three.double())
    )
    assert torch.equal(once, twice)
    cache = ScoreCache(Predictor(model, device="cpu"), three, fills={"mine": three.double()})
    assert cache.filled("mine").dtype == cache.images.dtype == torch.float32


@pytest.mark.parametrize("name", ["blur", "black", "linear", "linear:0.02"])
def test_a_built_in_fill_keeps_its_name(model, three, name):
    with pytest.raises(InputError, match=f"a name of your own for a fill, got '{name}', which is"):
        ScoreCache(model, three, fills={name: three})


def test_what_a_fill_computes_is_made_once(monkeypatch, model, three, maps):
    made = []
    prepare = Fill.prepare

    def counted(fill, *images, **options):
        made.append(fill.name)
        return prepare(fill, *images, **options)

    monkeypatch.setattr(Fill, "prepare", counted)
    cache = ScoreCache(Predictor(model, device="cpu", batch_size=2), three)
    for fill in ("blur", "noise", "linear"):
        metrics.deletion(cache, three, maps, TARGETS, steps=4, fill=fill)
        metrics.insertion(cache, three, maps, TARGETS, steps=8, fill=fill)
    metrics.road_combined(cache, three, maps, TARGETS)
    assert made == ["blur", "noise", "linear"]


def test_a_fill_that_needs_regions_is_refused_without_them(model, three, maps, faces):
    with pytest.raises(InputError, match="Expected facial regions for the fill 'skin', which is"):
        metrics.deletion(model, three, maps, TARGETS, fill="skin")
    regions = face_regions(faces.landmarks_at(64)[:3], size=64)
    cache = ScoreCache(Predictor(model, device="cpu"), three, regions=regions)
    found = metrics.deletion(cache, three, maps, TARGETS, steps=4, fill="skin")
    painted = {"mine": skin_fill(three, regions)}
    other = ScoreCache(Predictor(model, device="cpu"), three, fills=painted)
    expected = metrics.deletion(other, three, maps, TARGETS, steps=4, fill="mine")
    assert torch.equal(found.scores, expected.scores)
    own = metrics.single_deletion(model, three, maps, TARGETS, regions, fill="skin")
    assert torch.equal(
        own, metrics.single_deletion(other, three, maps, TARGETS, regions, fill="mine")
    )


def test_a_cache_is_of_its_own_images(model, three, maps):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    own = metrics.deletion(cache, three.clone(), maps, TARGETS, steps=4).auc
    assert torch.equal(metrics.deletion(cache, cache.images, maps, TARGETS, steps=4).auc, own)
    for other in (three.flip(0), three[:2], three[..., :32]):
        with pytest.raises(InputError, match="Expected the cache's own images .3, 3, 64, 64., got"):
            metrics.deletion(cache, other, maps, TARGETS, steps=4)


def test_a_cache_keeps_its_own_ids_and_seed(model, three, maps):
    cache = ScoreCache(Predictor(model, device="cpu"), three, ids=list("abc"), seed=3)
    asked = (cache, three, maps, TARGETS)
    own = metrics.infidelity(*asked, samples=3)
    assert torch.equal(metrics.infidelity(*asked, samples=3, ids=("a", "b", "c"), seed=3), own)
    with pytest.raises(InputError, match="Expected the cache's own ids, got others"):
        metrics.infidelity(*asked, samples=3, ids=list("abd"))
    with pytest.raises(InputError, match="Expected the cache's own seed, got others"):
        metrics.infidelity(*asked, samples=3, seed=4)


@pytest.mark.parametrize("count", [-1, 5000])
def test_counts_are_numbers_of_pixels(model, three, maps, count):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    with pytest.raises(InputError, match="Expected counts from 0 to 4096 pixels"):
        cache.removed(rank_pixels(maps), [count], fill="black", order="morf")


@pytest.fixture
def fresh(model, three):
    """Makes a new cache of the three faces."""
    return lambda: ScoreCache(Predictor(model, device="cpu"), three)


READ_MAPS = {
    "deletion": lambda cache, maps: (
        metrics.deletion(cache, cache.images, maps, TARGETS, steps=4, fill="black").auc
    ),
    "average_drop": lambda cache, maps: (
        metrics.masked_confidence(cache, cache.images, maps, TARGETS).masked
    ),
    "naopc": lambda cache, maps: (
        metrics.naopc_searched(cache, cache.images, maps, TARGETS, grid=2, fill="black").aopc
    ),
}


def negated(maps):
    maps.neg_()


def negated_data(maps):
    maps.data.neg_()


def negated_array(maps):
    maps.numpy()[:] *= -1


@pytest.mark.parametrize("change", [negated, negated_data, negated_array])
@pytest.mark.parametrize("name", READ_MAPS)
def test_maps_that_are_changed_in_place_are_scored_anew(fresh, maps, name, change):
    cache, changed = fresh(), maps.clone()
    before = READ_MAPS[name](cache, changed)
    passes = cache.passes
    assert torch.equal(READ_MAPS[name](cache, changed), before)
    assert cache.passes == passes
    change(changed)
    after = READ_MAPS[name](cache, changed)
    assert torch.equal(after, READ_MAPS[name](fresh(), changed))
    assert not torch.equal(after, before)


def test_maps_of_inference_mode_are_scored_anew(fresh, maps):
    with torch.inference_mode():
        cache, changed = fresh(), maps.clone()
        before = READ_MAPS["deletion"](cache, changed)
        after = READ_MAPS["deletion"](cache, changed.neg_())
        assert torch.equal(after, READ_MAPS["deletion"](fresh(), changed))
        assert not torch.equal(after, before)


def test_undefined_values_are_no_change(fresh, maps):
    cache, undefined = fresh(), maps.clone()
    undefined[0, 0, 0] = torch.nan
    READ_MAPS["average_drop"](cache, undefined)
    passes = cache.passes
    READ_MAPS["average_drop"](cache, undefined)
    assert cache.passes == passes


def test_regions_that_are_changed_in_place_are_scored_anew(fresh, faces, maps):
    cache, regions = fresh(), face_regions(faces.landmarks_at(64)[:3], size=64)

    def scored(cache):
        return metrics.single_deletion(cache, cache.images, maps, TARGETS, regions, fill="black")

    before = scored(cache)
    regions.copy_(regions.roll(16, dims=2))
    after = scored(cache)
    assert torch.equal(after, scored(fresh()))
    assert not torch.equal(after, before)


def test_what_the_cache_returns_is_not_what_it_keeps(fresh, maps):
    cache, whole = fresh(), fresh()
    for found in (cache.clean(), cache.empty("blur"), cache.filled("blur"), cache.ranked(maps)):
        found.zero_()
    assert torch.equal(READ_MAPS["deletion"](cache, maps), READ_MAPS["deletion"](whole, maps))
    assert torch.equal(cache.filled("blur"), whole.filled("blur"))
    assert torch.equal(cache.empty("blur"), whole.empty("blur"))


def test_images_that_are_changed_in_place_are_others(model, three):
    given = three.clone(memory_format=torch.channels_last)
    fill, regions = given.flip(0), torch.ones(3, 8, 64, 64, dtype=torch.bool)
    cache = ScoreCache(Predictor(model, device="cpu"), given, fills={"mine": fill}, regions=regions)
    clean = cache.clean()
    for one in (given, fill, regions):
        one.zero_()
    assert torch.equal(cache.images, three)
    assert torch.equal(cache.clean(), clean)
    assert torch.equal(cache.filled("mine"), three.flip(0))
    assert torch.equal(cache.filled("skin"), skin_fill(three, torch.ones_like(regions)))
    with pytest.raises(InputError, match="Expected the cache's own images"):
        metrics.deletion(cache, given, three[:, 0], TARGETS, steps=4)


@pytest.mark.parametrize("inference", [False, True])
def test_a_cache_whose_own_images_are_changed_is_refused(fresh, maps, inference):
    with torch.inference_mode(mode=inference):
        cache = fresh()
        cache.clean()
        cache.images.zero_()
        for use in (cache.clean, lambda: READ_MAPS["deletion"](cache, maps)):
            with pytest.raises(InputError, match="^Expected the cache's images as they were when"):
                use()
