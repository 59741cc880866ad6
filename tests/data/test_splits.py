import numpy as np
import pandas as pd
import pytest

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.data.splits import face_groups, stratified_split
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Faces


def _faces(emotions, *, seeds=None, subjects=None, groups=None):
    """Faces of noise; equal seeds have equal pixels."""
    n = len(emotions)
    seeds = range(n) if seeds is None else seeds
    images = [np.random.default_rng(s).integers(0, 256, (16, 16, 3), dtype=np.uint8) for s in seeds]
    table = pd.DataFrame(
        {
            "id": [f"f{i}" for i in range(n)],
            "path": [f"f{i}.png" for i in range(n)],
            "emotion": emotions,
            "split": "train",
            "subject": subjects or [""] * n,
            "source": "",
            "group": groups or [""] * n,
        },
        columns=list(COLUMNS),
    )
    return Faces(table=table, reader=lambda row: images[row], name="noise")


UNEVEN = ["happiness"] * 80 + ["fear"] * 20 + ["disgust"] * 10


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.9])
def test_every_emotion_gives_its_share(fraction):
    kept, held = stratified_split(_faces(UNEVEN), fraction, seed=1)
    assert sorted(kept.ids + held.ids) == sorted(f"f{i}" for i in range(110))
    for emotion in ("happiness", "fear", "disgust"):
        got = (held.table["emotion"] == emotion).sum()
        assert got == round(UNEVEN.count(emotion) * fraction)


def test_both_sides_keep_the_order_of_the_table():
    for part in stratified_split(_faces(UNEVEN), 0.3):
        numbers = [int(name[1:]) for name in part.ids]
        assert numbers == sorted(numbers)


def test_the_split_is_seeded():
    faces = _faces(UNEVEN)
    held = [stratified_split(faces, 0.2, seed=s)[1].ids for s in (0, 0, 1)]
    assert held[0] == held[1] != held[2]


@pytest.mark.parametrize("seed", range(5))
def test_copies_and_persons_never_straddle(seed):
    """Persons, copies across them, and named groups of copies, all overlapping."""
    rng = np.random.default_rng(seed)
    n = 120
    faces = _faces(
        list(rng.choice(SIX, n)),
        seeds=list(rng.integers(0, 70, n)),  # many copies, some with conflicting labels
        subjects=[f"s{i}" if i < 30 else "" for i in rng.integers(0, 60, n)],
        groups=[f"g{i}" if i < 10 else "" for i in rng.integers(0, 40, n)],
    )
    kept, held = stratified_split(faces, 0.4, seed=seed)
    assert len(kept) + len(held) == n
    for column in ("subject", "group"):
        both = set(kept.table[column]) & set(held.table[column])
        assert both <= {""}
    pixels = [{p.numpy().tobytes() for p in part.pixels(16)} for part in (kept, held)]
    assert not pixels[0] & pixels[1]


def test_persons_of_built_in_faces_stay_on_one_side():
    kept, held = stratified_split(synthetic_faces(12 * 8, split="train"), 0.25)
    assert not set(kept.table["subject"]) & set(held.table["subject"])
    assert held.table["emotion"].value_counts().tolist() == [4] * 6


def test_groups_are_the_closure_of_what_faces_share():
    """0–1 share a person, 1–2 pixels, 2–3 a group; 4 and 5 stand alone."""
    faces = _faces(
        ["fear"] * 6,
        seeds=[0, 1, 1, 2, 3, 4],
        subjects=["a", "a", "", "", "", "b"],
        groups=["", "", "g", "g", "", ""],
    )
    groups = face_groups(faces)
    assert len(set(groups[:4])) == 1
    assert len(set(groups)) == 3
    assert set(groups) == {0, 1, 2}


def test_a_person_and_a_group_of_one_name_are_two_things():
    faces = _faces(["fear"] * 2, subjects=["a", ""], groups=["", "a"])
    assert len(set(face_groups(faces))) == 2


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 20])
def test_fractions_lie_between_none_and_all(fraction):
    with pytest.raises(InputError, match="Expected a fraction between 0 and 1 to hold out, got"):
        stratified_split(_faces(UNEVEN), fraction)


@pytest.mark.parametrize(
    "faces",
    [
        _faces(["fear"] * 2),  # a tenth of two rounds to none
        _faces(["fear"] * 20, subjects=["a"] * 20),  # nobody to part
        _faces(["fear"] * 20, seeds=[0] * 20),
        _faces([]),
    ],
    ids=["few", "one person", "one image", "none"],
)
def test_an_empty_side_is_an_error(faces):
    with pytest.raises(InputError, match="Expected faces on both sides of a split of .* faces at"):
        stratified_split(faces, 0.1)
