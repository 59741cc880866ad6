import pytest
import torch

import metrics
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
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
