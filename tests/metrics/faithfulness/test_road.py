import numpy as np
import pytest
import pytorch_grad_cam.metrics.road as peer
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from torch import nn

import fer_xai.perturb.fills.linear
from fer_xai.draws.streams import stream
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.perturb.fills import fill_images
from fer_xai.perturb.fills.imputation import linear_imputation
from metrics.core.pixel_order import rank_pixels
from metrics.core.registry import METRICS
from metrics.core.score_cache import ScoreCache
from metrics.faithfulness.deletion import deletion, insertion
from metrics.faithfulness.road import FRACTIONS, road, road_combined
from tests.helpers import TARGETS
from tests.reference.road_slow import road_slow


def cache(model, images, **options) -> ScoreCache:
    return ScoreCache(Predictor(model, device="cpu"), images, **options)


@pytest.mark.parametrize("order", ["morf", "lerf"])
def test_road_is_that_of_the_paper_pixel_by_pixel(model, three, maps, order):
    small, rough = three[..., ::2, ::2], maps[:, ::2, ::2].contiguous()
    fractions = (0.05, 0.5, 0.93)
    found = road(
        model, small, rough, TARGETS, order=order, fractions=fractions, ids=["a", "b", "c"]
    )
    counts = [0, 51, 512, 952]
    assert torch.allclose(found.fractions, torch.tensor(counts) / 1024)
    ranks, columns = rank_pixels(rough), model.columns(TARGETS)
    for face, name in enumerate("abc"):
        noise = stream(0, name, "fill linear").randn(3, 32, 32)
        expected = road_slow(
            model,
            small[face].numpy(),
            ranks[face].flatten().argsort(descending=order == "lerf").numpy(),
            counts,
            noise=0.01 * noise.numpy(),
            column=int(columns[face]),
        )
        assert np.allclose(found.scores[face], expected, atol=2e-5)
    mean = found.scores[:, 1:].mean(dim=1)
    assert torch.allclose(found.perturbed_mean, mean)


def test_three_metrics_cost_nineteen_passes_a_face(model, three, maps):
    one = cache(model, three)
    asked = {"model": one, "images": three, "maps": maps, "targets": TARGETS}
    found = {}
    for name in ("road_morf", "road_lerf", "road"):
        spec = METRICS[name]
        value = spec.fn(**asked, **spec.options)
        found[name] = getattr(value, spec.read) if spec.read else value
    assert one.passes == 3 * (18 + 1)
    assert torch.allclose(found["road"], (found["road_lerf"] - found["road_morf"]) / 2)
    deletion(one, three, maps, TARGETS, fill="linear", steps=10)
    assert one.passes == 3 * (19 + 1)  # the face of which nothing is left
    road(one, three, maps, TARGETS, noise=0.02)
    assert one.passes == 3 * (20 + 9)


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
def test_grad_cam_combines_them_alike(monkeypatch, maps):
    """At 50 pixels a side, where its percentiles take as many pixels as they say."""
    defaults = (0, peer.neighbors_weights)
    monkeypatch.setattr(peer.NoisyLinearImputer.__init__, "__defaults__", defaults)
    net = nn.Sequential(nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(6))
    images = torch.rand(2, 3, 50, 50, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net(images)
    model = FERModel(net, emotions=SIX, size=50, name="linear").eval()
    cams = maps[:2, :50, :50].sigmoid()
    targets = [ClassifierOutputSoftmaxTarget(int(column)) for column in model.columns(TARGETS[:2])]
    theirs = peer.ROADCombined()(images, cams.numpy(), targets, model)
    ours = road_combined(model, images, cams, TARGETS[:2], noise=0)
    assert np.allclose(ours, theirs, atol=1e-5)


def test_every_face_is_scored_whatever_the_batch(model, images):
    """Quantus' ROAD scores the first batch only."""
    images = images[..., ::2, ::2].contiguous()
    maps = torch.randn(5, 32, 32, generator=torch.Generator().manual_seed(4))
    targets, ids = torch.tensor([0, 5, 2, 1, 1]), list("abcde")
    whole = road_combined(
        Predictor(model, device="cpu", batch_size=64), images, maps, targets, ids=ids
    )
    assert len(whole.unique()) == 5
    small = Predictor(model, device="cpu", batch_size=2)
    assert torch.allclose(road_combined(small, images, maps, targets, ids=ids), whole, atol=1e-5)
    for face in range(5):
        rows = slice(face, face + 1)
        alone = road_combined(model, images[rows], maps[rows], targets[rows], ids=ids[rows])
        assert torch.allclose(alone, whole[rows], atol=1e-5)


def test_ties_take_as_many_pixels_as_they_should(monkeypatch, model, three):
    """By a threshold, a map that is 60 % zero loses 60 % of the face, and a blank one all of it."""
    taken = []

    def counted(images, gone):
        taken.append(gone.flatten(1).sum(dim=1))
        return linear_imputation(images, gone)

    monkeypatch.setattr(fer_xai.perturb.fills.linear, "linear_imputation", counted)
    three = three[..., ::2, ::2].contiguous()
    sparse = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
    sparse[:, :20] = 0
    counts = [round(fraction * 1024) for fraction in FRACTIONS]
    for maps in (sparse, torch.zeros(3, 32, 32), torch.ones(3, 32, 32)):
        taken.clear()
        assert torch.isfinite(road_combined(model, three, maps, TARGETS)).all()
        assert torch.cat(taken).sort().values.tolist() == sorted(6 * counts)
    blank = torch.zeros(3, 32, 32)
    one, other = (road_combined(model, three, blank, TARGETS, seed=seed) for seed in (0, 1))
    assert not torch.equal(one, other)


class Reader(nn.Module):
    """A logit that is the contrast of a patch; the face is otherwise not looked at."""

    def forward(self, x):
        patch = x[:, :, 24:40, 24:40]
        contrast = 8 * patch.std(dim=(1, 2, 3))
        return torch.stack([contrast, *[torch.zeros_like(contrast)] * 5], dim=1)


def test_perfect_beats_random_beats_inverted():
    model = FERModel(Reader(), emotions=SIX, size=64, name="reader").eval()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    targets = model.canonical(torch.zeros(2, dtype=torch.long))
    perfect = torch.zeros(2, 64, 64)
    perfect[:, 24:40, 24:40] = 1
    perfect += 0.1 * torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(1))
    random = torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(2))
    best, middle, worst = (
        road_combined(model, images, maps, targets) for maps in (perfect, random, -perfect)
    )
    assert (best > middle + 0.05).all()
    assert (middle > worst + 0.05).all()
    assert torch.allclose(worst, -best, atol=1e-4)
    assert middle.abs().max() < 0.02
    one, other = (road(model, images, maps, targets).scores[:, 1:] for maps in (perfect, random))
    assert (one.mean(dim=1) < other.mean(dim=1)).all()


