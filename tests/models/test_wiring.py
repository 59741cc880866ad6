"""What a FERModel is told of its network: how to feed it, and how to read its answers."""

from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fer_xai.emotions import SEVEN
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from studies.engine.digests import model_digest

TWO = ["sad", "happy"]


class Seen(nn.Module):
    """Keeps what it is fed, and answers with means of channels."""

    def forward(self, x):
        self.seen = x
        return x.mean(dim=(2, 3))[:, :1].repeat(1, 2)


class Answer(nn.Module):
    """Answers with what a function makes of logits."""

    def __init__(self, make):
        super().__init__()
        self.linear, self.make = nn.Linear(12, 3), make

    def forward(self, x):
        return self.make(self.linear(x.flatten(1)))


def fed(images, **options):
    net = Seen()
    FERModel(net, emotions=TWO, **options)(images)
    return net.seen


@pytest.fixture
def pixels():
    return torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))


def test_one_channel_is_the_luma(pixels):
    found = fed(pixels, size=40, channels=1, normalisation="none")
    luma = (pixels * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    assert torch.allclose(found, luma)
    three = fed(pixels, size=40, greyscale=True, normalisation="none")
    assert torch.allclose(three, luma.expand(2, 3, 40, 40))


def test_bgr_swaps_before_the_normalisation(pixels):
    mean, std = (0.1, 0.2, 0.3), (1.0, 2.0, 4.0)
    found = fed(pixels, size=40, colour_order="bgr", mean=mean, std=std)
    blue, green, red = pixels[:, 2], pixels[:, 1], pixels[:, 0]
    expected = torch.stack([blue - 0.1, (green - 0.2) / 2, (red - 0.3) / 4], dim=1)
    assert torch.allclose(found, expected)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("half", -1, 1), ("raw", 0, 255), ("none", 0, 1), ("imagenet", -2.1179, 2.6400)],
)
def test_named_normalisations_have_their_ranges(name, low, high):
    ends = torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)])
    found = fed(ends, size=4, normalisation=name)
    assert float(found.min()) == pytest.approx(low, abs=1e-3)
    assert float(found.max()) == pytest.approx(high, abs=1e-3)


def test_a_name_is_its_numbers_and_one_number_counts_for_all_channels(pixels):
    by_name = fed(pixels, normalisation="half")
    assert torch.equal(by_name, fed(pixels, mean=0.5, std=0.5))
    assert torch.equal(by_name, fed(pixels, normalisation="half", mean=(0.5,) * 3, std=0.5))
    one = FERModel(Seen(), emotions=TWO, channels=1, mean=(0.5,), std=0.25)
    assert one.wiring["mean"] == (0.5,)
    assert FERModel(Seen(), emotions=TWO, channels=1).wiring["mean"] == (0.449,)


@pytest.mark.parametrize("resize", ["bilinear", "bicubic", "area", "nearest"])
@pytest.mark.parametrize("crop", [0.1, -0.1, 0.0])
def test_crops_and_resizes_are_differentiable_and_keep_the_range(pixels, resize, crop):
    net = Seen()
    model = FERModel(net, emotions=TWO, size=24, crop=crop, resize=resize, normalisation="none")
    leaf = pixels.clone().requires_grad_()
    model(leaf).sum().backward()
    assert net.seen.shape == (2, 3, 24, 24)
    low, high = torch.aminmax(net.seen.detach())
    assert 0 <= low <= high <= 1
    cut = leaf.grad.abs().sum(dim=(0, 1))
    assert bool((cut[:4] == 0).all()) == (crop > 0)
    assert torch.isfinite(leaf.grad).all()


def test_a_crop_is_what_slicing_gives_and_a_margin_repeats_the_border(pixels):
    options = {"size": 40, "normalisation": "none"}
    expected = fed(pixels[:, :, 4:36, 4:36], **options)
    assert torch.equal(fed(pixels, crop=0.1, **options), expected)
    wider = F.pad(pixels, (4, 4, 4, 4), mode="replicate")
    assert torch.equal(fed(pixels, crop=-0.1, **options), fed(wider, **options))


