import functools

import numpy as np
import pytest
import torch

import fer_xai
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from metrics.core.registry import METRICS
from metrics.core.similarity import map_similarity
from metrics.randomisation.emprt import emprt
from metrics.randomisation.gate import randomisation_gate
from metrics.randomisation.mprt import mprt
from metrics.randomisation.random_logit import random_logit
from metrics.randomisation.random_networks import randomised
from tests.metrics.explainers import gradient
from tests.reference.randomisation_slow import mprt_slow

TINY = ["net.fc", "net.bn2", "net.conv2", "net.bn1", "net.conv1"]


@pytest.mark.parametrize("order", ["cascading", "bottom_up", "independent"])
@pytest.mark.parametrize("kind", ["spearman", "ssim"])
def test_mprt_is_the_slow_version(case, order, kind):
    predictor, images, maps, targets = case
    found = mprt(
        predictor, images, maps, targets, gradient, order=order, similarity=kind, batchnorm="keep"
    )
    assert list(found.layers) == (TINY[::-1] if order == "bottom_up" else TINY)
    random = randomised(predictor.model, seed=0, batchnorm="keep")
    for face in range(2):

        def one(network, image, face=face):
            return gradient(network, image[None], targets[face : face + 1], None)[0].numpy()

        slow = functools.partial(mprt_slow, (predictor.model, random), images[face], one, kind=kind)
        if order == "independent":
            expected = [slow(order=[layer])[0] for layer in TINY]
        else:
            expected = slow(order=found.layers)
        assert found.similarity[face].tolist() == pytest.approx(expected, abs=1e-3)
    assert torch.allclose(found.mean, found.similarity.mean(dim=1))
    assert torch.equal(found.last, found.similarity[:, -1])
    # the trained network, whose map is like itself, is not among the scores
    assert found.similarity.max() < 0.999


def test_steps_are_evenly_chosen_with_the_last_among_them(case):
    predictor, images, maps, targets = case
    every = mprt(predictor, images, maps, targets, gradient, batchnorm="keep")
    two = mprt(predictor, images, maps, targets, gradient, batchnorm="keep", layers=2)
    assert two.layers == ("net.bn2", "net.conv1")
    assert torch.allclose(two.similarity, every.similarity[:, [1, 4]], atol=1e-6)
    one = mprt(predictor, images, maps, targets, gradient, batchnorm="keep", layers=1)
    assert torch.allclose(one.mean, every.last, atol=1e-6)


def test_batch_size_order_and_neighbours_do_not_matter(model, images):
    """With images to calibrate on; else the faces at hand are those."""
    targets, ids = torch.tensor([0, 5, 2]), ["a", "b", "c"]
    calibration, faces = images[3:], images[:3]
    maps = gradient(model, faces, targets, None)
    whole = Predictor(model, device="cpu", batch_size=64)
    single = Predictor(model, device="cpu", batch_size=1)
    order = torch.tensor([2, 0])
    reading = {
        mprt: lambda found: found.similarity,
        functools.partial(mprt, smooth=3): lambda found: found.similarity,
        emprt: lambda found: found,
        randomisation_gate: lambda found: found.similarity,  # its null is of the other faces
    }
    for metric, read in reading.items():
        one = read(metric(whole, faces, maps, targets, gradient, ids=ids, calibration=calibration))
        two = read(
            metric(
                single,
                faces[order],
                maps[order],
                targets[order],
                gradient,
                ids=["c", "a"],
                calibration=calibration,
            )
        )
        assert torch.allclose(two, one[order], atol=2e-3)
    one = random_logit(whole, faces, maps, targets, gradient, ids=ids)
    two = random_logit(single, faces[order], maps[order], targets[order], gradient, ids=["c", "a"])
    assert torch.allclose(two, one[order], atol=1e-4)


def test_undefined_maps_are_nan_and_counted(case):
    predictor, images, maps, targets = case
    maps = maps.clone()
    maps[0] = 0

    def sometimes(model, images, targets, ids):
        found = gradient(model, images, targets, ids)
        if torch.equal(model.net.conv2.weight, predictor.model.net.conv2.weight):
            return found
        return torch.where(torch.tensor([name == "1" for name in ids])[:, None, None], 0.0, found)

    found = mprt(predictor, images, maps, targets, sometimes)
    assert found.undefined.tolist() == [5, 3, 0, 0, 0, 0]
    assert found.mean.isnan().tolist() == [True] + [False] * 5
    assert found.mean[1] == pytest.approx(found.similarity[1, :2].mean().item())
    assert emprt(predictor, images, maps, targets, sometimes)[:2].isnan().all()
    assert (
        random_logit(predictor, images, maps, targets, gradient).isnan().tolist()
        == [True] + [False] * 5
    )
    gate = randomisation_gate(predictor, images, maps, targets, sometimes)
    assert gate.blank == 2
    assert gate.undefined == 20
    assert np.isfinite(gate.mean)


