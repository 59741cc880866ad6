import functools
from weakref import WeakKeyDictionary

import numpy as np
import pytest
import torch
from torch import nn

import fer_xai
from fer_xai.data.synthetic.dataset import synthetic_faces
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.models import FERModel
from fer_xai.norms import batchnorms, recalibrate
from fer_xai.probe import Probe
from metrics import random_networks
from metrics.complexity import histogram_entropy
from metrics.gate import Gate, moved_copies, randomisation_gate
from metrics.likeness import map_similarity
from metrics.random_networks import layers_of, randomised
from metrics.randomisation import emprt, model_contrast, mprt, random_logit
from metrics.spec import METRICS
from tests.attributions.nets import SMALL, build
from tests.conftest import TinyNet, tiny_model
from tests.reference.complexity_slow import histogram_entropy_slow
from tests.reference.randomisation_slow import moves_slow, mprt_slow, similarity_slow

TINY = ["net.fc", "net.bn2", "net.conv2", "net.bn1", "net.conv1"]


def gradient(model, images, targets, ids):
    """Signed, and quick."""
    del ids
    images = images.detach().requires_grad_()
    score = model(images).gather(1, model.columns(targets)[:, None]).sum()
    return torch.autograd.grad(score, images)[0].sum(dim=1)


def edges(model, images, targets, ids):
    """What an image shows, whatever the model."""
    del model, targets, ids
    across = images.diff(dim=-1, append=images[..., -1:]).abs()
    down = images.diff(dim=-2, append=images[..., -1:, :]).abs()
    return (across + down).sum(dim=1)


def centre(model, images, targets, ids):
    """A Gaussian on the centre."""
    del model, targets, ids
    height, width = images.shape[-2:]
    y, x = ((torch.arange(side) + 0.5) / side - 0.5 for side in (height, width))
    gauss = torch.exp(-(y[:, None] ** 2 + x[None] ** 2) / (2 * 0.25**2))
    return gauss.expand(len(images), -1, -1)


@pytest.fixture(scope="session")
def trained():
    """A tiny network after a few steps on built-in faces, six of them, and their targets."""
    faces = synthetic_faces(36, style="wild", split="test")
    model, images = tiny_model(), faces.images
    columns = model.columns(faces.labels)
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(12):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(images), columns).backward()
        optimiser.step()
    probe = Probe(model.eval(), device="cpu", batch_size=4)
    return probe, images[:6], faces.labels[:6]


@pytest.fixture
def case(trained):
    probe, images, targets = trained
    return probe, images, gradient(probe.model, images, targets, None), targets


def _jolted(model):
    """No parameter is what an initialisation would make it."""
    own = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.rand(parameter.shape, generator=own) + 0.01)
    return model


def _timm(name):
    timm = pytest.importorskip("timm")
    with torch.random.fork_rng(devices=[]):
        if name == "vit":
            net = timm.create_model(
                "vit_tiny_patch16_224", img_size=32, patch_size=16, depth=2, embed_dim=12,
                num_heads=2, num_classes=6, init_values=1e-5, reg_tokens=1,
            )  # fmt: skip
        else:
            net = timm.create_model(name, num_classes=6)
    return net


