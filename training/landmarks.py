"""Train the built-in landmark provider: ``python -m training.landmarks --out runs/landmarks``."""

from __future__ import annotations

import dataclasses
import datetime
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro

import fer_xai
from fer_xai.checks import check_count, check_number
from fer_xai.command import check_folder, parsed, run_command, terminal
from fer_xai.data import load_dataset
from fer_xai.detect.network import SIDE, LandmarkNet
from fer_xai.errors import InputError
from fer_xai.files import read_json, write_bytes, write_whole
from fer_xai.models.checkpoints import file_digest, load_state, read_state, save_weights
from fer_xai.provenance import commit, processor
from fer_xai.types import Faces
from training.landmark_card import landmark_card, scores_of
from training.landmark_faces import SYNTHETIC, built_in_faces, grey_crops
from training.landmark_trainee import Trainee

WEIGHTS, CARD, SETTINGS, STATE = "weights.safetensors", "card.json", "settings.json", "state.pt"


@dataclass(frozen=True, kw_only=True)
class LandmarkTraining:
    """Train the small network of 68 points; all training faces are used, the last epoch is kept.

    Started again with the same options it goes on from the last epoch.

    Examples
    --------
    >>> LandmarkTraining(epochs=1).identity()["data"]
    'synthetic'
    """

    data: Annotated[str, tyro.conf.arg(metavar="NAME[:ROOT]")] = SYNTHETIC
    """Training faces: a dataset, or 'synthetic' for the built-in faces of every style."""
    source: str | None = None
    """Source dataset to keep, of a benchmark put together from several."""
    points: Path | None = None
    """CSV[.gz] of 68 points a training face, not needed for built-in faces."""
    points_size: int | None = None
    """Side of the images the points were measured on, if it is not that of the faces."""
    test_data: str | None = None
    """Test faces, if they are of another dataset than the training faces."""
    test_source: str | None = None
    """Source dataset of the test faces."""
    test_points: Path | None = None
    """CSV[.gz] of 68 points a test face; without it, built-in faces alone are scored."""
    limit: int | None = None
    """At most this many training (and test) faces."""
    epochs: int = 40
    """Number of passes over the faces."""
    batch_size: int = 64
    """Faces a step."""
    learning_rate: float = 2e-3
    """Highest learning rate of AdamW."""
    weight_decay: float = 0.01
    """Weight decay of AdamW."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Autocast precision of the forward pass; a CPU without AVX-512 wants fp32."""
    seed: int = 0
    """Seed of initialisation, order and augmentation."""
    minutes: float | None = None
    """Stop after the epoch in which this many minutes have passed; the same command goes on."""
    out: Path = Path("runs/landmarks")
    """Folder of the run."""

    def check(self) -> None:
        """Refuse options that no training can be made with.

        Raises
        ------
        InputError
            Naming the first.
        """
        for option in ("epochs", "batch_size"):
            check_count(f"--{option.replace('_', '-')}", getattr(self, option))
        check_number("--learning-rate", self.learning_rate, 0)
        check_number("--weight-decay", self.weight_decay, 0, ends=True)
        check_number("--seed", self.seed, 0, ends=True)
        if self.minutes is not None:
            check_number("--minutes", self.minutes, 0)
        if self.data != SYNTHETIC and self.points is None:
            raise InputError(
                f"Expected --points with the landmarks of {self.data}: a CSV of image,x0,y0,…,y67."
            )
        check_folder(self.out)

    def identity(self) -> dict[str, Any]:
        """Options that the weights depend on."""
        told = dataclasses.asdict(self)
        for option in ("minutes", "out", "test_data", "test_source", "test_points"):
            del told[option]
        told["data"] = self.data.partition(":")[0]
        told["points"] = None if self.points is None else self.points.name
        return told

    def faces(self, split: str) -> Faces:
        """The faces of a split, with their points."""
        if self.data == SYNTHETIC:
            return built_in_faces(split, limit=self.limit)
        return load_dataset(
            self.data,
            split=split,
            source=self.source,
            landmarks=self.points if split == "train" else self.test_points,
            landmarks_size=self.points_size,
            limit=self.limit,
        )

    def faces_to_test(self) -> dict[str, Faces]:
        """Faces to score on, by name: built-in ones, and those of ``--test-points``."""
        found = {"built-in faces": built_in_faces("test", limit=self.limit)}
        if self.test_points is not None:
            told = dataclasses.replace(
                self, data=self.test_data or self.data, source=self.test_source or self.source
            )
            faces = told.faces("test")
            found[told.source or faces.name] = faces
        return found


