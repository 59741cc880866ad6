"""A network that reads the mouth alone loses everything with it, and nothing with the brows."""

import pytest
import torch

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import REGIONS, face_regions
from fer_xai.models.planted import MAGENTA, marked, planted_model
from fer_xai.perturb import occlude, occlusions
from metrics import ScoreCache, evaluate, occlusion_cost
from tests.metrics.test_every_metric import explanation

MOUTH, BROWS = REGIONS.index("mouth"), REGIONS.index("brows")


@pytest.fixture(scope="module")
def planted():
    """Faces with the mark in their mouths, their regions and landmarks, and its reader."""
    faces = synthetic_faces(5, style="studio", size=64)
    regions = face_regions(faces.landmarks_at(64), size=64)
    images = marked(faces.images, regions[:, MOUTH], MAGENTA)
    predictor = Predictor(planted_model("one"), device="cpu", batch_size=8)
    targets = torch.full((5,), EMOTIONS.index("happiness"))
    return predictor, images, targets, regions, faces.landmarks_at(64)


def by_name(planted, names, **options):
    """Costs ``(B,)`` of drawn or filled occluders."""
    predictor, images, targets, _, points = planted
    return {
        name: occlusion_cost(
            predictor, images, None, targets, made.masks, occluded=made.images, output="logit"
        ).costs[:, 0]
        for name, _, made in occlusions(images, points, names, **options)
    }


def test_it_loses_everything_with_the_mouth_and_nothing_with_the_brows(planted):
    predictor, images, targets, regions, _ = planted
    cache = ScoreCache(predictor, images)
    costs = occlusion_cost(cache, images, None, targets, regions, output="logit").costs
    whole = cache.clean()[:, 0]  # the logit of happiness, and that of a face without a mark is 0
    assert torch.allclose(costs[:, MOUTH], whole, rtol=1e-4)
    assert bool((whole > 1).all())
    others = [place for place in range(8) if place != MOUTH]
    assert float(costs[:, others].abs().max()) < 0.1 * float(whole.min())
    assert float(costs[:, BROWS].abs().max()) < 1e-4


def test_occluders_over_the_mouth_cost_it_and_sunglasses_do_not(planted):
    whole = ScoreCache(planted[0], planted[1]).clean()[:, 0]
    costs = by_name(planted, ["mouth", "lower", "surgical_mask", "sunglasses", "upper", "brows"])
    for name in ("mouth", "lower", "surgical_mask"):
        assert torch.allclose(costs[name], whole, rtol=1e-4), name
    for name in ("sunglasses", "upper", "brows"):
        assert float(costs[name].abs().max()) < 1e-3, name


def test_it_is_the_plain_difference_of_scores(planted):
    predictor, images, targets, regions, _ = planted
    costs = occlusion_cost(predictor, images, None, targets, regions, fill="grey").costs
    for place in (0, MOUTH, 7):
        gone = torch.where(regions[:, place, None], 0.5, images)
        one, other = (predictor.logits(faces).softmax(dim=1)[:, 0] for faces in (images, gone))
        assert torch.allclose(costs[:, place], one - other, atol=1e-6)


def test_images_that_show_the_fill_are_the_same_as_the_fill(planted):
    predictor, images, targets, regions, _ = planted
    shown = torch.where(regions[:, :, None], 0.0, images[:, None])  # (B, R, 3, H, W)
    one = occlusion_cost(predictor, images, None, targets, regions)
    other = occlusion_cost(predictor, images, None, targets, regions, occluded=shown)
    assert torch.allclose(one.costs, other.costs, atol=1e-6)


def test_a_map_is_asked_for_its_densest_region(planted):
    predictor, images, targets, regions, _ = planted
    cache = ScoreCache(predictor, images)

    def first(maps):
        return occlusion_cost(cache, images, maps, targets, regions)

    found = first(regions[:, MOUTH] + 0.3 * regions[:, REGIONS.index("off_face")])
    assert torch.equal(found.first, found.costs[:, MOUTH])  # though there is more off the face
    assert torch.equal(first(regions[:, BROWS].float()).first, found.costs[:, BROWS])
    two = first((regions[:, BROWS] | regions[:, MOUTH]).float())
    assert torch.allclose(two.first, found.costs[:, [BROWS, MOUTH]].mean(dim=1))
    for blank in (
        torch.zeros(5, 64, 64),
        torch.full((5, 64, 64), 0.1),
        torch.full((5, 64, 64), -3),
    ):
        assert bool(first(blank.float()).first.isnan().all())
    assert cache.passes == 5 * 9  # each image once, whatever the map


def test_faces_without_landmarks_are_nan_and_change_nobody_else(planted):
    predictor, images, targets, regions, points = planted
    some, maps = regions.clone(), regions[:, MOUTH].float()
    some[2] = False
    one = occlusion_cost(predictor, images, maps, targets, regions)
    two = occlusion_cost(predictor, images, maps, targets, some)
    assert bool(two.costs[2].isnan().all())
    assert bool(two.first[2].isnan())
    rest = [0, 1, 3, 4]
    assert torch.equal(two.first[rest], one.first[rest])
    points = points.copy()
    points[2] = float("nan")
    drawn = occlude(images, points, "hand")
    costs = occlusion_cost(
        predictor, images, None, targets, drawn.masks, occluded=drawn.images
    ).costs
    assert costs[:, 0].isnan().tolist() == [False, False, True, False, False]


def test_it_is_a_metric_of_evaluate(planted):
    predictor, images, targets, regions, _ = planted
    made = explanation(regions[:, MOUTH].float(), targets, predictor.emotions)
    frame = evaluate(predictor, images, made, ["occlusion_cost"], regions=regions)
    expected = occlusion_cost(predictor, images, None, targets, regions).costs[:, MOUTH]
    assert torch.allclose(torch.tensor(frame["value"]).float(), expected)


def test_what_does_not_fit_is_refused(planted):
    predictor, images, targets, regions, _ = planted

    def asked(given, **options):
        return occlusion_cost(predictor, images, None, targets, given, **options)

    with pytest.raises(InputError, match="Expected bool regions"):
        asked(regions.float())
    for wrong in (regions[:2], regions[:, :, :32], regions[0, 0], regions[:, :0]):
        with pytest.raises(InputError, match=r"Expected regions \(B, R, H, W\), one or more"):
            asked(wrong)
    with pytest.raises(InputError, match=r"Expected occluded images \(5, 8, 3, 64, 64\)"):
        asked(regions, occluded=images)
    with pytest.raises(InputError, match=r"Expected images in \[0, 1\]"):
        asked(regions[:, 0], occluded=images * 255)
    with pytest.raises(InputError, match="Expected output logit"):
        asked(regions, output="loss")
    with pytest.raises(InputError, match="Expected regions as a torch tensor"):
        asked(None)
