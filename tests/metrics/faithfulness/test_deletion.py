import numpy as np
import pytest
import torch

from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from fer_xai.perturb.fills import FILLS
from metrics.core.pixel_order import rank_pixels
from metrics.core.score_cache import ScoreCache
from metrics.faithfulness.deletion import deletion, insertion, step_counts
from tests.helpers import TARGETS, tiny_model
from tests.reference.curves_slow import auc_slow, deletion_slow, insertion_slow


@pytest.mark.parametrize("fill", ["black", "blur", "noise"])
@pytest.mark.parametrize("steps", [1, 6, 7])
def test_curves_are_those_of_the_paper_pixel_by_pixel(three, maps, fill, steps):
    model, three, maps = tiny_model(size=24), three[..., :24, :24], maps[:, :24, :24].contiguous()
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    columns = model.columns(TARGETS)
    ranks = rank_pixels(maps)
    for fast, slow in ((deletion, deletion_slow), (insertion, insertion_slow)):
        found = fast(cache, three, maps, TARGETS, steps=steps, fill=fill)
        counts = step_counts(576, steps)
        assert np.allclose(found.fractions, np.array(counts) / 576)
        for face in range(3):
            order = ranks[face].flatten().argsort().numpy()
            expected = slow(
                model,
                three[face],
                order,
                counts,
                filled=cache.filled(fill)[face],
                column=int(columns[face]),
            )
            assert np.allclose(found.scores[face], expected, atol=1e-5)
            area = auc_slow(found.fractions.tolist(), expected)
            assert found.auc[face].item() == pytest.approx(area, abs=1e-5)
    aopc = found.scores[:, :1].mean() - found.scores.mean()
    assert found.aopc.mean().item() == pytest.approx(aopc.item(), abs=1e-5)


def test_each_distinct_image_is_scored_once(model, three, maps):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    one = deletion(cache, three, maps, TARGETS, steps=8, fill="black")
    assert cache.passes == 3 * (7 + 1 + 1)  # inner steps, the clean face, the black one
    deletion(cache, three, maps, TARGETS, steps=4, fill="black")  # every other of these
    assert cache.passes == 3 * 9
    insertion(cache, three, maps, TARGETS, steps=8, fill="black")
    assert cache.passes == 3 * (9 + 7)
    deletion(cache, three, maps, TARGETS, steps=8, fill="black", order="lerf")
    assert cache.passes == 3 * 16  # insertion has had these images already
    again = deletion(cache, three, maps, TARGETS, steps=8, fill="black", output="logit")
    assert cache.passes == 3 * 16
    assert not torch.allclose(one.scores, again.scores)


def test_batch_order_and_neighbours_do_not_matter(model, three, maps):
    whole = deletion(
        Predictor(model, device="cpu", batch_size=64),
        three,
        maps,
        TARGETS,
        steps=5,
        fill="noise",
        ids=["a", "b", "c"],
    )
    order = torch.tensor([2, 0])
    part = deletion(
        Predictor(model, device="cpu", batch_size=1),
        three[order],
        maps[order],
        TARGETS[order],
        steps=5,
        fill="noise",
        ids=["c", "a"],
    )
    assert torch.allclose(part.scores, whole.scores[order], atol=1e-5)


def test_ties_take_as_many_pixels_as_they_should(model, three):
    """A map that is 60 % zero loses a tenth of the image at a tenth; a blank map does too."""
    sparse = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))
    sparse[:, :39] = 0
    for maps in (sparse, torch.zeros(3, 64, 64)):
        ranks = rank_pixels(maps)
        assert (ranks.flatten(1).sort(dim=1).values == torch.arange(4096)).all()
        cache = ScoreCache(Predictor(model, device="cpu"), three)
        found = deletion(cache, three, maps, TARGETS, steps=10, fill="black")
        assert found.fractions[1].item() == pytest.approx(0.1, abs=1e-3)
        assert torch.isfinite(found.scores).all()
    zero = rank_pixels(torch.zeros(2, 8, 8), ids=["a", "b"])
    assert not torch.equal(zero[0], zero[1])  # random, and of each face by itself
    assert torch.equal(zero[1], rank_pixels(torch.zeros(1, 8, 8), ids=["b"])[0])
    assert not torch.equal(zero, rank_pixels(torch.zeros(2, 8, 8), ids=["a", "b"], seed=1))


def test_scale_does_not_matter_and_sign_does(model, three, maps):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    one, two, three_ = (
        deletion(cache, three, m, TARGETS, steps=4).scores for m in (maps, 7 * maps, -maps)
    )
    assert torch.equal(one, two)
    assert not torch.allclose(one, three_)
    turned = deletion(cache, three, maps, TARGETS, steps=4, order="lerf").scores
    assert torch.allclose(three_, turned, atol=1e-3)


def test_least_relevant_first_is_insertion_read_backwards(model, three, maps):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    lerf = deletion(cache, three, maps, TARGETS, steps=8, order="lerf")
    come = insertion(cache, three, maps, TARGETS, steps=8)
    assert torch.equal(lerf.scores.flip(1), come.scores)
    assert torch.allclose(lerf.auc, come.auc)


@pytest.mark.parametrize("fill", list(FILLS))
def test_curves_end_where_they_must(model, three, maps, faces, fill):
    regions = face_regions(faces.landmarks_at(64)[:3], size=64)
    cache = ScoreCache(Predictor(model, device="cpu"), three, regions=regions)
    gone = deletion(cache, three, maps, TARGETS, steps=3, fill=fill).scores
    come = insertion(cache, three, maps, TARGETS, steps=3, fill=fill).scores
    assert torch.equal(gone[:, 0], come[:, -1])
    assert torch.equal(gone[:, -1], come[:, 0])


BAD = {
    "no steps": (
        lambda model, three, maps: deletion(model, three, maps, TARGETS, steps=0),
        "Expected steps as a whole number of 1 or more, got 0",
    ),
    "too many steps": (
        lambda model, three, maps: deletion(model, three, maps, TARGETS, steps=4097),
        "Expected at most 4096 steps, one a pixel, got 4097",
    ),
    "maps of another size": (
        lambda model, three, maps: deletion(model, three, maps[:, ::2], TARGETS),
        r"Expected maps \(3, 64, 64\) to fit the images",
    ),
    "too few targets": (
        lambda model, three, maps: deletion(model, three, maps, TARGETS[:2]),
        "Expected 3 targets, one an image, got 2",
    ),
    "unknown output": (
        lambda model, three, maps: insertion(model, three, maps, TARGETS, output="loss"),
        "Expected output logit, log_probability, probability",
    ),
    "too few ids": (
        lambda model, three, maps: insertion(model, three, maps, TARGETS, ids=["a"]),
        "Expected 3 ids, one an image, got 1",
    ),
}


@pytest.mark.parametrize(("asked", "match"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(asked, match, model, three, maps):
    with pytest.raises(InputError, match=match):
        asked(model, three, maps)


def test_an_unknown_output_costs_no_pass(model, three, maps):
    unread = ScoreCache(Predictor(model, device="cpu"), three)
    with pytest.raises(InputError, match="Expected output logit, log_probability, probability"):
        deletion(unread, three, maps, TARGETS, output="loss")
    assert not unread.passes