@pytest.mark.parametrize("name", ["tiny", "gimefive", *SMALL, "timm vit", "timm levit_128s"])
def test_no_trained_parameter_survives(name):
    if name == "tiny":
        model = tiny_model()
    elif name.startswith("timm "):
        model = _timm(name.removeprefix("timm "))
    else:
        model = build(name)
    model = _jolted(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fresh = randomised(model, seed=0, batchnorm="keep")
    for key, value in fresh.named_parameters():
        same = (value == before[key]).double().mean()
        assert value.isfinite().all(), key
        assert same < 0.05, key
    parameters = dict(model.named_parameters())
    for key, value in fresh.state_dict().items():
        if key not in parameters:
            assert torch.equal(value, before[key]), key
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_bare_parameters_have_the_trained_moments_and_scalars_move():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(3 + 0.5 * torch.randn(40, 50))
            self.alpha = nn.Parameter(torch.tensor(0.7))
            self.gamma = nn.Parameter(torch.full((400,), 2.0))
            self.never = nn.Parameter(torch.zeros(3))
            self.attention = nn.MultiheadAttention(8, 2)

    net = Net()
    fresh = randomised(net, seed=0)
    assert fresh.token.mean().item() == pytest.approx(3, abs=0.05)
    assert fresh.token.std().item() == pytest.approx(0.5, abs=0.05)
    assert (
        abs(np.corrcoef(fresh.token.detach().flatten(), net.token.detach().flatten())[0, 1]) < 0.1
    )
    assert fresh.alpha != net.alpha
    assert fresh.gamma.std().item() == pytest.approx(2, abs=0.3)
    assert fresh.never.tolist() == [0, 0, 0]  # it never held anything
    weight = net.attention.in_proj_weight
    assert not (fresh.attention.in_proj_weight == weight).any()
    assert fresh.attention.in_proj_weight.std().item() == pytest.approx(
        weight.std().item(), rel=0.3
    )
    assert fresh.token.requires_grad


def test_global_randomness_modes_and_hooks_are_left_as_found(model):
    model.train()
    model.net.fc.eval()
    modes = [module.training for module in model.modules()]
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    fresh = randomised(model, seed=0, images=images)
    assert torch.equal(torch.rand(2), expected)
    assert [module.training for module in model.modules()] == modes
    assert [module.training for module in fresh.modules()] == modes
    layers_of(model, images)
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_pre_hooks for module in model.modules())
    again, other = (randomised(model, seed=seed, images=images) for seed in (0, 1))
    assert torch.equal(fresh.net.conv1.weight, again.net.conv1.weight)
    assert not torch.equal(fresh.net.conv1.weight, other.net.conv1.weight)


def test_a_copy_made_in_inference_mode_has_gradients(trained):
    probe, images, targets = trained
    with torch.inference_mode():
        fresh = randomised(probe.model, seed=0, images=images)
    assert gradient(fresh, images, targets, None).isfinite().all()


def test_a_layer_is_drawn_alike_whichever_others_are(model):
    whole = dict(randomised(model, seed=0, batchnorm="keep").named_parameters())
    part = dict(
        randomised(model, seed=0, layers=["net.conv2"], batchnorm="keep").named_parameters()
    )
    for key, value in model.named_parameters():
        expected = whole[key] if key.startswith("net.conv2.") else value
        assert torch.equal(part[key], expected)


def test_running_statistics_follow_the_policy(model, images):
    def statistics(network):
        return {name: norm.running_var.clone() for name, norm in batchnorms(network).items()}

    before = statistics(model)
    kept = statistics(randomised(model, seed=0, batchnorm="keep"))
    assert all(torch.equal(kept[name], before[name]) for name in before)
    reset = statistics(randomised(model, seed=0, batchnorm="reset"))
    assert all((reset[name] == 1).all() for name in before)
    some = statistics(randomised(model, seed=0, batchnorm="reset", layers=["net.bn2"]))
    assert torch.equal(some["net.bn1"], before["net.bn1"])
    assert (some["net.bn2"] == 1).all()
    fresh = randomised(model, seed=0, images=images)
    seen = []
    fresh.net.bn2.register_forward_hook(lambda m, i, o: seen.append(o))
    with torch.inference_mode():
        fresh(images)
    assert seen[0].mean((0, 2, 3)).abs().max() < 1e-4
    assert (seen[0].var((0, 2, 3)) - 1).abs().max() < 0.05
    above = statistics(randomised(model, seed=0, images=images, layers=["net.conv2"]))
    assert torch.equal(above["net.bn1"], before["net.bn1"])  # nothing before it has changed
    assert not torch.equal(above["net.bn2"], before["net.bn2"])


