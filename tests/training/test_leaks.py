"""Test faces among the training faces are counted, and kept out of validation."""

import dataclasses
import json

import numpy as np
import pytest

from fer_xai.data.splits import stratified_split
from fer_xai.errors import InputError
from tests.training.run_training import training_run
from training import run as module
from training.run import TrainingRun, train


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
