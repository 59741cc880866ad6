import dataclasses

import pytest
import torch

from fer_xai.attributions.core.feature_maps import token_grid
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import MODELS, FERModel, calibrate_batchnorm, load_model, loading
from fer_xai.models.registry import architecture

PAPER = {  # reference/gimefive: recomputed from the published files
    "gimefive": 10_478_086,
    "gimefive-nobn": 10_474_118,
    "gimefive-nodropout": 10_478_086,
    "gimefive-se": 10_478_598,
    "gimefive-6blocks": 41_950_726,
    "gimefive-res": 95_051_014,
    "baseline4": 2_606_086,
    "vgg": 72_460_742,
    "resnet18": 11_179_590,
    "resnet34": 21_287_750,
}


@pytest.mark.parametrize("name", list(MODELS))
def test_parameter_counts_are_the_published_ones(name):
    with torch.device("meta"):
        net = architecture(name).build(6)
    count = sum(p.numel() for p in net.parameters())
    known = architecture(name).parameters or count  # a test's own model states none
    assert count == known == PAPER.get(name, count)


@pytest.mark.parametrize("name", ["gimefive-flatten", "gimefive-depth6", "cct"])
def test_variants_of_ours_give_logits_and_a_map(name):
    model = load_model(name)
    logits, maps = [], []
    model.layer(model.cam_layer).register_forward_hook(lambda *_: maps.append(_[-1]))
    logits = model(torch.rand(2, 3, 64, 64))
    assert logits.shape == (2, 6)
    shown = maps[0]
    if name == "cct":
        shown = token_grid(Predictor(model, device="cpu"), shown.shape[1]).maps(shown)
    assert shown.ndim == 4
    assert shown.shape[-1] == shown.shape[-2]


def test_depth_and_dropout_variants_differ_from_gimefive_in_one_thing():
    def rates(name):
        net = load_model(name).net
        return net.blocks, net.dropout1.p, net.dropout2.p

    assert rates("gimefive") == (5, 0.2, 0.5)
    assert rates("gimefive-noblockdropout") == (5, 0, 0.5)
    assert rates("gimefive-noheaddropout") == (5, 0.2, 0)
    assert rates("gimefive-nodropout") == (5, 0, 0)
    assert rates("gimefive-depth4") == (4, 0.2, 0.5)
    assert rates("gimefive-depth6") == (6, 0.2, 0.5)


def test_size_and_colour_can_be_chosen():
    model = load_model("gimefive", size=96, greyscale=False)
    assert (model.size, model.greyscale) == (96, False)
    red = torch.zeros(1, 3, 96, 96)
    red[:, 0] = 1
    assert not torch.allclose(model.preprocess(red)[:, 0], model.preprocess(red.flip(1))[:, 0])
    assert load_model("gimefive").greyscale


def test_gimefive_has_the_published_state_dict():
    keys = set(load_model("gimefive").net.state_dict())
    norms = {
        f"bn{i}.{k}"
        for i in range(1, 6)
        for k in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    }
    plain = {
        f"{m}.{k}"
        for m in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc1", "fc2", "fc3")
        for k in ("weight", "bias")
    }
    assert keys == norms | plain
    assert len(keys) == 41


@pytest.mark.parametrize("name", ["gimefive", "gimefive-se", "baseline4", "resnet18"])
def test_logits_and_layers(name):
    model = load_model(name)
    assert model(torch.rand(2, 3, 48, 48)).shape == (2, 6)
    model.layer(model.cam_layer)
    model.layer(model.paper_layer)


def test_last_map_of_gimefive_is_4_by_4():
    model, seen = load_model("gimefive"), []
    model.layer("relu5").register_forward_hook(lambda m, i, o: seen.append(o.shape))
    model(torch.rand(1, 3, 64, 64))
    assert seen == [(1, 1024, 4, 4)]


def test_initialisation_is_seeded_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one, same, other = (load_model("baseline4", seed=s) for s in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(one.net.fc3.weight, same.net.fc3.weight)
    assert not torch.equal(one.net.fc3.weight, other.net.fc3.weight)


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "convnext_tiny", "swin_t"])
def test_torchvision_by_name(name):
    model = load_model(f"torchvision/{name}")
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 6)
    model.layer(model.cam_layer)


def test_a_fresh_vit_has_gradients():
    model = load_model("torchvision/vit_b_16")
    assert model.net.heads.head.weight.abs().sum() > 0


def test_preprocessing_is_part_of_the_model():
    class Keep(torch.nn.Module):
        def forward(self, x):
            self.seen = x
            return x.mean(dim=(2, 3))[:, :2]

    net = Keep()
    model = FERModel(
        net, emotions=["happy", "sad"], size=8, greyscale=True, mean=(0.5,) * 3, std=(0.25,) * 3
    )
    colour = torch.tensor([0.8, 0.4, 0.2])[None, :, None, None].expand(1, 3, 16, 16)
    model(colour)
    luma = 0.299 * 0.8 + 0.587 * 0.4 + 0.114 * 0.2
    assert net.seen.shape == (1, 3, 8, 8)
    assert net.seen == pytest.approx(torch.full((1, 3, 8, 8), (luma - 0.5) / 0.25), abs=1e-5)


