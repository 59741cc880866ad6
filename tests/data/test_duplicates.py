"""Near-copies are found, other faces are not, and no split puts them on two sides."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance

from fer_xai.data import load_dataset
from fer_xai.data.duplicates import copies_of, near_copies
from fer_xai.data.splits import stratified_split
from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Faces


def _faces(images, emotions=None):
    table = pd.DataFrame(
        {
            "id": [f"f{i}" for i in range(len(images))],
            "path": "",
            "emotion": emotions or "fear",
            "split": "train",
            "subject": "",
            "source": "",
            "group": "",
        },
        columns=list(COLUMNS),
    )
    return Faces(table=table, reader=lambda row: np.asarray(images[row]), name="x")


@pytest.fixture(scope="module")
def images():
    faces = load_dataset("synthetic:lab", split="test", limit=30)
    return [Image.fromarray(faces.read(index)) for index in range(30)]


def _jpeg(image, tmp_path, quality):
    image.save(tmp_path / "a.jpg", quality=quality)
    return Image.open(tmp_path / "a.jpg").copy()


EDITS = {
    "identical": lambda image, _: image.copy(),
    "JPEG": lambda image, folder: _jpeg(image, folder, 60),
    "smaller": lambda image, _: image.resize((48, 48)),
    "grey": lambda image, _: image.convert("L").convert("RGB"),
    "brighter": lambda image, _: ImageEnhance.Brightness(image).enhance(1.2),
    "flatter": lambda image, _: ImageEnhance.Contrast(image).enhance(0.6),
    "mirrored": lambda image, _: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


@pytest.mark.parametrize("edit", EDITS)
def test_one_photograph_is_known_again(images, tmp_path, edit):
    edited = [EDITS[edit](image, tmp_path) for image in images[:8]]
    pairs = near_copies(_faces(images[:8] + edited)).tolist()
    assert pairs == [[i, i + 8] for i in range(8)]
    assert near_copies(_faces(edited), _faces(images)).tolist() == [[i, i] for i in range(8)]


def test_other_faces_are_no_copies(images):
    """Of one person and emotion with another noise, or of one style: all are faces of their own."""
    for style in ("wild", "lab"):
        faces = load_dataset(f"synthetic:{style}", split="valid", limit=60)
        assert near_copies(faces).tolist() == []


def test_flat_images_and_no_images_are_copies_of_none():
    flat = [np.full((64, 64, 3), value, np.uint8) for value in (0, 0, 128)]
    assert near_copies(_faces(flat)).tolist() == []
    assert near_copies(_faces([])).shape == (0, 2)
    assert copies_of(_faces(flat), _faces([])).tolist() == [False] * 3


def test_blocks_do_not_matter(images, monkeypatch):
    faces = _faces(images + images[::-1])
    whole = near_copies(faces)
    assert len(whole) == 30
    monkeypatch.setattr("fer_xai.data.duplicates.near._BLOCK", 7)
    assert np.array_equal(near_copies(faces), whole)


@pytest.fixture(scope="module")
def noise():
    """80 faces of noise, of which the last 40 are the first ones, brighter."""
    rng = np.random.default_rng(0)
    first = [rng.integers(20, 200, (64, 64, 3), dtype=np.uint8) for _ in range(40)]
    return _faces(first + [image + 20 for image in first], ["fear", "anger"] * 40)


class TestSplits:
    @pytest.mark.parametrize("seed", range(4))
    def test_near_copies_stay_on_one_side(self, noise, seed):
        kept, held = stratified_split(noise, 0.2, seed=seed)
        assert len(held) == 16
        assert not copies_of(held, kept).any()

    @pytest.mark.parametrize("seed", range(4))
    def test_copies_of_test_faces_are_kept_with_all_that_hangs_on_them(self, noise, seed):
        test = noise.subset(np.arange(0, 40, 3))
        keep = np.zeros(80, dtype=bool)
        keep[:40:3] = True  # the copies at 40 and on hang on them
        for mask in (keep, copies_of(noise, test)):
            kept, held = stratified_split(noise, 0.2, seed=seed, keep=mask)
            numbers = stratified_split(noise, 0.2, seed=seed, keep=mask.astype(int))
            assert numbers[1].ids == held.ids
            assert len(held) == 16
            assert not copies_of(held, test).any()
            assert not copies_of(held, kept).any()

    def test_without_copies_a_split_is_what_it_was(self):
        """As it was drawn before near-copies were looked for."""
        faces = _faces(
            [
                np.random.default_rng(s).integers(0, 256, (16, 16, 3), dtype=np.uint8)
                for s in range(60)
            ],
            ["fear", "anger", "fear"] * 20,
        )
        held = stratified_split(faces, 0.1, seed=0)[1].ids
        assert held == stratified_split(faces, 0.1, seed=0, keep=np.zeros(60, dtype=bool))[1].ids
        assert held == ["f8", "f16", "f20", "f27", "f34", "f42"]

    def test_what_must_be_kept_has_an_entry_a_face(self, noise):
        with pytest.raises(InputError, match="keep True or False"):
            stratified_split(noise, 0.2, keep=np.arange(80))
        with pytest.raises(InputError, match=r"Expected keep \(80,\), one a face, got \(3,\)"):
            stratified_split(noise, 0.2, keep=np.zeros(3, dtype=bool))
        with pytest.raises(InputError, match="of which 40 groups must be kept, but one is empty"):
            stratified_split(noise, 0.2, keep=np.ones(80, dtype=bool))
