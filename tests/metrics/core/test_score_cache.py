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
