import pytest
import torch

from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from metrics.core.pixel_order import rank_pixels
from metrics.core.score_cache import ScoreCache
from metrics.faithfulness.erasure import BINS, erasure
from metrics.faithfulness.masking import masked_confidence
from tests.reference.masking_slow import erasure_slow, masked_confidence_slow

TARGETS = torch.tensor([0, 5, 2])


@pytest.fixture
def three(images):
    return images[:3]


@pytest.fixture
def maps():
    return torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(4))


def test_confidence_is_the_papers(model, three, maps):
    found = masked_confidence(model, three, maps, TARGETS)
    for face, column in enumerate(model.columns(TARGETS)):
        expected = masked_confidence_slow(model, three[face], maps[face], int(column))
        ours = [getattr(found, name)[face].item() for name in ("drop", "increase", "gain")]
        assert ours == pytest.approx(expected, abs=1e-5)


def test_a_uniform_map_loses_nothing_and_a_blank_one_leaves_a_black_image(model, three):
    uniform = masked_confidence(model, three, torch.full((3, 64, 64), 0.3), TARGETS)
    assert torch.allclose(uniform.masked, uniform.clean, atol=1e-6)
    blank = masked_confidence(model, three, torch.zeros(3, 64, 64), TARGETS)
    black = model(torch.zeros(1, 3, 64, 64)).softmax(dim=1)[0, model.columns(TARGETS)]
    assert torch.allclose(blank.masked, black, atol=1e-6)
    assert torch.isfinite(blank.drop).all()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_map_that_is_not_finite_has_no_confidence(model, three, maps, bad):
    maps[1, 3, 4] = bad
    found = masked_confidence(model, three, maps, TARGETS)
    for name in ("masked", "drop", "increase", "gain"):
        assert getattr(found, name).isnan().tolist() == [False, True, False]


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


def test_bad_input_is_one_sentence(model, three, maps):
    with pytest.raises(InputError, match=r"Expected maps \(3, 64, 64\) to fit the images"):
        masked_confidence(model, three, maps[:, :32], TARGETS)
    with pytest.raises(InputError, match=r"Expected maps \(3, 64, 64\) to fit the images"):
        erasure(model, three, maps[:2], TARGETS)
    with pytest.raises(InputError, match="Expected the cache's own images"):
        erasure(ScoreCache(model, three), three[:2], maps[:2], TARGETS[:2])
