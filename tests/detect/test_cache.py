"""Answers are kept by image and version, and nothing wrong is ever taken from disk."""

import numpy as np
import pytest

from fer_xai.detect import locate
from fer_xai.detect.provider import ImageProvider
from fer_xai.errors import InputError


class Counting(ImageProvider):
    """A provider that remembers how many images it was asked for."""

    name = "counting"

    def __init__(self, version="1"):
        self._version, self.asked = version, 0

    @property
    def version(self):
        return self._version

    def locate(self, images):
        self.asked += len(images)
        points = np.stack([np.full((68, 2), image.mean(), np.float32) for image in images])
        return points, np.ones(len(images), np.float32)


@pytest.fixture
def images():
    return [np.full((8, 8, 3), shade, np.uint8) for shade in range(0, 240, 10)]


def test_each_image_is_located_once(images, tmp_path):
    provider = Counting()
    first = locate(images, provider, cache=tmp_path / "kept")
    again = locate(images[::-1], provider, cache=tmp_path / "kept")
    assert provider.asked == len(images)
    np.testing.assert_array_equal(first.points, again.points[::-1])
    np.testing.assert_array_equal(first.confidence, again.confidence[::-1])


def test_equal_images_are_located_once(images, tmp_path):
    provider = Counting()
    found = locate([*images[:2], *images[:2]], provider, cache=tmp_path)
    assert provider.asked == 2
    np.testing.assert_array_equal(found.points[:2], found.points[2:])


def test_another_version_is_another_answer(images, tmp_path):
    for version in ("1", "2"):
        provider = Counting(version)
        locate(images, provider, cache=tmp_path)
        assert provider.asked == len(images)


def test_the_size_of_an_image_belongs_to_it(tmp_path):
    provider = Counting()
    locate([np.zeros((4, 9, 3), np.uint8), np.zeros((9, 4, 3), np.uint8)], provider, cache=tmp_path)
    assert provider.asked == 2


def _cut(path):
    path.write_bytes(path.read_bytes()[:50])


def _other(path):
    np.savez(path, images=np.zeros((2, 16), np.uint8), points=np.zeros((1, 5, 2)))


def _empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_cut, _other, _empty])
def test_damaged_files_are_made_anew(images, tmp_path, damage):
    first = locate(images, Counting(), cache=tmp_path)
    files = sorted(tmp_path.rglob("*.npz"))
    for path in files:
        damage(path)
    provider = Counting()
    again = locate(images, provider, cache=tmp_path)
    assert provider.asked == len(images)
    np.testing.assert_array_equal(first.points, again.points)
    after = Counting()
    locate(images, after, cache=tmp_path)
    assert after.asked == 0
    assert sorted(tmp_path.rglob("*.npz")) == files  # and nothing else is left behind


def test_the_default_folder_is_the_users_own(images, own_cache):
    locate(images, Counting())
    assert list(own_cache.rglob("*.npz"))


def test_without_a_cache_nothing_is_written(images, own_cache):
    locate(images, Counting(), cache=None)
    assert not own_cache.exists()


def test_a_default_folder_that_is_no_folder_is_a_warning(images, own_cache):
    own_cache.parent.mkdir(parents=True)
    own_cache.write_text("in the way")
    with pytest.warns(UserWarning, match="not kept for the next time") as warned:
        found = locate(images, Counting())
    assert len(warned) == 1
    assert found.found.all()


def test_a_folder_of_ones_own_that_is_no_folder_is_an_error(images, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        locate(images, Counting(), cache=tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
