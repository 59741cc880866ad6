"""The provider face-api, on random weights in files of the package's format."""

import numpy as np
import pytest
import torch

from fer_xai.detect import locate
from fer_xai.detect.provider import provider_named
from fer_xai.errors import InputError
from fer_xai.landmarks.template import MIRROR
from fer_xai.models.face_api import EXPRESSIONS, LANDMARKS
from tests.models.foreign_files import face_api_weights, write_manifest
from tests.reference import tensorflow_slow as slow


@pytest.fixture(scope="module")
def weights():
    made = face_api_weights(136)
    made["fc/weights"] *= 0.05
    made["fc/bias"] = np.random.default_rng(1).uniform(0.2, 0.8, 136).astype(np.float32)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory, weights):
    place = tmp_path_factory.mktemp("package")
    write_manifest(place / "model", LANDMARKS, weights, quantised="uint16")
    return place


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((64, 64, 3), (90, 70, 3))]


def test_points_are_the_networks_own(folder, weights):
    grey = np.full((96, 96, 3), 90, np.uint8)  # padding and resizing leave it as it is
    points = locate([grey], f"face-api:{folder}", cache=None).points[0]
    one = 112 * slow.face_api(np.full((112, 112, 3), 90.0), weights).reshape(68, 2)
    other = np.stack([111 - one[MIRROR, 0], one[MIRROR, 1]], axis=1)
    side = 96 + 2 * 6
    np.testing.assert_allclose(points, ((one + other) / 2 + 0.5) * side / 112 - 0.5 - 6, atol=0.05)


def test_mirrored_images_have_mirrored_points(folder, images):
    found = locate(images, f"face-api:{folder}", cache=None).points
    again = locate([image[:, ::-1] for image in images], f"face-api:{folder}", cache=None).points
    for image, one, other in zip(images, found, again, strict=True):
        np.testing.assert_allclose(image.shape[1] - 1 - other[MIRROR, 0], one[:, 0], atol=2e-3)
        np.testing.assert_allclose(other[MIRROR, 1], one[:, 1], atol=2e-3)


def test_a_face_has_its_points_whoever_is_beside_it(folder, images):
    found = locate(images * 20, f"face-api:{folder}", cache=None)
    assert found.found.all()
    assert np.isnan(found.confidence).all()
    assert (found.points[::2] == found.points[0]).all()
    alone = locate(images[1:], f"face-api:{folder}", cache=None)
    np.testing.assert_array_equal(alone.points[0], found.points[1])
    assert locate(images[:0], f"face-api:{folder}", cache=None).points.shape == (0, 68, 2)


def test_other_weights_are_another_version(folder, weights, tmp_path, images):
    before = locate(images, f"face-api:{folder}", cache=tmp_path / "kept")
    write_manifest(tmp_path / "model", LANDMARKS, face_api_weights(136, seed=3))
    after = locate(images, f"face-api:{tmp_path}", cache=tmp_path / "kept")
    assert before.version != after.version
    assert not np.allclose(before.points, after.points)


def test_what_cannot_be_used_is_one_sentence(folder, tmp_path):
    image = [np.zeros((8, 8, 3), np.uint8)]
    with pytest.raises(InputError, match="Expected the folder of the package .* face-api:FOLDER"):
        locate(image, "face-api")
    with pytest.raises(InputError, match=f"Expected {LANDMARKS}-weights_manifest.json in "):
        locate(image, f"face-api:{tmp_path}")
    with pytest.raises(InputError, match="is none: name the folder that holds"):
        locate(image, f"face-api:{tmp_path / 'nowhere'}")
    write_manifest(tmp_path, EXPRESSIONS, face_api_weights(7))
    manifest = tmp_path / f"{EXPRESSIONS}-weights_manifest.json"
    with pytest.raises(InputError, match=r"weights of the provider face-api, .*fc\.weight"):
        provider_named(f"face-api:{manifest}").locate(image)


def test_one_grey_level_and_tiny_images_are_looked_at(folder):
    images = [np.zeros((1, 1, 3), np.uint8), np.zeros((2, 300, 3), np.uint8)]
    assert locate(images, f"face-api:{folder}", cache=None).found.all()
    assert locate(torch.rand(2, 3, 32, 32), f"face-api:{folder}", cache=None).found.all()