def test_statistics_are_taken_once_of_the_same_network_and_images(model, images, monkeypatch):
    taken = []

    def counted(*given, **options):
        taken.append(1)
        recalibrate(*given, **options)

    def drawn(**options):
        made = randomised(model, images=images, **{"seed": 0} | options)
        return len(taken), {key: value.clone() for key, value in made.state_dict().items()}

    monkeypatch.setattr(random_networks, "recalibrate", counted)
    first, again = drawn()[1], drawn()[1]
    assert len(taken) == 1
    assert all(torch.equal(first[key], again[key]) for key in first)
    monkeypatch.setattr(random_networks, "_RECALIBRATED", WeakKeyDictionary())
    anew = drawn()[1]
    assert len(taken) == 2
    assert all(torch.equal(first[key], anew[key]) for key in first)
    assert drawn(seed=1)[0] == 3
    assert drawn(layers=["net.fc", "net.conv2"])[0] == 4
    with torch.no_grad():
        model.net.conv1.weight.data[0] += 1  # no step of PyTorch's version counters
    assert drawn(layers=["net.fc", "net.conv2"])[0] == 5
    images[0, 0, 0, 0] += 0.01
    assert drawn()[0] == 6
    monkeypatch.setattr(random_networks, "_KEPT", len(random_networks._RECALIBRATED[model]))
    assert drawn(seed=2)[0] == 7
    assert len(random_networks._RECALIBRATED[model]) == random_networks._KEPT


def test_layers_come_in_the_order_of_a_pass():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(8, 2)
            self.body = nn.MultiheadAttention(8, 2, batch_first=True)
            self.stem = nn.Linear(4, 8)

        def forward(self, x):
            x = self.stem(x.mean(dim=1))  # (B, 4, 8)
            return self.head(self.body(x, x, x)[0].mean(dim=1))

    names = layers_of(Backwards(), torch.rand(1, 3, 4, 4))
    assert names == ["stem", "body", "body.out_proj", "head"]
    vit = layers_of(build("vit"), torch.rand(1, 3, 64, 64))
    assert vit[0] == "net"  # the class token
    assert vit[-1] == "net.heads.head"
    assert vit.index("net.encoder") < vit.index("net.encoder.layers.encoder_layer_0.ln_1")


@pytest.mark.parametrize("kind", ["spearman", "pearson", "ssim"])
def test_similarity_is_the_slow_one(kind):
    one, other = torch.randn(2, 3, 9, 11, generator=torch.Generator().manual_seed(0))
    other[1] = (one[1] + 0.3 * other[1]).mul(4).round()  # signed, with ties
    found = map_similarity(one, other, similarity=kind)
    slow = [similarity_slow(a.numpy(), b.numpy(), kind) for a, b in zip(one, other, strict=True)]
    assert found.tolist() == pytest.approx(slow, abs=1e-3)
    assert torch.equal(found, model_contrast(one, other, similarity=kind))
    assert map_similarity(one, one, similarity=kind).tolist() == pytest.approx([1, 1, 1])
    assert map_similarity(one, -one, similarity=kind).max() < 0.2  # signed maps stay signed
    flat = map_similarity(one, -one, similarity=kind, absolute=True)
    assert flat.tolist() == pytest.approx([1, 1, 1])
    one[0], other[1], other[2, 0, 0] = 0, 0, torch.nan
    assert map_similarity(one, other, similarity=kind).isnan().all()
    assert map_similarity(0 * one, 0 * one, similarity=kind).isnan().all()


@pytest.mark.parametrize("order", ["cascading", "bottom_up", "independent"])
@pytest.mark.parametrize("kind", ["spearman", "ssim"])
def test_mprt_is_the_slow_version(case, order, kind):
    probe, images, maps, targets = case
    found = mprt(
        probe, images, maps, targets, gradient, order=order, similarity=kind, batchnorm="keep"
    )
    assert list(found.layers) == (TINY[::-1] if order == "bottom_up" else TINY)
    random = randomised(probe.model, seed=0, batchnorm="keep")
    for face in range(2):

        def one(network, image, face=face):
            return gradient(network, image[None], targets[face : face + 1], None)[0].numpy()

        slow = functools.partial(mprt_slow, (probe.model, random), images[face], one, kind=kind)
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
    probe, images, maps, targets = case
    every = mprt(probe, images, maps, targets, gradient, batchnorm="keep")
    two = mprt(probe, images, maps, targets, gradient, batchnorm="keep", layers=2)
    assert two.layers == ("net.bn2", "net.conv1")
    assert torch.allclose(two.similarity, every.similarity[:, [1, 4]], atol=1e-6)
    one = mprt(probe, images, maps, targets, gradient, batchnorm="keep", layers=1)
    assert torch.allclose(one.mean, every.last, atol=1e-6)


