"""RISE with masks blended and weighted one by one; VarGrad where nothing varies; fills."""

import numpy as np
import pytest
import torch

from fer_xai import explain
from fer_xai.attributions import Question, attribute
from fer_xai.attributions.extremal import Extremal
from fer_xai.attributions.gradient_shap import GradientShap
from fer_xai.attributions.integrated_gradients import IntegratedGradientsTo
from fer_xai.attributions.perturbation import Occlusion, RegionAblation, Rise, _enlarged
from fer_xai.attributions.relevance.deeplift import DeepLiftFrom
from fer_xai.attributions.shapley import RegionShapley
from fer_xai.attributions.surrogates import Surrogate
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from fer_xai.perturb.fills.imputation import linear_imputation
from fer_xai.perturb.fills.skin import skin_fill
from tests.attributions.nets import halves


def mask_slow(grid, shift, height, width):
    """A coarse grid between whose cells each pixel is blended, four at a time."""
    across = len(grid) - 2
    out = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            y = (i + 0.5) / height * across + float(shift[0])
            x = (j + 0.5) / width * across + float(shift[1])
            top, left = int(y), int(x)
            for row, a in ((top, 1 - (y - top)), (top + 1, y - top)):
                for column, b in ((left, 1 - (x - left)), (left + 1, x - left)):
                    out[i, j] += a * b * float(grid[row, column])
    return out


def test_maps_are_the_papers_mask_by_mask(model, images):
    method = Rise(masks=5, cells=4)
    predictor, two = Predictor(model, device="cpu"), images[:2]
    question = Question(images=two, columns=torch.tensor([[1], [4]]), keys=(7, 9))
    found = method.maps(predictor, question).cells[:, 0]
    grids, shifts = method._drawn(question)
    for face, column in enumerate((1, 4)):
        masks = [mask_slow(grids[face, m], shifts[face, m], 64, 64) for m in range(5)]
        scores = []
        for mask in masks:
            with torch.no_grad():
                seen = two[face] * torch.from_numpy(mask).float()
                scores.append(float(model(seen[None])[0, column]))
        mean, variance = np.mean(scores), 0.25 * (2 / 3) ** 2
        expected = sum((s - mean) * m for s, m in zip(scores, masks, strict=True)) / 5 / variance
        assert np.allclose(found[face], expected, atol=1e-4 * np.abs(expected).max())


def test_masks_vary_alike_at_every_pixel():
    method = Rise(masks=6000, cells=4)
    question = Question(images=torch.zeros(1, 3, 16, 16), columns=torch.zeros(1, 1), keys=(1,))
    grids, shifts = method._drawn(question)
    variance = _enlarged(grids[0], shifts[0], 16, 16).var(dim=0)
    assert variance.mean().item() == pytest.approx(1 / 9, rel=0.03)
    assert (variance - 1 / 9).abs().max() < 0.02


def test_occlusion_covers_every_pixel_whatever_the_size():
    for side in (8, 48, 64, 97):
        squares = Occlusion().squares(side, side)
        assert squares.any(dim=0).all()
        assert (squares.flatten(1).sum(dim=1) == round(side / 8) ** 2).all()


def test_squares_that_leave_pixels_out_are_refused_before_any_pass(model, images, monkeypatch):
    method = Occlusion(window=1 / 8, stride=1 / 4)
    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "run", lambda *_: pytest.fail("a pass was made"))
        patch.setattr(Predictor, "logits", lambda *_: pytest.fail("a pass was made"))
        for call in (
            lambda: explain(model, images, method=method),
            lambda: attribute(
                Predictor(model, device="cpu"), images, torch.zeros(5, 1).long(), method=method
            ),
        ):
            with pytest.raises(
                InputError, match="squares of 8 at steps of 16 leave some out: take"
            ):
                call()
    fits = Occlusion(window=1 / 8, stride=1 / 8)
    assert torch.isfinite(explain(model, images, method=fits, targets="fear").maps).all()
    wide = Occlusion(window=1.0, stride=0.5)  # one place alone
    assert torch.isfinite(explain(model, images, method=wide, targets="fear").maps).all()
    for side in range(1, 40):  # every size: either refused or whole
        for window, stride in ((1 / 8, 1 / 16), (1 / 8, 1 / 4), (0.3, 0.32), (0.1, 0.1)):
            chosen = Occlusion(window=window, stride=stride)
            covered = bool(chosen.squares(side, side).any(dim=0).all())
            try:
                chosen.check((side, side))
            except InputError:
                assert not covered
            else:
                assert covered


