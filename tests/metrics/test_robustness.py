import functools

import numpy as np
import pytest
import torch
from captum.metrics import sensitivity_max

import fer_xai
from fer_xai.draws.streams import stream
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from metrics.core.registry import METRICS
from metrics.robustness import seed_agreement, stability
from tests.helpers import TARGETS, TinyNet
from tests.reference.randomisation_slow import similarity_slow
from tests.reference.robustness_slow import stability_slow

IDS = ["a", "b", "c"]
RADIUS, SAMPLES = 0.05, 4


def gradient(model, images, targets, ids):
    """Signed, and quick."""
    del ids
    images = images.detach().requires_grad_()
    score = model(images).gather(1, model.columns(targets)[:, None]).sum()
    return torch.autograd.grad(score, images)[0].sum(dim=1)


@pytest.fixture
def predictor(model):
    return Predictor(model, device="cpu", batch_size=5)


@pytest.fixture
def dark(images):
    some = images[:3].clone()
    some[1] = (some[1] - 0.5).clamp(min=0)  # half of it black, where changes are clamped
    return some


@pytest.fixture
def maps(predictor, dark):
    return gradient(predictor.model, dark, TARGETS, IDS)


def _perturbed(images, names=IDS):
    """The images that ``stability`` should ask for, ``(B, n, 3, H, W)``."""
    return torch.stack(
        [
            torch.stack(
                [
                    (
                        image
                        + RADIUS * (2 * stream(0, name, "stability", k).rand(*image.shape) - 1)
                    ).clamp(0, 1)
                    for k in range(SAMPLES)
                ]
            )
            for image, name in zip(images, names, strict=True)
        ]
    )


def _stability(model, images, maps, **options):
    settings = {
        "targets": TARGETS,
        "explain": gradient,
        "ids": IDS,
        "radius": RADIUS,
        "samples": SAMPLES,
    }
    return stability(model, images, maps, **(settings | options))


def test_all_three_are_the_slow_version(predictor, dark, maps):
    found = _stability(predictor, dark, maps)
    for face, (image, copies) in enumerate(zip(dark, _perturbed(dark), strict=True)):

        def one(pixels, face=face):
            batch = torch.as_tensor(pixels, dtype=torch.float32)[None]
            return gradient(predictor.model, batch, TARGETS[face : face + 1], None)[0].numpy()

        expected = stability_slow(one, image.numpy(), copies.numpy())
        got = (found.max[face], found.mean[face], found.lipschitz[face])
        assert [float(value) for value in got] == pytest.approx(expected, rel=1e-4)


def test_the_maximum_is_captums_for_the_same_images(predictor, dark, maps):
    copies = _perturbed(dark).flatten(0, 1)
    peer = _captums(predictor, dark, copies)
    assert _stability(predictor, dark, maps).max.tolist() == pytest.approx(peer.tolist(), rel=1e-4)