def test_batch_size_order_and_neighbours_do_not_matter(model, images):
    """With images to calibrate on; else the faces at hand are those."""
    targets, ids = torch.tensor([0, 5, 2]), ["a", "b", "c"]
    calibration, faces = images[3:], images[:3]
    maps = gradient(model, faces, targets, None)
    whole = Probe(model, device="cpu", batch_size=64)
    single = Probe(model, device="cpu", batch_size=1)
    order = torch.tensor([2, 0])
    reading = {
        mprt: lambda found: found.similarity,
        functools.partial(mprt, smooth=3): lambda found: found.similarity,
        emprt: lambda found: found,
        functools.partial(randomisation_gate, draws=3): lambda found: found.null.flatten(1),
    }
    for metric, read in reading.items():
        one = read(metric(whole, faces, maps, targets, gradient, ids=ids, calibration=calibration))
        two = read(
            metric(single, faces[order], maps[order], targets[order], gradient, ids=["c", "a"],
                   calibration=calibration)
        )  # fmt: skip
        assert torch.allclose(two, one[order], atol=2e-3)
    one = random_logit(whole, faces, maps, targets, gradient, ids=ids)
    two = random_logit(single, faces[order], maps[order], targets[order], gradient, ids=["c", "a"])
    assert torch.allclose(two, one[order], atol=1e-4)


def test_undefined_maps_are_nan_and_counted(case):
    probe, images, maps, targets = case
    maps = maps.clone()
    maps[0] = 0

    def sometimes(model, images, targets, ids):
        found = gradient(model, images, targets, ids)
        if torch.equal(model.net.conv2.weight, probe.model.net.conv2.weight):
            return found
        return torch.where(torch.tensor([name == "1" for name in ids])[:, None, None], 0.0, found)

    found = mprt(probe, images, maps, targets, sometimes)
    assert found.undefined.tolist() == [5, 3, 0, 0, 0, 0]
    assert found.mean.isnan().tolist() == [True] + [False] * 5
    assert found.mean[1] == pytest.approx(found.similarity[1, :2].mean().item())
    assert emprt(probe, images, maps, targets, sometimes)[:2].isnan().all()
    assert (
        random_logit(probe, images, maps, targets, gradient).isnan().tolist()
        == [True] + [False] * 5
    )
    gate = randomisation_gate(probe, images, maps, targets, sometimes, draws=2)
    assert gate.blank == 2
    assert gate.undefined == 20
    assert np.isfinite(gate.mean)


def test_smooth_mprt_is_that_of_mean_maps(case):
    probe, images, maps, targets = case
    asked = []

    def explain(model, pixels, targets, ids):
        asked.append(len(pixels))
        assert pixels.min() >= 0
        assert pixels.max() <= 1
        return gradient(model, pixels, targets, ids)

    found = mprt(probe, images, maps, targets, explain, smooth=4, layers=1)
    assert asked == [4] * 12  # six faces, four copies, two networks, four at once
    still = mprt(probe, images, maps, targets, gradient, smooth=3, noise=0, layers=1)
    plain = mprt(probe, images, maps, targets, gradient, layers=1)
    assert torch.allclose(still.similarity, plain.similarity, atol=1e-3)
    assert not torch.allclose(found.similarity, plain.similarity, atol=1e-3)
    again = mprt(probe, images, 0 * maps, targets, gradient, smooth=4, layers=1)
    assert torch.equal(found.similarity, again.similarity)  # the trained map is made anew


def test_emprt_is_the_relative_rise_of_entropy(case):
    probe, images, maps, targets = case
    found = emprt(probe, images, maps, targets, gradient, bins=20)
    random = randomised(probe.model, seed=0, images=images)
    after = gradient(random, images, targets, None)
    for face in range(6):
        low, high = (histogram_entropy_slow(m[face].numpy(), 20) for m in (maps, after))
        assert found[face].item() == pytest.approx((high - low) / low, abs=2e-3)
    assert emprt(probe, images, edges(None, images, None, None), targets, edges).tolist() == [0] * 6
    assert histogram_entropy(maps).min() > 0


