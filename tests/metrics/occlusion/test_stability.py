"""What maps do under occlusion, against slow versions and limit cases."""

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import REGIONS, face_regions
from fer_xai.perturb import occlude
from metrics import ScoreCache, evaluate, occlusion_cost, occlusion_stability
from metrics.occlusion.stability import likeness_outside, share_inside
from tests.helpers import tiny_model
from tests.metrics.explainers import centre, gradient
from tests.metrics.test_every_metric import explanation

ONLY = ["mouth", "brows"]


@pytest.fixture(scope="module")
def case():
    faces = synthetic_faces(4, style="wild", split="test")
    predictor = Predictor(tiny_model(), device="cpu", batch_size=4)
    regions = face_regions(faces.landmarks_at(64), size=64)
    return predictor, faces.images, faces.labels, regions, faces.landmarks_at(64)


def asked(case, explain=gradient, **options):
    predictor, images, targets, regions, _ = case
    maps = explain(predictor.model, images, targets, list("0123"))
    regions = options.pop("regions", regions)
    return occlusion_stability(
        predictor, images, maps, targets, regions, explain=explain, **options
    )


@pytest.mark.parametrize("similarity", ["pearson", "spearman"])
def test_it_is_the_likeness_of_maps_over_what_is_not_hidden(case, similarity):
    predictor, images, targets, regions, _ = case
    found = asked(case, similarity=similarity, only=ONLY)
    one = gradient(predictor.model, images, targets, None)
    like = {"pearson": pearsonr, "spearman": spearmanr}[similarity]
    for place, name in enumerate(ONLY):
        hidden = regions[:, REGIONS.index(name)]
        covered = torch.where(hidden[:, None], 0.0, images)
        two = gradient(predictor.model, covered, targets, None)
        for face in range(4):
            out = ~hidden[face]
            expected = like(one[face][out].numpy(), two[face][out].numpy()).statistic
            assert float(found.likeness[face, place]) == pytest.approx(expected, abs=1e-3)
            before, after = (
                float(maps[face].clamp(min=0)[~out].sum() / maps[face].clamp(min=0).sum())
                for maps in (one, two)
            )
            assert float(found.before[face, place]) == pytest.approx(before, abs=1e-5)
            assert float(found.after[face, place]) == pytest.approx(after, abs=1e-5)
        stays = predictor.logits(covered).argmax(1) == predictor.logits(images).argmax(1)
        assert torch.equal(found.stays[:, place], stays)
        assert torch.allclose(found.areas[:, place], hidden.float().mean(dim=(1, 2)))
    assert torch.allclose(found.drift, found.likeness.mean(dim=1))
    moved = (found.after - found.before).mean(dim=1)
    assert torch.allclose(found.mass, moved)


def test_identical_images_have_drift_1_and_move_no_mass(case):
    images, regions = case[1], case[3]
    found = asked(case, occluded=images[:, None].expand(-1, 8, -1, -1, -1).contiguous())
    known = regions.flatten(2).any(dim=2)
    assert torch.allclose(found.likeness[known], torch.ones(int(known.sum())), atol=1e-5)
    assert float(found.mass.abs().max()) < 1e-5
    assert bool(found.stays.all())
    assert torch.allclose(found.drift_kept, found.drift)


def test_a_map_that_never_moves_has_drift_1_and_moves_no_mass(case):
    found = asked(case, centre, only=ONLY)
    assert torch.allclose(found.drift, torch.ones(4))
    assert torch.equal(found.mass, torch.zeros(4))


def test_a_uniform_map_has_no_drift_and_moves_no_mass(case):
    def uniform(model, images, targets, ids):
        return torch.full_like(images[:, 0], 0.3)

    found = asked(case, uniform)
    assert bool(found.drift.isnan().all())
    assert float(found.mass.abs().max()) < 1e-6
    assert float(found.gain.abs().max()) < 1e-5
    assert torch.allclose(
        found.before, found.areas.where(found.areas > 0, torch.nan), equal_nan=True
    )