def test_smooth_mprt_is_that_of_mean_maps(case):
    predictor, images, maps, targets = case
    asked = []

    def explain(model, pixels, targets, ids):
        asked.append(len(pixels))
        assert pixels.min() >= 0
        assert pixels.max() <= 1
        return gradient(model, pixels, targets, ids)

    found = mprt(predictor, images, maps, targets, explain, smooth=4, layers=1)
    assert asked == [4] * 12  # six faces, four copies, two networks, four at once
    still = mprt(predictor, images, maps, targets, gradient, smooth=3, noise=0, layers=1)
    plain = mprt(predictor, images, maps, targets, gradient, layers=1)
    assert torch.allclose(still.similarity, plain.similarity, atol=1e-3)
    assert not torch.allclose(found.similarity, plain.similarity, atol=1e-3)
    again = mprt(predictor, images, 0 * maps, targets, gradient, smooth=4, layers=1)
    assert torch.equal(found.similarity, again.similarity)  # the trained map is made anew


def test_no_faces_have_no_scores(trained):
    predictor, _, targets = trained
    images, maps, none = torch.zeros(0, 3, 64, 64), torch.zeros(0, 64, 64), targets[:0]
    for found in (
        mprt(predictor, images, maps, none, gradient).last,
        mprt(predictor, images, maps, none, gradient, smooth=2).mean,
        emprt(predictor, images, maps, none, gradient),
        random_logit(predictor, images, maps, none, gradient),
    ):
        assert found.shape == (0,)
    gate = randomisation_gate(predictor, images, maps, none, gradient)
    assert gate.verdict == "undefined"
    assert np.isnan(gate.null_mean)


def test_explain_of_the_package_is_adapted_in_two_lines(trained):
    predictor, images, targets = trained
    predictor_of = functools.lru_cache(maxsize=1)(functools.partial(Predictor, device="cpu"))

    def explain(model, images, targets, ids):
        return fer_xai.explain(predictor_of(model), images, targets=targets, ids=ids).maps

    maps = explain(predictor.model, images, targets, [str(i) for i in range(6)])
    found = mprt(predictor, images, maps, targets, explain)
    assert found.similarity.shape == (6, 5)
    assert found.similarity.isfinite().any()
    assert (found.similarity[:, 0] < 0.9999).any()  # the new network, not the last one


def test_specs_are_called_by_what_they_need(case):
    predictor, images, maps, targets = case
    given = {
        "model": predictor,
        "images": images,
        "maps": maps,
        "targets": targets,
        "explain": gradient,
        "calibration": images,
    }
    for name in ("mprt", "mprt_last", "smooth_mprt", "emprt", "random_logit"):
        spec = METRICS[name]
        options = spec.options | ({"smooth": 2} if "smooth" in spec.options else {})
        made = spec.fn(**{need: given[need] for need in spec.needs}, **options)
        values = getattr(made, spec.read) if spec.read else made
        assert values.shape == (6,)
        assert (values >= spec.bounds[0]).all()
        assert (values <= spec.bounds[1]).all()
    assert METRICS["mprt"].fn is METRICS["mprt_last"].fn
    assert METRICS["mprt"].options == METRICS["mprt_last"].options


def test_bad_input_is_one_sentence(case):
    predictor, images, maps, targets = case
    with pytest.raises(InputError, match="Expected order cascading, independent, bottom_up"):
        mprt(predictor, images, maps, targets, gradient, order="down")
    with pytest.raises(InputError, match="Expected similarity spearman, pearson, ssim, got 'mse'"):
        mprt(predictor, images, maps, targets, gradient, similarity="mse")
    with pytest.raises(InputError, match="Expected layers as a whole number of 1 or more, got 0"):
        mprt(predictor, images, maps, targets, gradient, layers=0)
    with pytest.raises(InputError, match=r"Expected maps \(6, 64, 64\) to fit the images"):
        mprt(predictor, images, maps[:, :32], targets, gradient)
    with pytest.raises(InputError, match="Expected 6 targets, one an image, got 2"):
        emprt(predictor, images, maps, targets[:2], gradient)
    with pytest.raises(InputError, match="Expected at least two images to recalibrate .* got 1"):
        mprt(predictor, images[:1], maps[:1], targets[:1], gradient)
    with pytest.raises(InputError, match="Expected two stacks of maps"):
        map_similarity(maps, maps[:2])