def test_random_logit_is_held_against_another_emotion_the_model_has(case):
    probe, images, maps, targets = case
    asked = []

    def explain(model, images, targets, ids):
        asked.extend(targets.tolist())
        return gradient(model, images, targets, ids)

    found = random_logit(probe, images, maps, targets, explain)
    own = set(probe.model.canonical(torch.arange(6)).tolist())
    assert all(other in own for other in asked)
    assert all(other != target for other, target in zip(asked, targets.tolist(), strict=True))
    others = gradient(probe.model, images, torch.tensor(asked), None)
    slow = [
        similarity_slow(a.numpy(), b.numpy(), "ssim") for a, b in zip(maps, others, strict=True)
    ]
    assert found.tolist() == pytest.approx(slow, abs=1e-4)
    assert random_logit(
        probe, images, edges(None, images, None, None), targets, edges
    ).tolist() == pytest.approx([1] * 6)


@pytest.mark.parametrize("classes", [7, 8])
def test_as_many_emotions_as_the_model_has(classes, images):
    model = FERModel(TinyNet(classes), emotions=EMOTIONS[:classes], size=64).eval()
    targets = torch.tensor([classes - 1] * 5)
    small = torch.nn.functional.interpolate(images, size=50)
    maps = gradient(model, small, targets, None)
    seen = set()

    def explain(model, images, targets, ids):
        seen.update(targets.tolist())
        return gradient(model, images, targets, ids)

    for seed in range(8):
        assert random_logit(model, small, maps, targets, explain, seed=seed).isfinite().all()
    assert len(seen) > 4
    assert max(seen) < classes - 1
    assert mprt(model, small, maps, targets, gradient, layers=2).similarity.isfinite().all()


@pytest.mark.parametrize("explain", [edges, centre], ids=["edges", "centre"])
@pytest.mark.parametrize("kind", ["spearman", "ssim"])
def test_the_gate_stops_what_ignores_the_model(trained, explain, kind):
    probe, images, targets = trained
    maps = explain(probe.model, images, targets, None)
    gate = randomisation_gate(probe, images, maps, targets, explain, similarity=kind, draws=5)
    assert not gate.passed
    assert gate.mean == pytest.approx(1)
    assert gate.threshold < 0.9
    assert gate.share_above == 1


def test_the_gate_lets_pass_what_depends_on_the_model_and_noise(case):
    probe, images, maps, targets = case
    gate = randomisation_gate(probe, images, maps, targets, gradient)
    assert gate.passed
    assert gate.share_above == 0
    assert gate.similarity.shape == (6, 10)
    assert gate.null.shape == (6, 10, 20)
    own = torch.Generator().manual_seed(0)
    noise = randomisation_gate(
        probe, images, torch.rand(6, 64, 64, generator=own), targets,
        lambda m, i, t, d: torch.rand(len(i), 64, 64, generator=own),
    )  # fmt: skip
    assert noise.passed


def test_beside_the_verdict_stands_whether_the_mean_exceeds_means_of_the_null():
    """What lies above chance by little passes, since single pairs spread wider than their mean."""
    null = torch.randn(8, 10, 20, generator=torch.Generator().manual_seed(0))
    found = Gate(similarity=torch.full((8, 10), 0.8), null=null)
    means = null.mean(dim=(0, 1))
    assert found.passed
    assert found.null_mean == pytest.approx(null.mean().item())
    assert found.excess == pytest.approx(0.8 - null.mean().item())
    assert found.p == 1 / 21
    chance = Gate(similarity=null[:, :, 0], null=null)
    assert chance.p == (1 + (means >= means[0]).sum().item()) / 21
    gaps = null.clone()
    gaps[0], gaps[1, :5] = torch.nan, torch.nan
    some = Gate(similarity=gaps[:, :, 0], null=gaps)
    by_face = gaps[1:].nanmean(dim=1).mean(dim=0)
    assert some.p == (1 + (by_face >= by_face[0]).sum().item()) / 21
    assert some.excess == pytest.approx((by_face[0] - by_face.mean()).item(), abs=1e-6)


def test_noise_that_is_the_same_for_every_network_does_not_pass(trained):
    probe, images, targets = trained

    def explain(model, images, targets, ids):
        rows = [torch.rand(64, 64, generator=torch.Generator().manual_seed(int(i))) for i in ids]
        return torch.stack(rows)

    maps = explain(None, images, targets, [str(i) for i in range(6)])
    assert not randomisation_gate(probe, images, maps, targets, explain, draws=5).passed


