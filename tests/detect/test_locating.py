"""``locate``: one question, whatever the images come as."""

import numpy as np
import pytest
import torch

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.detect import PROVIDERS, Landmarks, locate, with_points
from fer_xai.detect.network import LandmarkNet, mirrored
from fer_xai.detect.provider import ImageProvider, provider_named
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.landmarks import canonical_landmarks


def test_providers_are_found_by_folder():
    listed = list(PROVIDERS)
    assert listed[:5] == ["builtin", "synthetic", "csv", "pts", "ckplus"]
    assert {"npz", "rafdb5", "rafdb37", "template", "face-alignment"} <= set(listed)
    assert all(provider.meaning for provider in PROVIDERS.loaded().values())


def test_images_as_tensor_list_or_faces_give_the_same_points(faces, network_file):
    provider = f"builtin:{network_file}"
    of_faces = locate(faces, provider, cache=None)
    of_tensor = locate(faces.images, provider, cache=None)
    of_list = locate([faces.read(row) for row in range(len(faces))], provider, cache=None)
    np.testing.assert_array_equal(of_faces.points, of_tensor.points)
    np.testing.assert_array_equal(of_faces.points, of_list.points)
    assert of_faces.points.shape == (6, 68, 2)
    assert of_faces.points.dtype == np.float32
    assert of_faces.provider == "builtin:mine.safetensors"


def test_a_batch_equals_one_by_one_to_the_bit(faces, network_file):
    provider = provider_named(f"builtin:{network_file}")
    images = [faces.read(row) for row in range(len(faces))]
    points, confidence = provider.locate(images)
    for row, image in enumerate(images):
        one, sure = provider.locate([image])
        np.testing.assert_array_equal(one[0], points[row])
        assert sure[0] == confidence[row]


def test_mirrored_images_have_exactly_mirrored_points(faces, network_file):
    provider = f"builtin:{network_file}"
    there = torch.from_numpy(locate(faces.images, provider, cache=None).points)
    back = torch.from_numpy(locate(faces.images.flip(-1), provider, cache=None).points)
    torch.testing.assert_close(mirrored(back), there, atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [48, 100, 224])
def test_points_are_in_pixels_of_the_image_as_it_was_handed_in(network_file, size):
    """Larger copies of a face have the same points, scaled as pixel areas are."""
    provider = f"builtin:{network_file}"
    small = synthetic_faces(2, style="studio", size=64)
    points = locate(small, provider, cache=None).points
    copies = torch.nn.functional.interpolate(small.images, size=size, mode="bilinear")
    scaled = locate(copies, provider, cache=None).points
    expected = (points + 0.5) * size / 64 - 0.5
    assert np.abs(scaled - expected).max() < 0.05 * size


def test_an_image_that_is_not_square_is_not_taken_for_one(network_file):
    wide = [np.full((60, 120, 3), 90, np.uint8)]
    points = locate(wide, "template", cache=None).points[0]
    expected = (canonical_landmarks() + 0.5) / 64 * [120, 60] - 0.5
    np.testing.assert_allclose(points, expected, rtol=1e-5)
    mixed = [*wide, np.full((64, 64, 3), 90, np.uint8)]
    assert locate(mixed, f"builtin:{network_file}", cache=None).points.shape == (2, 68, 2)


class Unsure(ImageProvider):
    """A provider that believes in bright images alone."""

    name, version, cached = "unsure", "1", False

    def locate(self, images):
        confidence = np.array([image.mean() / 255 for image in images], np.float32)
        return np.zeros((len(images), 68, 2), np.float32), confidence


def test_what_is_no_face_to_the_provider_has_no_points():
    images = torch.stack([torch.full((3, 8, 8), shade) for shade in (0.2, 0.8)])
    found = locate(images, Unsure())
    assert found.found.tolist() == [False, True]
    assert np.isnan(found.points[0]).all()
    assert found.confidence == pytest.approx([0.2, 0.8])
    assert repr(found) == "Landmarks(unsure: 1 of 2 found)"