Named = namedtuple("Named", "features logits")


@pytest.mark.parametrize(
    ("make", "outputs"),
    [
        (lambda x: (x, x[:, :1]), "0"),
        (lambda x: (x, x[:, :1]), 0),
        (lambda x: [x[:, :1], x], -1),
        (lambda x: {"expression": x, "valence": x[:, 0]}, "expression"),
        (lambda x: {0: x}, "0"),
        (lambda x: Named(x[:, :1], x), "logits"),
        (lambda x: SimpleNamespace(logits=x), "logits"),
        (lambda x: {"heads": [x[:, :1], x]}, "heads.1"),
        (lambda x: (x[:, :1], [x]), lambda answer: answer[1][0]),
        (lambda x: (x, 2 * x), {"0": 0.5, "1": 0.25}),
    ],
)
def test_the_part_that_holds_the_logits_is_named(make, outputs):
    net = Answer(make)
    model = FERModel(net, emotions=["sad", "happy", "fear"], size=2, outputs=outputs)
    images = torch.rand(4, 3, 2, 2)
    assert torch.allclose(model(images), net.linear(model.preprocess(images).flatten(1)))
    assert Predictor(model, device="cpu").logits(images).shape == (4, 3)


@pytest.mark.parametrize(
    ("make", "outputs", "sentence"),
    [
        (lambda x: (x, x), None, r'got a tuple \(tensor \(4, 3\), .*: .* outputs=one of "0", "1"'),
        (lambda x: {"a": x}, None, 'a dict with a: name the part that holds them as outputs="a"'),
        (lambda x: (x, x), "2", r"Expected a part '2' in the answer .*: choose outputs from 0, 1"),
        (lambda x: x, "0", "Expected a part '0' .* got shape .*: leave outputs out"),
        (lambda x: {"a": x}, "b", "Expected a part 'b' .* choose outputs from a"),
        (lambda x: (x, "no"), {"0": 1, "1": 1}, "Expected tensors to add up"),
        (lambda x: x[0], None, "Expected 3 logits for each image from model, got shape"),
        (lambda x: torch.cat([x, x], 1), None, 'got 6 outputs and 3 .* "-" for one that is no'),
    ],
)
def test_answers_that_hold_no_logits_are_described(make, outputs, sentence):
    model = FERModel(Answer(make), emotions=["sad", "happy", "fear"], size=2, outputs=outputs)
    with pytest.raises(InputError, match=sentence):
        model(torch.rand(4, 3, 2, 2))


@pytest.mark.parametrize("ending", ["softmax", "sigmoid"])
def test_probabilities_are_turned_back(ending):
    turn = {"softmax": lambda x: x.softmax(1), "sigmoid": torch.sigmoid}[ending]
    net = Answer(turn)
    model = FERModel(net, emotions=["sad", "happy", "fear"], size=2, ends_in=ending)
    images = torch.rand(4, 3, 2, 2)
    logits = net.linear(model.preprocess(images).flatten(1))
    found = model(images)
    expected = logits if ending == "sigmoid" else logits.log_softmax(1)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(found.softmax(1), logits.softmax(1), atol=1e-5)
    assert Predictor(model, device="cpu").logits(images).shape == (4, 3)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("ending", ["softmax", "sigmoid"])
def test_certain_answers_are_finite_and_so_are_their_gradients(kind, ending):
    net = Answer(lambda x: torch.tensor([[0.0, 1.0, 0.0]], dtype=kind).repeat(4, 1) + 0 * x)
    model = FERModel(net, emotions=["sad", "happy", "fear"], size=2, ends_in=ending)
    images = torch.rand(4, 3, 2, 2, requires_grad=True)
    found = model(images)
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert torch.isfinite(images.grad).all()
    assert found.argmax(1).tolist() == [1] * 4


