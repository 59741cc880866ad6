"""Score weights on a dataset: ``python -m training.evaluate --weights synthetic``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from fer_xai.command import check_folder, parsed, run_command, terminal
from fer_xai.data import load_dataset
from fer_xai.errors import InputError
from fer_xai.files import write_bytes
from fer_xai.inference.predictor import Predictor
from fer_xai.models import load_model
from training.scoring import scores


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Accuracy, macro recall, F1 and calibration of a model on labelled faces.

    Faces whose emotion is none of the model's are left out. On built-in faces the accuracy of an
    ideal observer of the action units is printed beside it: the ceiling that overlapping displays
    leave.
    """

    model: str = "gimefive"
    """Architecture by name."""
    weights: str = "synthetic"
    """Shipped weights by name, or the path of a checkpoint."""
    data: str = "synthetic"
    """Dataset, as NAME or NAME:ROOT."""
    split: str = "test"
    """train, valid or test."""
    source: str | None = None
    """Source dataset to keep, of a benchmark put together from several."""
    limit: int | None = None
    """At most this many faces, with the emotions' shares kept."""
    skip_bad: bool = False
    """Leave damaged or missing images out, instead of stopping."""
    flip: bool = False
    """Average over each face and its mirror image."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    json: Path | None = None
    """Write the figures to this file as well."""

    def run(self) -> dict[str, Any]:
        """Evaluate, and print.

        Returns
        -------
        dict
            That of :func:`training.scoring.scores`, and ``bayes_accuracy`` on built-in faces.
        """
        if self.json is not None:
            check_folder(self.json.parent, option="the folder of --json")
            if self.json.is_dir():
                raise InputError(f"Expected --json as a file to write, got the folder {self.json}.")
        model = load_model(self.model, weights=self.weights)
        faces = load_dataset(
            self.data,
            split=self.split,
            source=self.source,
            emotions=model.emotions,
            limit=self.limit,
            skip_bad=self.skip_bad,
        )
        found = scores(Predictor(model, device=self.device), faces, flip=self.flip)
        bayes: dict[str, float] = {}
        if self.data.startswith("synthetic"):
            from fer_xai.data.synthetic import bayes_accuracy

            found["bayes_accuracy"], bayes = bayes_accuracy()
        self._print(found, bayes)
        if self.json is not None:
            write_bytes(self.json, (json.dumps(found, indent=2) + "\n").encode())
        return found

    def _print(self, found: dict[str, Any], bayes: dict[str, float]) -> None:
        table = Table(title=f"{self.model} ({self.weights}) on {self.data}, {self.split}")
        table.add_column("emotion")
        table.add_column("recall", justify="right")
        if bayes:
            table.add_column("ideal observer", justify="right")
        for emotion, recall in found["recall"].items():
            ideal = [f"{bayes[emotion]:.1%}"] if bayes else []
            table.add_row(emotion, f"{recall:.1%}", *ideal)
        console = terminal()
        console.print(table)
        console.print(
            f"Accuracy {found['accuracy']:.2%} of {found['faces']:,} faces"
            f"{', flip averaged' if self.flip else ''}; macro recall {found['macro_recall']:.2%}, "
            f"macro F1 {found['macro_f1']:.3f}, calibration error {found['calibration_error']:.3f}."
        )
        if bayes:
            console.print(f"An ideal observer of the action units: {found['bayes_accuracy']:.1%}.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Score by a command line; returns the exit status."""
    return run_command("training.evaluate", lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> None:
    parsed(Evaluation, arguments, prog="python -m training.evaluate").run()


if __name__ == "__main__":
    sys.exit(main())
