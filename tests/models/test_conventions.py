import json
import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.models import FERModel, load_model
from fer_xai.models.conventions import ARGUMENTS, CONVENTIONS, Convention, convention


class Answering(nn.Module):
    """Answers as a convention says, and keeps what it was fed."""

    def __init__(self, known):
        super().__init__()
        self.known = known

    def forward(self, x):
        self.seen = x
        logits = torch.arange(len(self.known["emotions"])).float().repeat(len(x), 1)
        ending = self.known.get("ends_in", "logits")
        turn = {"logits": lambda x: x, "softmax": lambda x: x.softmax(1), "sigmoid": torch.sigmoid}
        logits = turn[ending](logits)
        outputs = self.known.get("outputs")
        if outputs is None:
            return logits
        if outputs == "0":
            return logits, x
        return {outputs: logits} if isinstance(outputs, str) else (logits, logits)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_each_convention_feeds_and_reads_a_network(name):
    known = CONVENTIONS[name]
    assert known.source.startswith(("https://github.com/", "hf:"))
    assert len(known.trap) > 20
    assert known.arguments.keys() <= set(ARGUMENTS)
    net = Answering(known.arguments)
    model = FERModel(net, convention=name)
    logits = model(torch.rand(2, 3, 48, 48))
    assert logits.shape == (2, len(model.emotions))
    assert set(model.emotions) <= set(EMOTIONS)
    assert len(model.emotions) in (7, 8)
    side, channels = known.arguments["size"], known.arguments.get("channels", 3)
    assert net.seen.shape == (2, channels, side, side)
    order = known.arguments["emotions"]
    last = [emotion for emotion in order if emotion != "-"][-1]
    assert model.predict(torch.rand(1, 3, 48, 48)).tolist() == [EMOTIONS.index(last)]


def test_what_is_given_beside_a_convention_goes_first():
    net = nn.Flatten()
    model = FERModel(net, convention="ma-net", size=8, outputs="1", mean=(0.5,) * 3)
    told = model.wiring
    assert (told["size"], told["outputs"], told["mean"]) == (8, "1", (0.5,) * 3)
    assert told["std"] == (1.0,) * 3
    assert told["emotions"][0] == "neutral"
    named = FERModel(net, convention="face-api", normalisation="half").wiring
    assert named["normalisation"] == "half"
    assert FERModel(net, convention="deepface", channels=3).wiring["normalisation"] == "none"


def test_conventions_of_the_users_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'emotions = ["neutral", "-", "Happy"]\nsize = 8\nends_in = "softmax"\n'
        'outputs = {"0" = 0.6, "1" = 0.4}\nmean = [0.1, 0.2, 0.3]\nstd = 1\ntrap = "none"\n'
    )
    assert isinstance(convention(path), Convention)
    told = FERModel(nn.Flatten(), convention=path).wiring
    assert told["emotions"] == ("neutral", "-", "happiness")
    assert told["mean"] == (0.1, 0.2, 0.3)
    assert told["outputs"] == {"0": 0.6, "1": 0.4}
    path.write_text('emotions = "fer2013"')
    assert FERModel(nn.Flatten(), convention=str(path)).emotions[0] == "anger"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "Expected a convention in .* cannot be read .No such file"),
        ("emotions = [", "Expected a convention in .* cannot be read"),
        ("colour = 'bgr'", "Expected emotions, size, .* got colour"),
        ("emotions = ['joyless', 'anger']", "Expected an emotion"),
        ("emotions = 3", "Expected emotions by name"),
        ("emotions = 'rafdb'\nsize = 'big'", "Expected the side of the network's images"),
    ],
)
def test_conventions_that_cannot_be_used_are_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        FERModel(nn.Flatten(), convention=path)


def test_an_unknown_convention_is_an_unknown_name():
    with pytest.raises(UnknownNameError, match=r"Expected a convention .* got 'poster\+': did you"):
        FERModel(nn.Flatten(), convention="poster+")


@pytest.mark.parametrize("head", ["classifier.0.", "classifier."])
def test_emotiefflib_is_built_by_timm_and_its_head_may_be_in_a_container(tmp_path, head):
    timm = pytest.importorskip("timm")
    net = timm.create_model("tf_efficientnet_b0", num_classes=10)
    state = {
        key.replace("classifier.", head): value.half() if value.is_floating_point() else value
        for key, value in net.state_dict().items()
    }
    torch.save(state, tmp_path / "w.pt")
    model = load_model("emotieff/enet_b0_8_va_mtl", weights=tmp_path / "w.pt")
    assert (model.size, len(model.emotions), model.emotions[:2]) == (224, 8, ("anger", "contempt"))
    assert torch.equal(model.net.classifier.bias, net.classifier.bias.half().float())
    model.layer(model.cam_layer)
    assert load_model("emotieff/enet_b2_7", weights="untrained").size == 260
    with pytest.raises(UnknownNameError, match="Unknown EmotiEffLib model 'enet_b1_8': did you"):
        load_model("emotieff/enet_b1_8")


