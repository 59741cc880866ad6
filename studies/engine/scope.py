"""Options that several studies share: methods and metrics, data sets, number of faces, words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro

from fer_xai.checks import check_count
from fer_xai.names import slug
from studies.engine.explained import MATCHED_TO, Explained
from studies.engine.in_words import words_table
from studies.engine.options import Options
from studies.engine.specs import SYNTHETIC
from studies.reporting.page import Table


@dataclass(frozen=True, kw_only=True)
class Methods(Options):
    """The attributions of a study.

    Examples
    --------
    >>> Methods().methods
    ()
    """

    methods: tuple[str, ...] = ()
    """Attributions; by default those that the study names, or all that a model can be explained
    by."""


@dataclass(frozen=True, kw_only=True)
class DataSets(Options):
    """Several data sets.

    Examples
    --------
    >>> DataSets(data=("rafdb:faces",)).config()
    {'data': ('rafdb:faces',)}
    """

    data: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME[:ROOT][@SOURCE] …")] = (SYNTHETIC,)
    """Data sets, such as rafdb:ROOT, or one source of a benchmark, such as gimefive:ROOT@rafdb."""


@dataclass(frozen=True, kw_only=True)
class Limit(Options):
    """The number of faces of a study.

    Examples
    --------
    >>> Limit(limit=0).check()
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected --limit as a whole number of 1 or more, got 0.
    """

    limit: int = 128
    """At most this many faces with landmarks, with the emotions' shares kept."""

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        check_count("--limit", self.limit)


@dataclass(frozen=True, kw_only=True)
class Metrics(Options):
    """The metrics of a study.

    Examples
    --------
    >>> Metrics(metrics=("road",)).config()
    {'metrics': ('road',)}
    """

    metrics: tuple[str, ...] = ()
    """Names of metrics."""


@dataclass(frozen=True, kw_only=True)
class InWords(Options):
    """Whether the report says in words where the maps of a few faces lie.

    It is presentation alone: no row and no part of a run's identity hangs on it, so that a run that
    is complete gets the table when the same command is given again with it.

    Examples
    --------
    >>> InWords(in_words=True).config(), InWords().words_of({}, Path("run"))
    ({}, [])
    """

    in_words: bool = False
    """Say in words where the maps of a few faces lie, in a table of the report."""

    def words_of(
        self, explained: Mapping[str, Explained], folder: Path, *, method: str = MATCHED_TO
    ) -> list[Table]:
        """The table in words of all networks; none where it is not asked for, or no landmarks are.

        Parameters
        ----------
        explained
            Trained networks and their faces, by name.
        folder
            Folder of the run, in which the words are kept.
        method
            An attribution that refuses none of the networks.
        """
        if not self.in_words:
            return []
        made = [
            (name, words_table(one, method, shards=folder / "shards" / "words" / slug(name)))
            for name, one in explained.items()
        ]
        found = [(name, table) for name, table in made if table is not None]
        if not found:
            return []
        frames = [table.frame.assign(model=name) for name, table in found]
        frame = pd.concat(frames, ignore_index=True)
        columns = ["model", *(name for name in frame if name != "model")]
        return [replace(found[0][1], frame=frame[columns])]
