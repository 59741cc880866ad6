"""What studies share that train what they compare: options, the plan, and the table's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from studies.engine import store
from studies.engine.options import DryRun
from studies.engine.study import Study, say_answer
from studies.engine.untrained import Untrained
from training.grid import Training
from training.predictions import check_table
from training.variants import TrainingOptions

DEFAULTS = TrainingOptions()


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The folder of a table, and what is said of its trainings.

    Attributes
    ----------
    folder
        Where results go.
    manifest
        What is said of them.

    Examples
    --------
    >>> Tables(folder=Path("results/ablation/run"), manifest={"trainings": {}}).folder.name
    'run'
    """

    folder: Path
    manifest: dict[str, Any]

    def complete(self, answer: str) -> Path:
        """Record that everything is written, and say the answer; returns the folder."""
        store.write_json(self.folder / "manifest.json", self.manifest | {"status": "complete"})
        say_answer(answer, self.folder)
        return self.folder


@dataclass(frozen=True, kw_only=True)
class TrainedStudy(Study, DryRun):
    """A study whose rows are trainings: each resumes by itself, and the table is made anew."""

    options: Annotated[
        tyro.conf.OmitArgPrefixes[TrainingOptions], tyro.conf.arg(name="training")
    ] = DEFAULTS
    """How the models of a table are trained."""

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        self.options.check_folders()

    def tables(
        self,
        name: str,
        done: Sequence[Training],
        config: Mapping[str, Any],
        inputs: Mapping[str, Any] | None = None,
    ) -> Tables:
        """The folder that the trainings which are done are tabulated in.

        Parameters
        ----------
        name
            The folder's name.
        done
            Trainings that are shown.
        config, inputs
            Options that identify the table, and digests of what is read beside the trainings.

        Raises
        ------
        InputError
            If it holds a table of other faces.
        """
        folder = self.out / self.name / name
        manifest = {
            "config": config,
            **({} if inputs is None else {"inputs": inputs}),
            **store.environment(),
            "trainings": {cell.folder.name: cell.facts() for cell in done},
        }
        check_table(folder, manifest)
        return Tables(folder=folder, manifest=manifest)


@dataclass(frozen=True, kw_only=True)
class OneDataset(TrainedStudy, Untrained):
    """A study of trainings on one dataset, with untrained networks beside them."""

    data: Annotated[str, tyro.conf.arg(metavar="NAME[:ROOT][@SOURCE]")] = "synthetic"
    """Dataset to train and test on."""
