"""Small tables of the paper, and faces and records that are not what they were."""

import dataclasses
import json
from pathlib import Path

from studies.questions.paper_table.study import PaperTable
from tests.studies.tiny_trainings import OPTIONS
from training.run import TrainingRun


def table(folder: Path, **options) -> PaperTable:
    chosen = {"models": ("gimefive", "resnet18")} | options
    trained = dataclasses.replace(OPTIONS, runs=folder / "runs", records=folder / "records")
    return PaperTable(options=chosen.pop("options", trained), out=folder / "results", **chosen)


def repainted(split):
    """Faces of a split with the same names and labels, but other pixels."""
    faces = TrainingRun.faces

    def found(run, asked):
        kept = faces(run, asked)
        if asked != split:
            return kept

        def reader(index):
            return 255 - kept.reader(index)

        return dataclasses.replace(kept, reader=reader, _pixels={}, _sizes={})

    return found


def older(records):
    """Records as they were before cards had digests of the test faces."""
    for file in records.glob("*/card.json"):
        card = json.loads(file.read_text())
        for key in ("test_faces_sha256", "valid_faces_sha256", "training_split_sha256"):
            card.pop(key)
        file.write_text(json.dumps(card))
