"""Test faces among the training faces are counted, and kept out of validation."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from fer_xai.data.splits import stratified_split
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from tests.training.run_training import training_run
from training import run as module
from training.run import TrainingRun, train
from training.variants import Column, TrainingOptions, Variant


def test_test_faces_with_the_pixels_of_training_faces_are_counted(tmp_path, monkeypatch):
    all_faces = TrainingRun.faces

    def leaking(run, split):
        faces = all_faces(run, split)
        other = all_faces(run, "train")
        copied = other.subset(np.arange(40))
        elsewhere = dataclasses.replace(copied, table=copied.table.assign(path="elsewhere"))
        return faces if split == "train" else elsewhere

    monkeypatch.setattr(TrainingRun, "faces", leaking)
    train(training_run(tmp_path, epochs=1))
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["copies_of_training_faces"]["test_faces"] == 40
    text = (tmp_path / "card.md").read_text()
    assert "40 test faces have the very pixels of a training face" in text
    assert card["copies_of_test_faces"] == 40
    assert "40 training faces that are copies or near-copies of test faces were kept out" in text


@pytest.mark.parametrize("test", ["once", "never"])
def test_no_test_face_is_validated_on(tmp_path, monkeypatch, test):
    """Half of the training faces are test faces; a network whose run never scores them, too."""
    all_faces, asked = TrainingRun.faces, {}

    def leaking(run, split):
        faces = all_faces(run, "train")
        copied = faces.subset(np.arange(0, len(faces), 2))
        elsewhere = dataclasses.replace(copied, table=copied.table.assign(path="elsewhere"))
        return faces if split == "train" else elsewhere

    def split(faces, fraction, **options):
        asked["kept"], asked["held_out"] = stratified_split(faces, fraction, **options)
        raise InputError("enough")

    monkeypatch.setattr(TrainingRun, "faces", leaking)
    monkeypatch.setattr(module, "stratified_split", split)
    with pytest.raises(InputError, match="enough"):
        train(training_run(tmp_path, test=test, limit=60))
    tested = set(all_faces(training_run(tmp_path, limit=60), "train").ids[::2])
    assert len(asked["held_out"]) == 6
    assert not tested & set(asked["held_out"].ids)
    assert tested <= set(asked["kept"].ids)


@pytest.fixture
def folder_of_persons(tmp_path):
    """Four persons, one face of each of the six emotions, in files that no known pattern names."""
    rng = np.random.default_rng(0)
    for emotion in SIX:
        (tmp_path / "faces" / emotion).mkdir(parents=True)
        for person in ("ann", "bob", "cem", "dee"):
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "faces" / emotion / f"{person}-{emotion}.png")
    return f"folder:{tmp_path / 'faces'}"


PERSON = r"/(?P<subject>[a-z]+)-"


def test_persons_that_a_pattern_names_are_held_out_whole(folder_of_persons, tmp_path, monkeypatch):
    asked = {}

    def split(faces, fraction, **options):
        asked["kept"], asked["held_out"] = stratified_split(faces, fraction, **options)
        raise InputError("enough")

    monkeypatch.setattr(module, "stratified_split", split)
    for seed in range(3):
        options = {"data": folder_of_persons, "test": "never", "seed": seed, "limit": None}
        run = training_run(tmp_path / "out", valid_fraction=0.25, subject_pattern=PERSON, **options)
        with pytest.raises(InputError, match="enough"):
            train(run)
        assert len(asked["held_out"]) == 6
        assert len(set(asked["held_out"].persons)) == 1
        assert not set(asked["held_out"].persons) & set(asked["kept"].persons)
        with pytest.raises(InputError, match="enough"):
            train(dataclasses.replace(run, subject_pattern=None))
        assert len({name.partition("-")[0] for name in asked["held_out"].ids}) > 1  # unknown


def test_a_pattern_of_persons_is_part_of_a_runs_identity_where_it_is_given(tmp_path):
    usual, named = TrainingRun(), TrainingRun(subject_pattern=PERSON)
    assert "subject_pattern" not in usual.identity()  # runs of before it keep their names
    assert named.identity()["subject_pattern"] == PERSON
    assert usual.folder() != named.folder()
    options = TrainingOptions(subject_pattern=PERSON)
    column, variant = Column.parse("rafdb:/data"), Variant(name="", model="gimefive")
    assert options.run(variant, column, 0).subject_pattern == PERSON
    assert options.settings()["subject_pattern"] == PERSON
    assert "subject_pattern" not in TrainingOptions().settings()
    with pytest.raises(InputError, match="Expected a named group"):
        train(training_run(tmp_path / "out", subject_pattern="[a-z]+"))
    assert not (tmp_path / "out").exists()