def test_what_is_no_probability_is_refused():
    net = Answer(lambda x: x + 7)
    model = FERModel(net, emotions=["sad", "happy", "fear"], size=2, ends_in="softmax")
    with pytest.raises(InputError, match=r"probabilities in \[0, 1\] from model, .*leave ends_in"):
        model(torch.rand(4, 3, 2, 2))


def test_outputs_that_are_no_emotion_are_left_out():
    net = Answer(lambda x: x)
    model = FERModel(net, emotions=["sad", "-", "happy"], size=2)
    images = torch.rand(4, 3, 2, 2)
    logits = net.linear(model.preprocess(images).flatten(1))
    assert model.emotions == ("sadness", "happiness")
    assert torch.equal(model(images), logits[:, [0, 2]])
    assert model.columns(torch.tensor([0, 2])).tolist() == [1, 0]
    assert model.wiring["emotions"] == ("sadness", "-", "happiness")
    assert Predictor(model, device="cpu").logits(images).shape == (4, 2)
    again = model.rewired(emotions={0: "fear", 1: "happy", 2: "-"})
    assert torch.equal(again(images), logits[:, :2])


@pytest.mark.parametrize("emotions", ["affectnet", ["-", *SEVEN, "contempt", "-"]])
def test_eight_emotions_and_more_outputs(emotions):
    model = FERModel(nn.Flatten(), emotions=emotions, size=1)
    assert len(model.emotions) == 8
    assert model.canonical(model.columns(torch.arange(8))).tolist() == list(range(8))


def test_seven_outputs_of_affectnet_lack_contempt():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3, 7))
    with pytest.raises(InputError, match="7 outputs and 8 .*seven classes mostly lack contempt"):
        FERModel(net, emotions="affectnet", size=1)(torch.rand(2, 3, 1, 1))


def test_wiring_makes_the_same_model_and_rewired_another_of_the_same_net(pixels):
    options = {"channels": 1, "crop": 0.1, "resize": "area", "ends_in": "softmax", "size": 4}
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Softmax(1))
    model = FERModel(net, emotions=["sad", "-", "happy"], cam_layer="1", name="mine", **options)
    assert model.wiring.items() >= options.items()
    same = FERModel(net, cam_layer="1", name="mine", **model.wiring)
    assert torch.equal(same(pixels), model(pixels))
    assert model_digest(same) == model_digest(model)
    other = model.eval().rewired(normalisation="raw", crop=0.0)
    assert (other.net, other.cam_layer, other.name) == (net, "1", "mine")
    assert other.wiring["mean"] == (0.0,)
    assert other.wiring["normalisation"] == "raw"
    assert (model.crop, model.wiring["normalisation"]) == (0.1, "imagenet")
    assert not other.training
    assert other.rewired(channels=3).wiring["std"] == pytest.approx((1 / 255,) * 3)
    with pytest.raises(InputError, match=r"Expected arguments of FERModel .* got colour"):
        model.rewired(colour="bgr")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["imagenet", "half", "raw", "none"])
def test_a_wiring_makes_the_model_again_for_every_normalisation(name, channels):
    told = FERModel(Seen(), emotions=TWO, normalisation=name, channels=channels).wiring
    assert told["normalisation"] == name
    assert FERModel(Seen(), **told).wiring == told
    numbers = {key: value for key, value in told.items() if key != "normalisation"}
    assert FERModel(Seen(), **numbers).wiring == told


