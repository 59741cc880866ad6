import pytest
import torch

from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from metrics.core.pixel_order import rank_pixels
from metrics.core.score_cache import ScoreCache
from metrics.faithfulness.erasure import BINS, erasure
from metrics.faithfulness.masking import masked_confidence
from tests.helpers import TARGETS
from tests.reference.masking_slow import erasure_slow


def test_erasure_is_the_papers_pixel_by_pixel(model, three, maps):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    found = erasure(cache, three, maps, TARGETS, fill="black")
    ranks = rank_pixels(maps)
    for face, column in enumerate(model.columns(TARGETS)):
        order = ranks[face].flatten().argsort().tolist()
        whole, enough = erasure_slow(
            model, three[face], order, BINS, filled=torch.zeros(3, 64, 64), column=int(column)
        )
        assert found.comprehensiveness[face].item() == pytest.approx(whole, abs=1e-5)
        assert found.sufficiency[face].item() == pytest.approx(enough, abs=1e-5)


def test_the_clean_face_is_shared(model, three, maps):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    masked_confidence(cache, three, maps, TARGETS)
    masked_confidence(cache, three, maps, TARGETS)
    assert cache.passes == 6
    erasure(cache, three, maps, TARGETS)
    assert cache.passes == 6 + 3 * 2 * len(BINS)


BAD = {
    "too few maps": (
        lambda model, three, maps: erasure(model, three, maps[:2], TARGETS),
        r"Expected maps \(3, 64, 64\) to fit the images",
    ),
    "a cache of other images": (
        lambda model, three, maps: erasure(
            ScoreCache(model, three), three[:2], maps[:2], TARGETS[:2]
        ),
        "Expected the cache's own images",
    ),
}


@pytest.mark.parametrize(("asked", "match"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(asked, match, model, three, maps):
    with pytest.raises(InputError, match=match):
        asked(model, three, maps)
