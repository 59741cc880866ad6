"""What all studies share: a folder for results, and the skeleton of a run.

A study checks its options, reads faces, opens a run (:meth:`Study.opened`: its folder, manifest and
progress, begun or resumed), works, writes its report and ends the run (:meth:`Run.complete`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from rich.progress import Progress as ProgressBar

from fer_xai.command import check_folder, terminal
from fer_xai.data.splits import face_groups
from fer_xai.progress import silent
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.endpoints import Endpoint
from studies.engine.options import Options
from studies.engine.progress import progress_bar


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A run that is under way.

    Attributes
    ----------
    folder
        Where results go.
    manifest
        What is said of them; written by :meth:`record`.
    bar
        Progress, to which tasks are added.
    """

    folder: Path
    manifest: dict[str, Any]
    bar: ProgressBar

    def record(self) -> None:
        """Write the manifest as it is now."""
        store.write_json(self.folder / "manifest.json", self.manifest)

    def keep(self, name: str, rows: pd.DataFrame) -> None:
        """Write rows as ``NAME.parquet``."""
        store.write_table(self.folder / f"{name}.parquet", rows)

    def complete(self, answer: str | None = None, *, units: str | None = None) -> Path:
        """Record that everything is written; an answer is said on the terminal.

        Parameters
        ----------
        answer
            The answer.
        units
            How faces are counted (:func:`studies.engine.units.units_of`), said beneath it.

        Returns
        -------
        Path
            The folder.
        """
        self.record()
        if answer is not None:
            say_answer(answer, self.folder, units=units)
        return self.folder


def say_answer(answer: str, folder: Path, *, units: str | None = None) -> None:
    """Print an answer, how faces are counted, and where the report lies.

    Examples
    --------
    >>> say_answer("Yes.", Path("results"))
    Yes.
    Report: results/report.html
    """
    console = terminal()
    console.print(answer, style="bold", soft_wrap=True)
    if units is not None:
        console.print(f"Units: {units}.", soft_wrap=True)
    console.print(f"Report: {folder / 'report.html'}", soft_wrap=True)


@dataclass(frozen=True, kw_only=True)
class Study(Options):
    """A question, its options, and the skeleton of a run that answers it."""

    name: ClassVar[str]
    endpoint: ClassVar[Endpoint | None] = None
    """What the study claims, declared before there are rows; a part of each run's identity."""

    out: Path = Path("results")
    """Results go to OUT/<study>/<run>."""

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        check_folder(self.out / self.name)
        super().check()

    def declaration(self) -> dict[str, Any]:
        """The endpoint as a part of the options that identify a run; empty without one."""
        return {} if self.endpoint is None else {"endpoint": self.endpoint.declared()}

    def config(self) -> dict[str, Any]:
        """Options that identify a run, and its endpoint, for its manifest and digest."""
        return super().config() | self.declaration()

    def run(self) -> Path | int:
        """Run, or continue; returns the folder of results, or an exit status.

        Raises
        ------
        InputError
            For options that do not fit together or data that cannot be used.
        """
        raise NotImplementedError

    @contextmanager
    def opened(self, inputs: Mapping[str, Any], *parts: str | None) -> Iterator[Run]:
        """A run's folder, manifest and progress, begun or resumed; complete at its end.

        What turns out not to be possible before anything was made leaves no folder behind. That
        the run is complete is written down by :meth:`Run.complete`, once the report is.

        Parameters
        ----------
        inputs
            Digests of everything read.
        parts
            What a run's folder is called, before the digest of options and inputs.

        Raises
        ------
        InputError
            If the folder holds another run.
        """
        config = self.config()
        name = store.run_id(*parts, store.digest([config, inputs]))
        folder = self.out / self.name / name
        manifest = store.open_run(folder, config, inputs)
        started = time.perf_counter()
        shown = bool(getattr(self, "progress", False))
        with store.removed_if_refused(folder), silent(), progress_bar(shown=shown) as bar:
            yield Run(folder=folder, manifest=manifest, bar=bar)
        manifest["seconds"] = round(manifest.get("seconds", 0) + time.perf_counter() - started, 1)
        manifest["status"] = "complete"


def face_table(faces: Faces) -> pd.DataFrame:
    """Who was looked at, a row a face, with the unit that intervals take it to belong to.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> face_table(synthetic_faces(13))["cluster"].nunique()  # twelve faces of each person
    2
    """
    table = faces.table[["id", "emotion", "split", "subject", "group", "source"]]
    return table.assign(cluster=face_groups(faces))