def test_squares_and_regions_may_be_imputed(linear, small):
    left = torch.arange(8).expand(2, 8, 8) < 4
    fear = SIX.index("fear")
    whole = linear(small)[:, fear]
    without_left = linear(linear_imputation(small, left))[:, fear]
    without_right = linear(linear_imputation(small, ~left))[:, fear]
    regions = halves(small)
    asked = {"targets": "fear", "regions": regions}
    found = explain(linear, small, method=RegionAblation(fill="linear:0"), **asked).values
    expected = torch.stack([whole - without_left, whole - without_right], dim=1).detach()
    assert torch.allclose(found, expected, atol=1e-4)
    method = Occlusion(fill="linear:0", window=0.5, stride=0.5)
    squares = method.squares(8, 8)
    maps = explain(linear, small, method=method, targets="fear").maps
    for square in squares:
        gone = linear(linear_imputation(small, square.expand(2, 8, 8)))[:, fear].detach()
        lost = maps[:, square].mean(dim=1)
        assert torch.allclose(lost, whole.detach() - gone, atol=1e-4)


@pytest.mark.parametrize(
    "method", [RegionShapley(fill="linear"), Surrogate(kernel="shap", samples=40, fill="linear")]
)
def test_coalitions_may_be_imputed(linear, small, method):
    regions = halves(small)
    one, two, other = (
        explain(linear, small, method=method, targets="fear", regions=regions, seed=seed)
        for seed in (3, 3, 4)
    )
    assert method.seeded
    assert torch.equal(one.maps, two.maps)
    assert not torch.equal(one.maps, other.maps)
    assert one.completeness_gap.abs().max() < 1e-3


def test_skin_is_made_of_regions(model, faces):
    images, regions = faces.images[:2], face_regions(faces.landmarks_at(64)[:2], size=64)
    method = Occlusion(fill="skin", window=1.0, stride=1.0)
    found = explain(model, images, method=method, targets="fear", regions=regions).maps
    with torch.no_grad():
        ends = model(images) - model(skin_fill(images, regions))
    lost = ends[:, model.emotions.index("fear")]
    assert torch.allclose(found.mean(dim=(1, 2)), lost, atol=1e-5)
    assert method.asks_for_regions
    for needy in (method, IntegratedGradientsTo(baseline="skin")):
        with pytest.raises(InputError, match="for a fill that is made of them, got none: hand in"):
            explain(model, images, method=needy, targets="fear")
    begun = IntegratedGradientsTo(baseline="skin", steps=4, most=4)
    explain(model, images, method=begun, targets="fear", regions=regions)


IMAGES_ALONE = [
    Rise(masks=4, fill="linear"),
    Extremal(fill="linear"),
    IntegratedGradientsTo(baseline="linear"),
    GradientShap(baselines=("black", "linear:0.02")),
    DeepLiftFrom(baselines=("linear",)),
]


@pytest.mark.parametrize("method", IMAGES_ALONE, ids=lambda method: type(method).__name__)
def test_what_depends_on_the_mask_is_no_baseline(method, linear, small, monkeypatch):
    """Nor is it blended under a soft mask: it is refused before any pass."""
    predictor = Predictor(linear, device="cpu")
    monkeypatch.setattr(Predictor, "run", None)
    with pytest.raises(
        InputError, match="one image a face, .* got 'linear.*choose from mean, blur"
    ):
        attribute(predictor, small, torch.zeros(2, 1, dtype=torch.int64), method=method)