def test_uniform_maps_say_nothing_and_do_not_pass(trained):
    probe, images, targets = trained
    gate = randomisation_gate(
        probe, images, torch.ones(6, 64, 64), targets, lambda m, i, t, d: torch.ones(len(i), 64, 64)
    )
    assert not gate.passed
    assert gate.blank == 6
    assert np.isnan([gate.threshold, gate.share_above, gate.excess, gate.p]).all()


def test_the_null_is_of_moved_and_mirrored_maps():
    maps = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))
    names = [("a",), ("b",)]
    copies = torch.stack(list(moved_copies(maps, names, draws=400)), dim=1)  # (2, D, 6, 5)
    for one, moved in zip(maps, copies, strict=True):
        allowed = {each.tobytes() for each in moves_slow(one.numpy())}
        drawn = {each.numpy().tobytes() for each in moved}
        assert drawn <= allowed
        assert len(drawn) > 0.8 * len(allowed)
    alone = torch.stack(list(moved_copies(maps[1:], names[1:], draws=400)), dim=1)
    assert torch.equal(alone[0], copies[1])


def test_no_faces_have_no_scores(trained):
    probe, _, targets = trained
    images, maps, none = torch.zeros(0, 3, 64, 64), torch.zeros(0, 64, 64), targets[:0]
    for found in (
        mprt(probe, images, maps, none, gradient).last,
        mprt(probe, images, maps, none, gradient, smooth=2).mean,
        emprt(probe, images, maps, none, gradient),
        random_logit(probe, images, maps, none, gradient),
    ):
        assert found.shape == (0,)
    gate = randomisation_gate(probe, images, maps, none, gradient)
    assert not gate.passed
    assert np.isnan(gate.p)


def test_explain_of_the_package_is_adapted_in_two_lines(trained):
    probe, images, targets = trained
    probe_of = functools.lru_cache(maxsize=1)(functools.partial(Probe, device="cpu"))

    def explain(model, images, targets, ids):
        return fer_xai.explain(probe_of(model), images, targets=targets, ids=ids).maps

    maps = explain(probe.model, images, targets, [str(i) for i in range(6)])
    found = mprt(probe, images, maps, targets, explain)
    assert found.similarity.shape == (6, 5)
    assert found.similarity.isfinite().any()
    assert (found.similarity[:, 0] < 0.9999).any()  # the new network, not the last one


def test_specs_are_called_by_what_they_need(case):
    probe, images, maps, targets = case
    given = {
        "model": probe,
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
    probe, images, maps, targets = case
    with pytest.raises(InputError, match="Expected order cascading, independent, bottom_up"):
        mprt(probe, images, maps, targets, gradient, order="down")
    with pytest.raises(InputError, match="Expected similarity spearman, pearson, ssim, got 'mse'"):
        mprt(probe, images, maps, targets, gradient, similarity="mse")
    with pytest.raises(InputError, match="Expected layers as a whole number of 1 or more, got 0"):
        mprt(probe, images, maps, targets, gradient, layers=0)
    with pytest.raises(InputError, match=r"Expected maps \(6, 64, 64\) to fit the images"):
        mprt(probe, images, maps[:, :32], targets, gradient)
    with pytest.raises(InputError, match="Expected 6 targets, one an image, got 2"):
        emprt(probe, images, maps, targets[:2], gradient)
    with pytest.raises(InputError, match="Expected at least two images to recalibrate .* got 1"):
        mprt(probe, images[:1], maps[:1], targets[:1], gradient)
    with pytest.raises(InputError, match="Expected networks as a whole number of 10 or more"):
        randomisation_gate(probe, images, maps, targets, gradient, networks=9)
    with pytest.raises(
        InputError, match="Expected names of the model's modules as layers, got top"
    ):
        randomised(probe.model, seed=0, layers=["top"])
    with pytest.raises(InputError, match="Expected batchnorm recalibrate, keep, reset"):
        randomised(probe.model, seed=0, batchnorm="fold")
    with pytest.raises(InputError, match="Expected two stacks of maps"):
        map_similarity(maps, maps[:2])
