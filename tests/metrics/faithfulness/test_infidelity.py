import pytest
import torch
from captum.metrics import infidelity as captum_infidelity

import fer_xai
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from metrics.core.registry import METRICS
from metrics.core.score_cache import ScoreCache
from metrics.faithfulness.correlation import mu_fidelity, sensitivity_n
from metrics.faithfulness.infidelity import infidelity
from tests.helpers import TARGETS
from tests.reference.subsets_slow import infidelity_slow


def changes_of(cache, samples, face):
    return 0.2 * cache.stream(face, "infidelity").randn(samples, 64, 64)


@pytest.mark.parametrize("scaling", ["none", "free"])
def test_infidelity_is_the_papers(model, three, maps, scaling):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    small = maps * 0.01
    found = infidelity(cache, three, small, TARGETS, samples=7, scaling=scaling)
    for face, column in enumerate(model.columns(TARGETS)):
        expected = infidelity_slow(
            model,
            three[face],
            small[face],
            int(column),
            changes_of(cache, 7, face),
            free=scaling == "free",
        )
        assert found[face].item() == pytest.approx(expected, rel=1e-3)
    assert cache.passes == 3 * 8


@pytest.mark.parametrize("scaling", ["none", "free"])
def test_infidelity_is_captums_with_the_same_changes(model, three, maps, scaling):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    samples, small = 6, maps * 0.01
    found = infidelity(cache, three, small, TARGETS, samples=samples, scaling=scaling)
    draws = torch.stack([changes_of(cache, samples, face) for face in range(3)])

    def perturb(inputs):  # every face `samples` times in a row
        changes = draws.flatten(0, 1)[:, None].expand_as(inputs)
        return changes, inputs - changes

    theirs = captum_infidelity(
        model,
        perturb,
        three,
        small[:, None].expand(-1, 3, -1, -1) / 3,
        target=model.columns(TARGETS),
        n_perturb_samples=samples,
        normalize=scaling == "free",
        max_examples_per_batch=3 * samples,
    )
    assert torch.allclose(found, theirs, rtol=1e-3)


def test_infidelity_of_a_linear_models_gradient_is_zero(three):
    from torch import nn

    from fer_xai.emotions import SIX
    from fer_xai.models import FERModel

    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 6))
    nn.init.normal_(net[1].weight, generator=torch.Generator().manual_seed(0))
    linear = FERModel(net, emotions=SIX, size=64, mean=(0, 0, 0), std=(1, 1, 1)).eval()
    columns = linear.columns(TARGETS)
    gradient = net[1].weight[columns].detach().reshape(3, 3, 64, 64).sum(dim=1)
    found = infidelity(linear, three, gradient, TARGETS, samples=8)
    blank = infidelity(linear, three, 0 * gradient, TARGETS, samples=8)
    assert (found < 1e-6 * blank).all()
    assert (infidelity(linear, three, -3 * gradient, TARGETS, scaling="free") < 1e-6 * blank).all()


def test_the_share_is_of_what_there_is_to_foretell(model, three, maps):
    free, share = (
        infidelity(model, three, maps, TARGETS, samples=6, scaling=s) for s in ("free", "share")
    )
    nothing = infidelity(model, three, 0 * maps, TARGETS, samples=6)
    assert torch.allclose(share, free / nothing / (1 - 1 / 6), rtol=1e-4)
    assert torch.equal(
        infidelity(model, three, 0 * maps, TARGETS, samples=6, scaling="share"), torch.ones(3)
    )


def test_a_trained_networks_gradient_foretells_more_than_noise():
    trained = fer_xai.load_model("gimefive", weights="synthetic")
    faces = fer_xai.load_dataset("synthetic", limit=2)
    explanation = fer_xai.explain(trained, faces, method="saliency")
    noise = torch.randn(2, 64, 64, generator=torch.Generator().manual_seed(1))
    cache = ScoreCache(Predictor(trained, device="cpu"), faces.images)
    gradient, chance = (
        infidelity(
            cache, faces.images, one, explanation.targets, **METRICS["infidelity_scaled"].options
        )
        for one in (explanation.maps, noise)
    )
    assert (gradient < 0.95).all()
    assert gradient.mean() < 0.8
    assert chance.numpy() == pytest.approx(1, abs=0.06)


def test_a_map_that_foretells_nothing_has_one_on_average(model, three):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    source = torch.Generator().manual_seed(1)
    found = torch.stack(
        [
            infidelity(
                cache,
                three,
                torch.randn(3, 64, 64, generator=source),
                TARGETS,
                samples=5,
                scaling="share",
            )
            for _ in range(200)
        ]
    )
    assert found.mean().item() == pytest.approx(1, abs=0.03)


def test_a_blank_map_foretells_nothing(model, three):
    zero = torch.zeros(3, 64, 64)
    plain, free = (
        infidelity(model, three, zero, TARGETS, samples=5, scaling=s) for s in ("none", "free")
    )
    assert torch.equal(plain, free)
    assert (plain > 0).all()
    assert mu_fidelity(model, three, zero, TARGETS, samples=5).isnan().all()
    assert sensitivity_n(model, three, zero, TARGETS, samples=5).scores.isnan().all()
    assert sensitivity_n(model, three, zero + 1, TARGETS, samples=5).scores.isnan().all()


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_a_map_that_is_not_finite_foretells_nothing_known(model, three, maps, kind):
    maps[1, 3, 4] = torch.nan
    found = mu_fidelity(model, three, maps, TARGETS, samples=9, correlation=kind)
    assert found.isnan().tolist() == [False, True, False]
    assert infidelity(model, three, maps, TARGETS, samples=5, scaling="share").isnan()[1]


def test_maps_of_all_methods_share_the_passes(model, three, maps):
    cache = ScoreCache(Predictor(model, device="cpu"), three)
    for one in (maps, -maps, maps.abs()):
        infidelity(cache, three, one, TARGETS, samples=4)
        mu_fidelity(cache, three, one, TARGETS, samples=4)
        sensitivity_n(cache, three, one, TARGETS, shares=(0.1, 0.5), samples=4)
    assert cache.passes == 3 * (1 + 4 + 4 + 8)


BAD = {
    "one sample": (
        lambda model, three, maps: infidelity(model, three, maps, TARGETS, samples=1),
        "Expected samples as a whole number of 2 or more, got 1",
    ),
    "unknown scaling": (
        lambda model, three, maps: infidelity(model, three, maps, TARGETS, scaling="best"),
        "Expected scaling none, free, share, got 'best'",
    ),
}


@pytest.mark.parametrize(("asked", "match"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(asked, match, model, three, maps):
    with pytest.raises(InputError, match=match):
        asked(model, three, maps)
