import copy
import gc
import warnings
import weakref
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from fer_xai.attributions import explain
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference import measuring
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel, load_model
from metrics.randomisation.random_networks import randomised
from tests.helpers import tiny_model


@pytest.mark.parametrize("name", ["gimefive", "gimefive-se", "vgg", "resnet18", "baseline4"])
def test_folding_agrees_with_the_plain_model(name, faces):
    model = load_model(name)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.2, generator=torch.Generator().manual_seed(0))
                module.running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(1))
    predictor = Predictor(model, device="cpu", batch_size=8)
    assert predictor.settings()["batchnorm_folded"]
    plain = model(faces.images[:8]).detach()
    assert torch.allclose(
        predictor.logits(faces.images[:8]), plain, atol=1e-5 * float(plain.abs().max()) + 1e-6
    )


def test_the_model_is_left_as_it_was(model, images):
    model.train()
    hooked = []
    model.layer("relu2").register_forward_hook(lambda *a: hooked.append(1))
    before = copy.deepcopy(model.state_dict())
    Predictor(model, device="cpu", batch_size=2).logits(images)
    assert model.training
    assert not hooked
    assert all(p.requires_grad for p in model.parameters())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_batch_size_does_not_matter(model, images):
    whole = Predictor(model, device="cpu", batch_size=64).logits(images)
    for size in (1, 2, 5):
        assert torch.allclose(
            Predictor(model, device="cpu", batch_size=size).logits(images), whole, atol=1e-6
        )


def test_uint8_and_faces_give_the_same(model, faces):
    predictor = Predictor(model, device="cpu", batch_size=16)
    assert torch.equal(predictor.logits(faces), predictor.logits(faces.pixels(64)))
    assert torch.allclose(predictor.logits(faces), predictor.logits(faces.images), atol=1e-6)


def test_untraceable_networks_are_run_unfolded(images):
    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)

        def forward(self, x):
            y = self.bn(self.conv(x)).mean(dim=(2, 3))
            return y if y.sum() > 0 else -y

    model = FERModel(Branch(), emotions="gimefive").eval()
    predictor = Predictor(model, device="cpu", batch_size=4)
    assert not predictor.settings()["batchnorm_folded"]
    assert torch.allclose(predictor.logits(images[:4]), model(images[:4]).detach(), atol=1e-6)


def test_batch_size_is_measured_once_and_reported(model):
    predictor = Predictor(model, device="cpu")
    assert predictor.batch_size == predictor.batch_size == predictor.settings()["batch_size"]


def test_few_images_are_not_worth_the_measurement(model, images, monkeypatch):
    monkeypatch.setattr(Predictor, "_measure", lambda _: pytest.fail("measured"))
    assert Predictor(model, device="cpu").logits(images).shape == (5, 6)


def test_progress_counts_images(model, images):
    done = []
    Predictor(model, device="cpu", batch_size=2).logits(images, progress=done.append)
    assert done == [2, 2, 1]


def test_bf16_stays_close(model, images):
    exact = Predictor(model, device="cpu", batch_size=5).logits(images)
    half = Predictor(model, device="cpu", batch_size=5, precision="bf16").logits(images)
    assert half.dtype == torch.float32
    assert torch.allclose(exact, half, atol=0.05)


@pytest.mark.parametrize("norm", [nn.utils.spectral_norm, nn.utils.weight_norm, "prune"])
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_weights_that_a_hook_makes_are_refused(model, norm):
    """No copy has them before a pass, and no draw of parameters would reach them."""
    if norm == "prune":
        nn.utils.prune.l1_unstructured(model.net.fc, "weight", amount=0.5)
    else:
        norm(model.net.fc)
    with pytest.raises(InputError, match=r"but net.fc has its made by a hook .*prune.remove"):
        Predictor(model, device="cpu")


