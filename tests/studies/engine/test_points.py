"""``--landmarks``: a file as before, a provider by name, or what is there."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fer_xai.data.landmark_csv import POINTS
from fer_xai.detect.network import LandmarkNet
from fer_xai.errors import InputError
from fer_xai.landmarks import canonical_landmarks
from fer_xai.models.checkpoints import save_weights
from studies.engine.options import Data
from studies.engine.points import PointsSource

SHIPPED = "fer_xai.detect.providers.builtin.shipped_file"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path):
    """A data set of two images, by name and place."""
    for number, emotion in enumerate(("anger", "fear")):
        place = tmp_path / "mine" / "test" / emotion
        place.mkdir(parents=True)
        Image.new("RGB", (32, 32), (90 * number, 90, 90)).save(place / f"{number}.png")
    return f"folder:{tmp_path / 'mine'}"


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Weights of the built-in provider that are sure of every face, as if they were shipped."""
    net = LandmarkNet()
    torch.nn.init.constant_(net.head.bias, 1.0)
    path = tmp_path / "landmarks-rafdb.safetensors"
    save_weights(net, path, settings={"model": "landmarks"})
    monkeypatch.setattr(SHIPPED, lambda name: path if name == "rafdb" else None)


@pytest.mark.usefixtures("shipped")
def test_built_in_faces_keep_their_exact_points():
    options = Data(data="synthetic:studio")
    assert options.config()["landmarks"] is None  # as in runs of before
    faces = options.load_faces(limit=2)
    assert faces.landmarks is not None
    assert np.isfinite(faces.landmarks).all()


@pytest.mark.usefixtures("shipped")
def test_real_faces_are_located_and_the_manifest_says_by_what(data):
    options = Data(data=data)
    options.check()
    assert options.config()["landmarks"] == "builtin:rafdb"
    assert options.load_faces().landmarks.shape == (2, 68, 2)


def test_without_shipped_weights_nothing_is_located(data, monkeypatch):
    monkeypatch.setattr(SHIPPED, lambda name: None)
    assert Data(data=data).config()["landmarks"] is None
    assert Data(data=data).load_faces().landmarks is None
    assert Data(data=data, landmarks=None).load_faces().landmarks is None
    with pytest.raises(InputError, match="not shipped: train them"):
        Data(data=data, landmarks="builtin").check()


def test_a_guess_is_marked_in_the_manifest(data):
    options = Data(data=data, landmarks="template")
    assert options.config()["landmarks"] == "template, approximate"
    expected = (canonical_landmarks() + 0.5) / 2 - 0.5
    np.testing.assert_allclose(options.load_faces().landmarks[1], expected, rtol=1e-4)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_is_read_as_before(data, tmp_path, kind):
    path = tmp_path / "points.csv"
    row = ",".join(f"{value:.2f}" for value in canonical_landmarks().reshape(-1))
    path.write_text(f"image,{','.join(POINTS)}\n0.png,{row}\n")
    options = Data(data=data, landmarks=kind(path), landmarks_size=64)
    options.check()
    assert options.config()["landmarks"] == "points.csv"
    found = np.isfinite(options.load_faces().landmarks).all(axis=(1, 2))
    assert found.tolist() == [True, False]


def test_what_is_not_found_is_counted(data, monkeypatch, tmp_path, capsys):
    np.savez(tmp_path / "p.npz", ids=["0"], points=canonical_landmarks()[None] / 2)
    faces = Data(data=data, landmarks=f"npz:{tmp_path / 'p.npz'}").load_faces()
    assert np.isfinite(faces.landmarks).all(axis=(1, 2)).tolist() == [True, False]
    assert "1 of 2 faces have no landmarks by npz:p.npz (fear 1)." in capsys.readouterr().err


def test_a_size_goes_with_a_file_alone(data):
    with pytest.raises(InputError, match=r"--landmarks-size with a file .*csv:FILE@64"):
        Data(data=data, landmarks="template", landmarks_size=64).check()
    with pytest.raises(InputError, match="template' without an option"):
        Data(data=data, landmarks="template:x").check()


def test_a_file_that_is_not_there_is_refused(data):
    assert PointsSource.chosen("nowhere.csv", built_in=False).file == Path("nowhere.csv")
    with pytest.raises(InputError, match="found none at nowhere.csv"):
        Data(data=data, landmarks="nowhere.csv").load_faces()
