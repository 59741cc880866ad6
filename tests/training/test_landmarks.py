"""Training the landmark network: points move with their pixels, and runs can be continued."""

import json

import numpy as np
import pytest
import torch

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.detect import locate
from fer_xai.errors import InputError
from fer_xai.models.checkpoints import read_state
from training import landmark_faces
from training.landmark_batches import generator_for, moved, no_faces, worn
from training.landmark_card import landmark_card
from training.landmark_faces import grey_crops
from training.landmarks import LandmarkTraining, train


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(landmark_faces, "FACES_A_STYLE", {"train": 8, "test": 2})


def options(folder, **changed):
    return LandmarkTraining(**{"out": folder, "epochs": 2, "batch_size": 8} | changed)


def test_points_move_with_their_pixels():
    """A dot on each of a few points is where the point has gone, whatever was drawn."""
    n = 32
    points = torch.full((n, 68, 2), 31.5)
    generator = torch.Generator().manual_seed(1)
    points[:, 30] = 20 + 24 * torch.rand(n, 2, generator=generator)  # its mirror is itself
    rows = columns = torch.arange(64.0)
    across = (columns[None, None] - points[:, 30, :1, None]) ** 2
    along = (rows[None, :, None] - points[:, 30, 1:, None]) ** 2
    dots = torch.exp(-(across + along) / 8)[:, None]  # (B, 1, 64, 64)
    images, placed = moved(dots, points, generator_for(3))
    mass = images[:, 0] / images[:, 0].sum(dim=(1, 2), keepdim=True)
    x, y = (mass.sum(dim=1) * columns).sum(1), (mass.sum(dim=2) * rows).sum(1)
    torch.testing.assert_close(torch.stack([x, y], 1), placed[:, 30], atol=0.1, rtol=0)


def test_batches_repeat_and_stay_in_range():
    images = synthetic_faces(5).pixels(64)[:, :1].float() / 255
    for make in (worn, no_faces):
        one, other = (make(images, generator_for(0, 7)) for _ in range(2))
        torch.testing.assert_close(one, other, atol=0, rtol=0)
        assert one.shape == images.shape
        assert one.min() >= 0
        assert one.max() <= 1
        assert not torch.equal(one, make(images, generator_for(0, 8)))


@pytest.mark.usefixtures("few")
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path):
    assert train(options(tmp_path / "whole"))
    assert not train(options(tmp_path / "parts", minutes=1e-9))
    assert not (tmp_path / "parts" / "card.json").exists()
    assert train(options(tmp_path / "parts"))
    one, other = (read_state(tmp_path / f / "weights.safetensors") for f in ("whole", "parts"))
    assert one[1]["trained_on"] == "synthetic"
    for key, value in one[0].items():
        assert torch.equal(value, other[0][key]), key
    assert train(options(tmp_path / "parts"))  # which is done
    card = json.loads((tmp_path / "whole" / "card.json").read_text())
    assert card["test"]["built-in faces"]["errors"][0]["faces"] == 10
    assert "68 landmarks, trained on synthetic" in landmark_card(card)


@pytest.mark.usefixtures("few")
def test_the_weights_serve_the_provider(tmp_path):
    train(options(tmp_path, epochs=1))
    found = locate(synthetic_faces(2), f"builtin:{tmp_path / 'weights.safetensors'}", cache=None)
    assert np.isfinite(found.confidence).all()
    assert (tmp_path / "weights.safetensors").stat().st_size < 2 * 2**20


@pytest.mark.usefixtures("few")
def test_another_training_is_not_continued(tmp_path):
    train(options(tmp_path, minutes=1e-9))
    with pytest.raises(InputError, match="differs in seed"):
        train(options(tmp_path, seed=1))
    (tmp_path / "state.pt").write_bytes(b"cut")
    with pytest.raises(InputError, match="delete it, and the same command begins anew"):
        train(options(tmp_path))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"epochs": 0}, "--epochs"),
        ({"learning_rate": 0.0}, "--learning-rate"),
        ({"minutes": -1.0}, "--minutes"),
        ({"data": "rafdb:/nowhere"}, "Expected --points with the landmarks of rafdb"),
        ({"limit": 5}, "at least a batch of 8 faces"),
    ],
)
@pytest.mark.usefixtures("few")
def test_options_that_cannot_be_used_are_refused(tmp_path, changed, sentence):
    with pytest.raises(InputError, match=sentence):
        train(options(tmp_path / "run", **changed))


def test_grey_is_grey():
    faces = synthetic_faces(2)
    grey = grey_crops(faces)[:, 0].float()
    expected = (faces.pixels(64) * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1)
    assert (grey - expected).abs().max() <= 0.5 + 1e-4