def _captums(predictor, images, copies):
    def attribute(inputs):
        inputs = inputs[0] if isinstance(inputs, tuple) else inputs
        with torch.enable_grad():
            targets = TARGETS.repeat_interleave(len(inputs) // 3)
            return (gradient(predictor.model, inputs, targets, None),)

    return sensitivity_max(attribute, images, lambda inputs: copies, n_perturb_samples=SAMPLES)


def test_batch_size_order_and_neighbours_do_not_matter(model, dark, maps):
    whole = _stability(Predictor(model, device="cpu", batch_size=64), dark, maps)
    order = torch.tensor([2, 0])
    part = _stability(
        Predictor(model, device="cpu", batch_size=1),
        dark[order],
        maps[order],
        targets=TARGETS[order],
        ids=["c", "a"],
    )
    for name in ("max", "mean", "lipschitz"):
        assert torch.allclose(getattr(part, name), getattr(whole, name)[order], rtol=1e-4)


def test_no_more_faces_at_once_than_a_pass_takes(predictor, dark, maps):
    seen = []

    def explain(model, images, targets, ids):
        assert len(images) == len(targets) == len(ids)
        assert images.min() >= 0
        assert images.max() <= 1
        seen.extend([len(images), *ids])
        return gradient(model, images, targets, ids)

    _stability(predictor, dark, maps, explain=explain)
    assert [entry for entry in seen if isinstance(entry, int)] == [5, 5, 2]
    assert [entry for entry in seen if isinstance(entry, str)] == list("aaaabbbbcccc")


def test_zero_maps_have_no_score_and_are_counted(predictor, dark, maps):
    maps[1], maps[2, 0, 0] = 0.0, torch.nan
    found = _stability(predictor, dark, maps)
    assert found.blank == 2
    for values in (found.max, found.mean, found.lipschitz):
        assert values.isfinite().tolist() == [True, False, False]
    still = _stability(
        predictor, dark, maps, explain=lambda m, i, t, d: torch.zeros(len(i), 64, 64)
    )
    assert still.max[0] == 1  # all of it has gone


def test_what_ignores_the_image_is_steady_and_scale_matters_to_lipschitz_alone(
    predictor, dark, maps
):
    constant = torch.ones(3, 64, 64)
    still = _stability(
        predictor, dark, constant, explain=lambda m, i, t, d: torch.ones(len(i), 64, 64)
    )
    assert still.max.tolist() == still.lipschitz.tolist() == [0, 0, 0]
    one = _stability(predictor, dark, maps)
    more = _stability(predictor, dark, 7 * maps, explain=lambda *ask: 7 * gradient(*ask))
    turned = _stability(predictor, dark, -maps, explain=lambda *ask: -gradient(*ask))
    assert torch.allclose(one.max, more.max)
    assert torch.allclose(7 * one.lipschitz, more.lipschitz)
    assert torch.equal(one.max, turned.max)
    assert (one.mean <= one.max).all()


@pytest.mark.parametrize("classes", [7, 8])
@pytest.mark.parametrize("size", [48, 50])
def test_other_sizes_and_numbers_of_emotions(classes, size):
    net = TinyNet(classes)
    model = FERModel(net, emotions=EMOTIONS[:classes], size=64, cam_layer="relu2").eval()
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([classes - 1, 0])
    maps = gradient(model, images, targets, None)
    found = stability(model, images, maps, targets, gradient, samples=2)
    assert found.max.isfinite().all()


def test_explain_of_the_package_is_adapted_in_two_lines(model, dark):
    predictor_of = functools.lru_cache(maxsize=1)(functools.partial(Predictor, device="cpu"))

    def explain(model, images, targets, ids):
        return fer_xai.explain(
            predictor_of(model), images, method="smoothgrad", targets=targets, ids=ids
        ).maps

    predictor = Predictor(model, device="cpu", batch_size=5)
    with torch.inference_mode():  # a caller's own does not forbid gradients
        maps = explain(predictor.model, dark, TARGETS, IDS)
        found = _stability(predictor, dark, maps, explain=explain, radius=1e-7)
    # the method's own noise is alike for a face and its copies
    assert found.max.max() < 0.05


def test_specs_share_one_function(predictor, dark, maps):
    names = ("sensitivity_max", "sensitivity_mean", "local_lipschitz")
    specs = [METRICS[name] for name in names]
    assert len({(spec.fn, tuple(spec.options.items())) for spec in specs}) == 1
    given = {
        "model": predictor,
        "images": dark,
        "maps": maps,
        "targets": TARGETS,
        "explain": gradient,
    }
    made = specs[0].fn(**{need: given[need] for need in specs[0].needs})
    for spec in specs:
        values = getattr(made, spec.read)
        assert values.shape == (3,)
        assert (values >= spec.bounds[0]).all()


def test_seed_agreement_is_the_mean_over_pairs():
    maps = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    maps[1, 1] = maps[0, 1]
    maps[:2, 2] = 0
    maps[2, 3] = 0
    for kind in ("spearman", "pearson", "ssim"):
        found = seed_agreement(maps, similarity=kind)
        for face, pairs in (
            (0, [(0, 1), (0, 2), (1, 2)]),
            (1, [(0, 1), (0, 2), (1, 2)]),
            (3, [(0, 1)]),
        ):
            slow = np.mean(
                [
                    similarity_slow(maps[a, face].numpy(), maps[b, face].numpy(), kind)
                    for a, b in pairs
                ]
            )
            assert found[face].item() == pytest.approx(slow, abs=2e-4)
        assert found[2].isnan()
    assert torch.allclose(seed_agreement(maps[:1].repeat(2, 1, 1, 1))[:2], torch.ones(2))
    assert torch.allclose(
        seed_agreement(torch.stack([maps[2], -maps[2]]), absolute=True)[:3], torch.ones(3)
    )


BAD = {
    "no samples": (
        lambda predictor, dark, maps: _stability(predictor, dark, maps, samples=0),
        "Expected samples as a whole number of 1 or more, got 0",
    ),
    "no radius": (
        lambda predictor, dark, maps: _stability(predictor, dark, maps, radius=0.0),
        "Expected radius above 0, got 0.0",
    ),
    "maps of another size": (
        lambda predictor, dark, maps: _stability(predictor, dark, maps[:, ::2]),
        r"Expected maps \(3, 64, 64\) to fit the images",
    ),
    "too few targets": (
        lambda predictor, dark, maps: _stability(predictor, dark, maps, targets=TARGETS[:2]),
        "Expected 3 targets, one an image, got 2",
    ),
    "maps with channels": (
        lambda predictor, dark, maps: _stability(
            predictor, dark, maps, explain=lambda m, i, t, d: i
        ),
        r"Expected maps \(5, 64, 64\) from `explain`, got \(5, 3",
    ),
    "one seed": (
        lambda predictor, dark, maps: seed_agreement(maps[None]),
        r"Expected maps \(S, N, H, W\) of at least two seeds",
    ),
}


@pytest.mark.parametrize(("asked", "match"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(asked, match, predictor, dark, maps):
    with pytest.raises(InputError, match=match):
        asked(predictor, dark, maps)
