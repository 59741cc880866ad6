"""Folds are disjoint, stratified, keep persons and copies whole, and depend on the images alone."""

import numpy as np
import pytest
import torch
from PIL import Image

from fer_xai.data import load_dataset
from fer_xai.data.folds import image_digests, stratified_folds
from fer_xai.data.shared_images import one_of, plain, share_images
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.types import Faces


def drawn(counts, *, seed=0, subject=None, copies=()):
    """Faces of noise: so many of each emotion; pairs of positions share their pixels."""
    labels = [name for name, count in counts.items() for _ in range(count)]
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (len(labels), 3, 8, 8), generator=generator, dtype=torch.uint8)
    for one, other in copies:
        images[other] = images[one]
    columns = {} if subject is None else {"subject": subject}
    return Faces.from_tensors(images, labels, **columns)


def table(faces, folds, k):
    found = np.zeros((k, len(EMOTIONS)), dtype=int)
    np.add.at(found, (folds, faces.labels.numpy()), 1)
    return found


@pytest.mark.parametrize("k", [2, 3, 7])
def test_faces_of_an_emotion_differ_by_one_between_folds(k):
    faces = drawn({"fear": 7, "anger": 40, "happiness": 101, "sadness": 23})
    folds = stratified_folds(faces, k)
    assert set(folds) == set(range(k))
    counts = table(faces, folds, k)
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 1
    assert np.ptp(np.bincount(folds)) <= 3
    other = stratified_folds(faces, k, seed=1)
    assert not np.array_equal(other, folds)


def test_folds_do_not_depend_on_the_order_of_faces_or_on_their_names():
    subject = [f"p{number % 31}" if number % 3 else "" for number in range(120)]
    faces = drawn(dict.fromkeys(SIX, 20), subject=subject, copies=[(0, 100), (3, 4)])
    folds = stratified_folds(faces, 5)
    order = np.random.default_rng(0).permutation(len(faces))
    assert np.array_equal(stratified_folds(faces.subset(order), 5), folds[order])
    renamed = Faces.from_tensors(
        faces.pixels(8), faces.labels, ids=[f"other-{k}" for k in range(120)], subject=subject
    )
    assert np.array_equal(stratified_folds(renamed, 5), folds)


def test_persons_and_copies_do_not_straddle_folds():
    rng = np.random.default_rng(1)
    subject = [f"p{number}" for number in rng.integers(0, 25, 300)]
    faces = drawn(dict.fromkeys(SIX, 50), subject=subject)
    folds = stratified_folds(faces, 5)
    where = {}
    for person, fold in zip(subject, folds, strict=True):
        assert where.setdefault(person, fold) == fold
    counts = table(faces, folds, 5)[:, [EMOTIONS.index(name) for name in SIX]]
    assert counts.min() >= 6  # of 10 on average, though 12 faces of a person move as one
    assert counts.max() <= 14
    copied = drawn(dict.fromkeys(SIX, 12), copies=[(0, 70), (5, 6), (6, 30)])
    for k in (2, 3):
        own = stratified_folds(copied, k)
        assert own[0] == own[70]
        assert own[5] == own[6] == own[30]


def test_files_are_known_by_their_bytes_wherever_they_lie(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
    found = []
    for place, order in (("here", range(24)), ("there", range(23, -1, -1))):
        for number in order:
            folder = tmp_path / place / SIX[number % 6]
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{number if place == 'here' else 99 - number}.png"
            Image.fromarray(images[number]).save(folder / name)
        faces = load_dataset(f"folder:{tmp_path / place}", split="test")
        folds = stratified_folds(faces, 4, seed=3)
        found.append(dict(zip(image_digests(faces), folds.tolist(), strict=True)))
    assert found[0] == found[1]
    assert len(found[0]) == 24


@pytest.mark.parametrize(
    ("k", "options", "sentence"),
    [
        (1, {}, "Expected 2 folds or more, got 1: one fold is held out while"),
        (True, {}, "Expected 2 folds or more, got True"),
        (2.5, {}, "Expected 2 folds or more, got 2.5"),
        (5, {}, "Expected at most 4 folds, as many as tensors has faces of its rarest emotion, fear"),
        (3, {"subject": list("aabb" + "cdefghij")}, r"the 4 faces of fear .* are of 2 persons or"),
        (3, {"copies": [(0, 1), (1, 2)]}, "the 4 faces of fear .* are of 2 persons or photographs"),
    ],
)  # fmt: off
def test_folds_that_cannot_be_made_are_refused(k, options, sentence):
    with pytest.raises(InputError, match=sentence):
        stratified_folds(drawn({"fear": 4, "anger": 8}, **options), k)


def test_a_fold_without_an_emotion_is_refused():
    """Two persons have all of anger's faces but one; the third face goes where it goes."""
    subject = ["a"] * 9 + ["b"] * 9 + ["c"] * 4
    faces = drawn({"fear": 9, "anger": 9, "sadness": 4}, subject=subject)
    with pytest.raises(InputError, match="are of 1 persons or photographs"):
        stratified_folds(faces, 2)


def test_names_of_data_sets_that_share_images():
    assert plain("CK+48:/x#test_share=.2") == "ck48"
    assert share_images("gimefive", "ferplus")  # by way of FER2013
    assert share_images("aggregate", "ck48")
    assert not share_images("kdef", "gimefive")
    assert one_of("aggregate", "RAF-DB") == "rafdb"
    assert one_of("rafdb", "other") == "rafdb"