def test_load_model_takes_conventions_and_seven_emotions(tmp_path):
    seven = load_model("resnet18", emotions="rafdb")
    torch.save(seven.net.state_dict(), tmp_path / "w.pth")
    model = load_model("resnet18", weights=tmp_path / "w.pth", emotions="rafdb")
    assert model.emotions == seven.emotions
    model = load_model("resnet18", weights=tmp_path / "w.pth", convention="resemotenet", size=48)
    assert (model.emotions[0], model.size, model.greyscale) == ("happiness", 48, True)


def test_a_size_that_timm_refuses_is_one_sentence():
    pytest.importorskip("timm")
    with pytest.raises(InputError, match="Expected a size that timm/vit_tiny_patch16_224 can be"):
        load_model("timm/vit_tiny_patch16_224", size=64)


CONFIG = {
    "model_type": "vit",
    "architectures": ["ViTForImageClassification"],
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "image_size": 32,
    "patch_size": 8,
    "id2label": {"0": "angry", "1": "unknown", "2": "Happy", "3": "sad"},
}
PREPROCESSOR = {
    "do_normalize": True,
    "do_rescale": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 3,
    "rescale_factor": 1 / 255,
    "size": {"height": 32, "width": 32},
}


def folder_of(path, *, config=CONFIG, preprocessor=PREPROCESSOR):
    for name, told in (("config.json", config), ("preprocessor_config.json", preprocessor)):
        if told is not None:
            (path / name).write_text(told if isinstance(told, str) else json.dumps(told))
    return f"hf:{path}"


def test_a_folder_in_hugging_faces_format(tmp_path):
    transformers = pytest.importorskip("transformers")
    net = transformers.AutoModelForImageClassification.from_config(
        transformers.AutoConfig.for_model(**CONFIG)
    ).eval()
    net.save_pretrained(tmp_path)
    name = folder_of(tmp_path)
    model = load_model(name)
    assert model.emotions == ("anger", "happiness", "sadness")
    told = model.wiring
    assert (told["size"], told["resize"], told["normalisation"]) == (32, "bicubic", "half")
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        expected = net(2 * images - 1).logits[:, [0, 2, 3]]
        assert torch.allclose(model(images), expected, atol=1e-5)
    untrained = load_model(name, weights="untrained")
    assert not torch.equal(untrained.net.classifier.weight, net.classifier.weight)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    del state["classifier.bias"]
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"missing: classifier\.bias"):
        load_model(name)
    net.save_pretrained(tmp_path)
    raw = {**PREPROCESSOR, "do_rescale": False, "do_normalize": False}
    folder_of(tmp_path, preprocessor=raw)
    assert load_model(name).wiring["normalisation"] == "raw"


@pytest.mark.parametrize(
    ("config", "preprocessor", "sentence"),
    [
        (None, PREPROCESSOR, "but config.json is missing: save the model with save_pretrained"),
        (CONFIG, None, "but preprocessor_config.json is missing"),
        ("[1]", PREPROCESSOR, "Expected a JSON object in .*config.json, got list"),
        ("{", PREPROCESSOR, "Expected JSON in .*config.json, but it cannot be read"),
        ({**CONFIG, "id2label": None}, PREPROCESSOR, "Expected id2label with the emotions"),
        ({**CONFIG, "id2label": {"0": "cat", "1": "dog"}}, PREPROCESSOR, "got cat, dog: it is no"),
        (
            {**CONFIG, "model_type": "nothing"},
            PREPROCESSOR,
            "to describe a model that transformers",
        ),
        (CONFIG, {**PREPROCESSOR, "size": "big"}, "Expected the size of images in .*, got 'big'"),
    ],
)
def test_folders_that_cannot_be_used_are_one_sentence(tmp_path, config, preprocessor, sentence):
    pytest.importorskip("transformers")
    name = folder_of(tmp_path, config=config, preprocessor=preprocessor)
    with pytest.raises(InputError, match=sentence):
        load_model(name)


def test_names_on_the_hub_without_a_way_there(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"Expected nobody/nothing from the hub, .*hf:FOLDER"):
        load_model("hf:nobody/nothing")
    with pytest.raises(UnknownNameError, match="which does not exist"):
        load_model(f"hf:{tmp_path}/not_there")


def test_without_transformers_it_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match="Expected transformers to build hf:.*: pip install"):
        load_model(folder_of(tmp_path))


def test_the_code_of_the_page_runs(capsys):
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    for code in blocks:
        exec(code, {})
    assert "'outputs': {'0': 0.6, '1': 0.4}" in capsys.readouterr().out
    assert not [name for name in CONVENTIONS if f"`{name}`" not in page and "emotieff" not in name]