def test_each_argument_is_part_of_a_models_digest_and_defaults_are_not():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 3))
    plain = FERModel(net, emotions=["sad", "happy", "fear"], size=4)
    told = {key: value for key, value in plain.wiring.items() if key != "normalisation"}
    assert model_digest(FERModel(net, **told)) == model_digest(plain)
    assert not vars(plain).keys() & {"channels", "colour_order", "outputs", "ends_in", "crop"}
    changes = [
        {"colour_order": "bgr"},
        {"channels": 1},
        {"normalisation": "half"},
        {"outputs": "0"},
        {"outputs": {"0": 0.6, "1": 0.4}},
        {"ends_in": "softmax"},
        {"ends_in": "sigmoid"},
        {"crop": 0.1},
        {"resize": "area"},
        {"emotions": ["sad", "happy", "-"]},
        {"emotions": ["sad", "-", "happy"]},
    ]
    digests = {model_digest(plain.rewired(**change)) for change in changes}
    assert len(digests | {model_digest(plain)}) == len(changes) + 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"channels": 2}, "Expected channels 1 or 3, got 2"),
        ({"channels": True}, "Expected channels 1 or 3, got True"),
        ({"size": True}, "Expected size as a number of pixels"),
        ({"greyscale": "yes"}, "greyscale as True or False, got 64 and 'yes'"),
        ({"channels": 1, "mean": (0.5,) * 3}, "Expected one value in mean, .*equal channels is"),
        ({"mean": (0.5,)}, "Expected three values in mean, .* takes one channel is channels=1"),
        ({"mean": "half"}, "Expected mean as numbers, one a channel, got 'half'"),
        ({"normalisation": "image"}, "Expected a normalisation imagenet, .*mean imagenet"),
        ({"normalisation": "half", "mean": 0.0}, "Expected either a normalisation by name or mean"),
        ({"colour_order": "gbr"}, "Expected colour_order rgb, bgr, got 'gbr'"),
        ({"ends_in": "relu"}, "Expected ends_in logits, softmax, sigmoid"),
        ({"resize": "cubic"}, "Expected resize bilinear, bicubic, area, nearest"),
        ({"crop": 0.5}, r"Expected crop from -1 .* to 0\.45, .* got 0\.5"),
        ({"crop": "a"}, "Expected crop"),
        ({"outputs": []}, "Expected outputs as the part of the answer"),
        ({"outputs": nn.Identity()}, "Expected outputs as the part"),
        ({"outputs": {"0": "a"}}, "Expected outputs as the part"),
        ({"emotions": [0, 1]}, "Expected emotions by name in the order of the outputs"),
        ({"emotions": {0: "sad", 2: "happy"}}, "Expected a name for each position of an output"),
        ({"emotions": {"sad": 0}}, "Expected a name for each position of an output"),
        ({"emotions": ["-"]}, "Expected an emotion among the outputs"),
        ({"emotions": None}, "Expected the emotions of model in the order of its outputs"),
        ({"emotions": 7}, "Expected emotions by name"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(options, sentence):
    with pytest.raises(InputError, match=sentence) as refusal:
        FERModel(nn.Flatten(), **{"emotions": TWO, **options})
    assert len(str(refusal.value)) < 400


def test_an_unknown_normalisation_is_an_unknown_name():
    with pytest.raises(UnknownNameError):
        FERModel(nn.Flatten(), emotions=TWO, normalisation="imagnet")


@pytest.mark.parametrize("kind", [torch.float16, torch.float64, torch.bfloat16])
def test_networks_of_another_precision_are_fed_their_own(kind):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 2)).to(kind)
    model = FERModel(net, emotions=TWO, size=4)
    assert model(torch.rand(2, 3, 8, 8)).dtype == kind
    assert model.predict(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)).shape == (2,)


def test_wrappers_are_looked_through():
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    for wrapped in (torch.compile(net), nn.DataParallel(net), torch.compile(nn.DataParallel(net))):
        assert FERModel(wrapped, emotions=TWO, size=2, cam_layer="1").net is net


def test_networks_that_hold_no_weights_are_refused():
    net = nn.Linear(3, 2, device="meta")
    with pytest.raises(InputError, match="Expected weights of model, but weight is on the device"):
        FERModel(net, emotions=TWO)
    program = torch.export.export(nn.Linear(3, 2), (torch.rand(1, 3),))
    with pytest.raises(InputError, match="got an ExportedProgram: hand in its module"):
        FERModel(program, emotions=TWO)