def test_a_guess_says_so_wherever_it_is_named(faces):
    found = locate(faces, "template")
    assert found.approximate
    assert found.label == "template, approximate"
    assert np.isnan(found.confidence).all()
    assert "approximate" in repr(found)


def test_built_in_faces_have_their_exact_points(faces):
    found = locate(faces, "synthetic")
    np.testing.assert_array_equal(found.points, faces.landmarks)
    assert (found.confidence == 1).all()
    assert not found.approximate


def test_no_images_have_no_points(network_file):
    for provider in ("template", f"builtin:{network_file}"):
        assert locate(torch.zeros(0, 3, 64, 64), provider).points.shape == (0, 68, 2)


def test_faces_take_the_points(faces):
    moved = with_points(faces, locate(faces, "template"))
    np.testing.assert_allclose(moved.landmarks_at(64)[0], canonical_landmarks(), rtol=1e-5)


def test_weights_that_are_not_there_name_the_training(monkeypatch):
    monkeypatch.setattr("fer_xai.detect.providers.builtin.shipped_file", lambda name: None)
    images = torch.zeros(1, 3, 64, 64)
    with pytest.raises(InputError, match=r"not shipped: train them \(python -m training.landmarks"):
        locate(images, "builtin")
    with pytest.raises(InputError, match="weights landmarks-rafdb of the provider builtin"):
        locate(images, "builtin:rafdb")
    with pytest.raises(InputError, match="'nowhere.safetensors', which is no file"):
        locate(images, "builtin:nowhere.safetensors")


def test_other_weights_than_of_the_network_are_refused(tmp_path):
    from fer_xai.models.checkpoints import save_weights

    save_weights(torch.nn.Linear(2, 2), tmp_path / "w.safetensors", settings={})
    with pytest.raises(InputError, match="does not fit"):
        locate(torch.zeros(1, 3, 64, 64), f"builtin:{tmp_path / 'w.safetensors'}")


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (torch.zeros(2, 8, 8, 3), "put the channels before the rows"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "divide uint8 pixels by 255"),
        (torch.full((1, 3, 8, 8), 255.0), r"Expected images in \[0, 1\]"),
        ([np.zeros((8, 8, 4), np.uint8)], "convert the image to RGB"),
        ([np.full((8, 8, 3), 200.0)], "from 200 to 200"),
        ("faces.png", "got str"),
    ],
)
def test_what_is_no_image_is_refused(images, sentence):
    with pytest.raises(InputError, match=sentence):
        locate(images, "template")


def test_unknown_providers_and_options_are_refused(faces):
    with pytest.raises(UnknownNameError, match="did you mean builtin"):
        locate(faces, "builtn")
    with pytest.raises(InputError, match="'template' without an option, got 'template:x'"):
        locate(faces, "template:x")
    with pytest.raises(InputError, match="Expected a provider's name"):
        locate(faces, 3)
    with pytest.raises(InputError, match="got images alone"):
        locate(faces.images, "synthetic")


def test_landmarks_say_what_they_were_made_of(faces, network_file):
    found = locate(faces, f"builtin:{network_file}")
    assert isinstance(found, Landmarks)
    assert found.version.startswith("1-")
    assert len(found) == 6


def test_the_network_leaves_colour_and_exposure_aside():
    torch.manual_seed(0)
    net = LandmarkNet().eval()
    torch.nn.init.normal_(net.head.weight, std=0.01)
    images = torch.rand(2, 1, 64, 64) * 0.5
    points, _ = net(images)
    brighter, _ = net(images * 1.4 + 0.2)
    torch.testing.assert_close(points, brighter, atol=0.3, rtol=0)
    of_colour, _ = net(images.expand(-1, 3, -1, -1))
    torch.testing.assert_close(points, of_colour, atol=1e-3, rtol=0)