def test_noise_is_drawn_once_a_face_and_left_outside_of_the_unit_interval(model, three):
    white = torch.ones_like(three)
    one = cache(model, white, ids=["a", "b", "c"], seed=2)
    faces = torch.arange(3)
    gone = torch.zeros(3, 64, 64, dtype=torch.bool)
    gone[:, :32] = True
    few, more = (one.blended(faces, mask, "linear") - 1 for mask in (gone, gone | gone.mT))
    assert torch.equal(few[:, :, 32:], torch.zeros(3, 3, 32, 64))
    assert torch.allclose(few[:, :, :32], more[:, :, :32], atol=1e-6)
    assert few.max() > 0.02
    assert few[:, :, :32].std().item() == pytest.approx(0.01, rel=0.03)
    assert torch.allclose(one.blended(faces, gone, "linear:0.05") - 1, 5 * few, atol=1e-5)
    assert torch.allclose(one.blended(faces, gone, "linear:0"), white, atol=1e-6)
    assert not torch.allclose(few[0], few[1], atol=1e-3)
    part = cache(model, white[2:], ids=["c"], seed=2)
    assert torch.equal(part.blended(faces[:1], gone[:1], "linear")[0] - 1, few[2])


def test_nothing_left_is_the_mean_colour_with_noise(model, three, maps):
    one = cache(model, three)
    gone = torch.ones(3, 64, 64, dtype=torch.bool)
    filled = one.filled("linear")
    assert torch.allclose(one.blended(torch.arange(3), gone, "linear"), filled, atol=1e-6)
    away = filled - fill_images(three, "mean")
    assert away.std().item() == pytest.approx(0.01, rel=0.03)
    fall = deletion(one, three, maps, TARGETS, fill="linear", steps=4)
    rise = insertion(one, three, maps, TARGETS, fill="linear", steps=4)
    assert torch.equal(fall.scores[:, -1], rise.scores[:, 0])
    assert torch.equal(fall.scores[:, 0], rise.scores[:, -1])


@pytest.mark.parametrize("fractions", [(), (0.0, 0.5), (0.5, 1.0)])
def test_fractions_lie_between_0_and_1(model, three, maps, fractions):
    with pytest.raises(InputError, match="Expected fractions as at least one share"):
        road(model, three, maps, TARGETS, fractions=fractions)


@pytest.mark.parametrize("fractions", [(0.5, 0.2), (0.2, 0.2)])
def test_fractions_rise(model, three, maps, fractions):
    with pytest.raises(InputError, match="Expected fractions that rise"):
        road(model, three, maps, TARGETS, fractions=fractions)


@pytest.mark.parametrize("noise", [-0.1, float("nan")])
def test_noise_is_no_less_than_0(model, three, maps, noise):
    with pytest.raises(InputError, match="Expected noise from 0, got"):
        road(model, three, maps, TARGETS, noise=noise)


BAD = {
    "maps of another size": (
        lambda model, three, maps: road(model, three, maps[:, ::2], TARGETS),
        r"Expected maps \(3, 64, 64\) to fit the images",
    ),
    "too few targets": (
        lambda model, three, maps: road_combined(model, three, maps, TARGETS[:2]),
        "Expected 3 targets, one an image, got 2",
    ),
    "noise in words": (
        lambda model, three, maps: deletion(model, three, maps, TARGETS, fill="linear:much"),
        "Expected a fill like linear:0.01, .* got 'linear:much'",
    ),
}


@pytest.mark.parametrize(("asked", "match"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(asked, match, model, three, maps):
    with pytest.raises(InputError, match=match):
        asked(model, three, maps)