def test_a_map_of_the_occluder_moves_all_of_its_mass_there(case):
    images, targets, points = case[1], case[2], case[4]
    made = occlude(images, points, "sunglasses")

    def difference(model, asked_for, _, ids):
        clean = images[[int(name) for name in ids]]
        changed = (asked_for - clean).abs().sum(dim=1)
        return torch.where(changed.flatten(1).any(dim=1)[:, None, None], changed, 1.0)

    maps = difference(None, images, targets, list("0123"))
    found = occlusion_stability(
        case[0], images, maps, targets, made.masks, explain=difference, occluded=made.images
    )
    area = made.masks.float().mean(dim=(1, 2))
    assert torch.allclose(found.after[:, 0], torch.ones(4))
    assert torch.allclose(found.mass, 1 - area, atol=1e-5)
    assert torch.allclose(found.gain, (1 - area) / area, rtol=1e-4)
    assert bool(found.drift.isnan().all())  # it was constant before


def test_faces_without_landmarks_are_nan_and_change_nobody_else(case):
    some = case[3].clone()
    some[1] = False
    one, two = asked(case, only=ONLY), asked(case, only=ONLY, regions=some)
    for name in ("drift", "mass", "gain"):
        values, others = getattr(two, name), getattr(one, name)
        assert bool(values[1].isnan())
        assert torch.equal(values[[0, 2, 3]], others[[0, 2, 3]])


def test_the_likeness_is_nan_where_a_map_is_constant_outside():
    maps = torch.rand(3, 4, 4)
    hidden = torch.zeros(3, 4, 4, dtype=torch.bool)
    hidden[:, :2] = True
    flat = torch.where(hidden, maps, 0.7)
    for similarity in ("pearson", "spearman"):
        assert bool(likeness_outside(maps, flat, hidden, similarity=similarity).isnan().all())
        found = likeness_outside(maps, maps * 3 + 1, hidden, similarity=similarity)
        assert torch.allclose(found, torch.ones(3))
        assert bool(
            likeness_outside(maps, maps, hidden | True, similarity=similarity).isnan().all()
        )
    maps[1, 0, 0] = torch.inf
    assert likeness_outside(maps, maps, hidden).isnan().tolist() == [False, True, False]
    assert share_inside(maps, hidden).isnan().tolist() == [False, True, False]
    assert bool(share_inside(-maps.abs(), hidden).isnan().all())


def test_each_image_is_scored_once_for_both_metrics(case):
    predictor, images, targets, regions, _ = case
    cache = ScoreCache(predictor, images)
    maps = gradient(predictor.model, images, targets, None)
    occlusion_cost(cache, images, maps, targets, regions)
    assert cache.passes == 4 * 9
    for only in (None, ONLY):
        occlusion_stability(cache, images, maps, targets, regions, explain=gradient, only=only)
    assert cache.passes == 4 * 9


def test_one_run_of_the_method_serves_all_metrics_of_evaluate(case):
    predictor, images, targets, regions, _ = case
    calls = []

    def counted(model, some, wanted, ids):
        calls.append(len(some))
        return gradient(model, some, wanted, ids)

    names = ["occlusion_drift", "occlusion_drift_kept", "occlusion_mass", "occlusion_mass_gain"]
    maps = gradient(predictor.model, images, targets, None)
    frame = evaluate(
        predictor,
        images,
        {"gradient": explanation(maps, targets, predictor.emotions)},
        names,
        regions=regions,
        explain={"gradient": counted},
    )
    assert sum(calls) == 4 * 4  # brows, eyes, nose and mouth of each face
    found = asked(case, only=["brows", "eyes", "nose", "mouth"])
    values = frame.pivot(index="id", columns="metric", values="value")[names].to_numpy()
    expected = torch.stack([found.drift, found.drift_kept, found.mass, found.gain], dim=1)
    assert np.allclose(values, expected.numpy(), atol=1e-6, equal_nan=True)


def test_options_are_checked(case):
    with pytest.raises(InputError, match="Expected similarity pearson, spearman, got 'ssim'"):
        asked(case, similarity="ssim")
    with pytest.raises(InputError, match="Expected regions forehead, .*, got 'lips'"):
        asked(case, only=["lips"])
    with pytest.raises(InputError, match="Expected names of regions in a list, got 'mouth'"):
        asked(case, only="mouth")
    with pytest.raises(InputError, match="Expected the 8 regions of face_regions"):
        asked(case, only=["mouth"], regions=case[3][:, 5])
    with pytest.raises(InputError, match="Expected maps"):
        asked(case, lambda model, images, targets, ids: images)