def train(run: LandmarkTraining) -> bool:
    """Train, or go on with a training; returns whether it is complete.

    Raises
    ------
    InputError
        For options or data that cannot be used, or a folder that holds another training.

    Examples
    --------
    >>> train(LandmarkTraining(epochs=0))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected --epochs as a whole number of 1 or more, got 0.
    """
    run.check()
    console = terminal()
    if (run.out / CARD).exists():
        _check_same(run, run.out)
        console.print(f"{run.out}: done")
        return True
    begun = time.monotonic()
    everyone = run.faces("train")
    points = torch.from_numpy(everyone.landmarks_at(SIDE))
    known = torch.isfinite(points).all(dim=2).all(dim=1)
    faces = everyone.subset(np.flatnonzero(known.numpy()))
    if len(faces) < run.batch_size:
        raise InputError(
            f"Expected at least a batch of {run.batch_size} faces with points, got {len(faces)}."
        )
    _check_same(run, run.out, faces=faces.fingerprint(SIDE))
    images, points = grey_crops(faces), points[known]
    trainee = Trainee(
        steps=run.epochs * (len(images) // run.batch_size),
        batch_size=run.batch_size,
        learning_rate=run.learning_rate,
        weight_decay=run.weight_decay,
        half=run.precision == "bf16",
        seed=run.seed,
    )
    epoch = trainee.resume(run.out / STATE)
    while epoch < run.epochs:
        started = time.process_time()
        error = trainee.epoch(images, points, epoch)
        epoch += 1
        trainee.seconds += time.process_time() - started
        write_whole(run.out / STATE, partial(trainee.save, epoch=epoch))
        console.print(f"epoch {epoch} of {run.epochs}: training error {error:.2%}")
        spent = (time.monotonic() - begun) / 60
        if run.minutes is not None and spent >= run.minutes and epoch < run.epochs:
            console.print(f"stopped after {spent:.0f} minutes: the same command goes on.")
            return False
    _export(run, trainee, faces, left_out=len(everyone) - len(faces))
    return True


def _check_same(run: LandmarkTraining, folder: Path, *, faces: str | None = None) -> None:
    """Refuse a folder that holds another training; note the options in an empty one."""
    told: dict[str, Any] = run.identity()
    file = folder / SETTINGS
    if file.exists():
        theirs = read_json(file, remedy=f"delete {folder}, and the same command begins anew")
        wanted = told | ({} if faces is None else {"faces_sha256": faces})
        differ = [key for key, value in wanted.items() if theirs.get(key) != value]
        if differ:
            raise InputError(
                f"Expected {folder} to hold a training of the same options and faces, but it "
                f"differs in {', '.join(differ)}: choose another --out, or delete that folder."
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(file, (json.dumps(told | {"faces_sha256": faces}, indent=2) + "\n").encode())


def _export(run: LandmarkTraining, trainee: Trainee, faces: Faces, *, left_out: int) -> None:
    """Write halved weights, score them, and write the card, which comes last."""
    trained = {
        "model": "landmarks",
        "size": SIDE,
        "trained_on": run.source or run.identity()["data"],
    }
    save_weights(trainee.net, run.out / WEIGHTS, settings=trained)
    exported = LandmarkNet()
    load_state(exported, read_state(run.out / WEIGHTS)[0], what="the landmark network")
    card: Mapping[str, Any] = {
        "settings": run.identity(),
        "train_faces": len(faces),
        "left_out": left_out,
        "minutes_of_processor": round(trainee.seconds / 60, 1),
        "test": {
            name: scores_of(exported, grey_crops(tested), tested)
            for name, tested in run.faces_to_test().items()
        },
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit(),
        "processor": processor(),
        "versions": {"fer_xai": fer_xai.__version__, "torch": torch.__version__},
        "weights_sha256": file_digest(run.out / WEIGHTS),
    }
    write_bytes(run.out / "card.md", landmark_card(card).encode())
    write_bytes(run.out / CARD, (json.dumps(card, indent=2) + "\n").encode())


def main(words: Sequence[str] | None = None) -> int:
    """Train as the command line says; returns the exit status.

    Examples
    --------
    >>> main(["--epochs", "0"])
    2
    """

    def work() -> None:
        train(parsed(LandmarkTraining, words, prog="python -m training.landmarks"))

    return run_command(
        "landmarks", work, stopped="stopped: the same command goes on from the last epoch."
    )


if __name__ == "__main__":
    sys.exit(main())