def test_grey_images_give_what_replicated_ones_give():
    model = load_model("baseline4")
    grey = torch.rand(2, 1, 64, 64).expand(2, 3, 64, 64)
    luma = (grey * model.luma).sum(1, keepdim=True).expand(2, 3, 64, 64)
    assert torch.allclose(model(grey), model(luma), atol=1e-6)


def test_columns_map_by_name():
    model = FERModel(torch.nn.Identity(), emotions="rafdb")
    assert model.columns(torch.tensor([0, 5])).tolist() == [3, 1]  # happiness, fear
    assert model.canonical(model.columns(torch.arange(7))).tolist() == list(range(7))
    with pytest.raises(InputError, match="got contempt: leave those faces out"):
        model.columns(torch.tensor([7]))
    with pytest.raises(InputError, match="Expected canonical emotion indices 0–7"):
        model.columns(torch.tensor([9]))


def test_wrong_outputs_and_layers_are_named():
    with pytest.raises(InputError, match="Expected a layer of net, got 'conv9': the last ones are"):
        FERModel(load_model("baseline4").net, emotions="gimefive", cam_layer="conv9", name="net")
    tuple_net = FERModel(torch.nn.Flatten(), emotions="gimefive", size=4)
    with pytest.raises(
        InputError,
        match=r"Expected as many outputs of model as emotions were named, got 48 outputs and 6",
    ):
        tuple_net(torch.rand(1, 3, 4, 4))
    with pytest.raises(UnknownNameError, match="did you mean gimefive"):
        load_model("gimfive")
    with pytest.raises(UnknownNameError, match="did you mean resnet18"):
        load_model("torchvision/resnet-18")
    with pytest.raises(InputError, match="Expected shipped weights of vgg"):
        load_model("vgg", weights="rafdb")
    with pytest.raises(UnknownNameError, match=r"got 'sinthetic': did you mean synthetic\?"):
        load_model("gimefive", weights="sinthetic")


def test_calibration_gives_batchnorm_the_faces_statistics(faces):
    model = load_model("baseline4")
    model.train()
    calibrate_batchnorm(model, faces, n=36, batch_size=36)
    assert all(module.training for module in model.modules())
    assert model.net.bn1.momentum == 0.1
    seen = []
    model.eval()
    model.net.bn1.register_forward_hook(lambda m, i, o: seen.append(i[0]))
    with torch.inference_mode():
        model(faces.images)
    assert torch.allclose(model.net.bn1.running_mean, seen[0].mean((0, 2, 3)), atol=1e-4)
    assert torch.allclose(model.net.bn1.running_var, seen[0].var((0, 2, 3)), rtol=1e-3)


def test_calibration_needs_faces(faces, model):
    with pytest.raises(InputError, match="Expected training faces to calibrate BatchNorm on"):
        calibrate_batchnorm(model, faces.subset([]))


def test_predictions_are_made_in_evaluation_mode_and_the_mode_is_kept(images):
    model = load_model("gimefive").train()
    one, two = model.predict(images), model.predict(images)
    assert torch.equal(one, two)
    assert model.net.dropout1.training


def test_a_network_that_returns_a_tuple_is_refused(images):
    class Pair(torch.nn.Module):
        def forward(self, x):
            return x.mean(dim=(2, 3)), x

    with pytest.raises(
        InputError, match="Expected 2 logits for each image from model, got .*tuple"
    ):
        FERModel(Pair(), emotions=["happy", "sad"])(images)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("std", (0.5, 0.0, 0.5), "Expected finite values above 0 in std"),
        ("std", (float("nan"),) * 3, "Expected finite values above 0 in std"),
        ("mean", (float("inf"), 0.0, 0.0), "Expected finite values in mean"),
    ],
)
def test_a_normalisation_that_gives_no_numbers_is_refused(name, values, expected):
    with pytest.raises(InputError, match=expected):
        FERModel(torch.nn.Identity(), emotions="rafdb", **{name: values})


@pytest.mark.parametrize(
    ("net", "options", "sentence"),
    [
        ("resnet18", {}, "Expected the network as a torch.nn.Module, got str: build it first"),
        (torch.nn.Flatten(), {"size": 0}, "Expected the side of the network's images in pixels"),
        (
            torch.nn.Flatten(),
            {"size": (64, 64)},
            "Expected the side of the network's images in pixels",
        ),
    ],
)
def test_what_cannot_be_wrapped_is_one_sentence(net, options, sentence):
    with pytest.raises(InputError, match=sentence):
        FERModel(net, emotions="fer2013", **options)


def test_weights_that_only_pytorch_can_draw_are_said_to_be_so():
    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.empty(6).exponential_())

    spec = dataclasses.replace(MODELS["baseline4"], build=lambda outputs: Odd())
    with pytest.warns(UserWarning, match="Some untrained weights of odd differ between machines"):
        loading._untrained(spec, "odd", 6, seed=0)