def test_weights_that_are_made_by_parametrizations_are_drawn_anew(images):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(6))
    model = FERModel(net, emotions=SIX, size=64)
    model(images)
    nn.utils.parametrizations.spectral_norm(net[0])
    before = Predictor(model, device="cpu")
    assert torch.allclose(before.logits(images), model.eval()(images), atol=1e-5)
    fresh = randomised(before.model, seed=0)
    assert not torch.allclose(fresh.net[0].weight, before.model.net[0].weight, atol=1e-2)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (nn.Softmax(dim=1), r"Expected logits from it, got probabilities \(each image's sum to 1"),
        (nn.Linear(6, 6), "Expected finite logits from it, got NaN or infinity"),
        (nn.Linear(7, 6), r"Expected it to take images \(B, 3, 8, 8\), but it failed on them"),
    ],
)
def test_networks_that_cannot_be_scored_are_refused(layer, said):
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 6), layer)
    if isinstance(layer, nn.Linear):
        nn.init.constant_(layer.weight, torch.nan)
    with pytest.raises(InputError, match=said):
        Predictor(FERModel(net, emotions=SIX, size=8, name="it"), device="cpu")


@pytest.mark.parametrize("given", ["gimefive", nn.Linear(3, 6)])
def test_what_is_not_wrapped_is_refused(given):
    with pytest.raises(InputError, match=f"Expected a FERModel, got {type(given).__name__}: load"):
        Predictor(given, device="cpu")


def test_a_cpu_that_emulates_bf16_is_told_of(model, monkeypatch):
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX2")
    with pytest.warns(UserWarning, match="no instructions for bf16"):
        Predictor(model, device="cpu", precision="bf16")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        Predictor(model, device="cpu")
    assert not told


def test_bad_options(model, images):
    with pytest.raises(InputError, match="Expected precision fp32 or bf16, got 'fp8'"):
        Predictor(model, device="cpu", precision="fp8")
    with pytest.raises(InputError, match="Expected a positive batch size, got 0"):
        Predictor(model, device="cpu", batch_size=0)
    with pytest.raises(InputError, match="Expected a device such as"):
        Predictor(model, device="abacus")
    predictor = Predictor(model, device="cpu", batch_size=4)
    with pytest.raises(InputError, match=r"Expected images in \[0, 1\], got values in"):
        predictor.logits(images * 255)
    with pytest.raises(InputError, match="Expected finite images"):
        predictor.logits(images * float("nan"))
    with pytest.raises(InputError, match=r"Expected images \(B, 3, H, W\)"):
        predictor.logits(images[0])


def test_compiling_changes_no_logit_and_sees_changed_weights(model, images):
    predictor = Predictor(model, device="cpu", batch_size=4, compile=True)
    plain = Predictor(model, device="cpu", batch_size=4)
    assert torch.allclose(
        predictor.logits(images), plain.logits(images), atol=1e-5
    )  # 4 and 1 faces
    assert predictor.settings()["compiled"]
    small = images[:, :, :32, :32]
    assert torch.allclose(predictor.logits(small), plain.logits(small), atol=1e-5)
    with torch.no_grad():
        for one in (predictor, plain):
            for parameter in one.fastest.parameters():
                parameter.mul_(1.5)
    assert torch.allclose(predictor.logits(images), plain.logits(images), atol=1e-4)
    assert not torch.allclose(predictor.logits(images), model(images), atol=1e-2)


def test_what_cannot_be_compiled_runs_plainly(model, images, monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", broken)
    predictor = Predictor(model, device="cpu", batch_size=4, compile=True)
    plain = Predictor(model, device="cpu", batch_size=4).logits(images)
    assert torch.equal(predictor.logits(images), plain)
    assert not predictor.settings()["compiled"]


def test_its_networks_go_with_it_and_wait_for_no_garbage_collector(images):
    """A gate draws ten networks a method: in circles they would stay, gigabytes, until a search."""
    predictor = Predictor(tiny_model(), device="cpu", batch_size=2)
    explain(predictor, images, method="gradcam")
    gone = [weakref.ref(net) for net in (predictor.model, predictor.folded.net)]
    gc.disable()
    try:
        del predictor
        assert [net() for net in gone] == [None, None]
    finally:
        gc.enable()


def test_the_batch_size_of_most_images_a_second_is_taken(monkeypatch):
    clock, seconds = [0.0], {8: 8.0, 16: 12.0, 32: 20.0, 64: 64.0}
    monkeypatch.setitem(measuring._CANDIDATES, "cpu", tuple(seconds))
    monkeypatch.setattr(measuring, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def net(images):
        clock[0] += seconds[len(images)]
        return images

    used = Predictor(tiny_model(), device="cpu")
    monkeypatch.setattr(Predictor, "fastest", property(lambda _: net))
    assert used.batch_size == 32
