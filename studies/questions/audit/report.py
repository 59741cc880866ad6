"""What an audit found: rows, tables, the answer, and a page of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fer_xai.files import write_bytes
from metrics.core.registry import MetricSpec
from studies.engine import store
from studies.engine.recognised_share import Recognition
from studies.registry import question
from studies.reporting.page import html, png, write_page
from studies.scoreboard.report import Content
from studies.scoreboard.thresholds import Threshold


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Audit:
    """What an audit found.

    Attributes
    ----------
    frame
        A row a face, method and metric: ``id``, ``emotion``, ``target``, ``model``, ``method``,
        ``metric``, ``value``, and ``blank`` and ``undefined`` of its map.
    table
        A row a metric and method: mean with its interval, gain over the centre control.
    tables
        All tables of the report, by name.
    answer
        In sentences: what the model recognises beside the prior, blank and undefined maps, which
        methods beat the centre control, and the verdicts.
    recognised
        The share of faces that the model recognises, with its interval, the prior and recalls.
    judged
        Whether thresholds were judged: those of a model that recognises no more than the prior, or
        is not wired as declared, are not, unless that was asked for.
    wired
        Whether the preflight found nothing wrong, or was left out.
    thresholds
        Thresholds of methods, the gate's verdicts included.
    facts
        Facts of the model, faces and settings.
    manifest
        All that it was made with: settings, hashes, versions.
    """

    frame: pd.DataFrame
    table: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    answer: str
    recognised: Recognition
    judged: bool
    wired: bool
    thresholds: tuple[Threshold, ...]
    facts: Mapping[str, str]
    manifest: Mapping[str, Any] = field(repr=False)
    _content: Content = field(repr=False)

    def __repr__(self) -> str:
        """What was audited, and the answer."""
        return f"Audit of {self.frame['id'].nunique()} faces\n{self.answer}"

    _specs: Mapping[str, MetricSpec] = field(repr=False)
    _caveats: Sequence[str] = field(repr=False)

    @property
    def failures(self) -> tuple[Threshold, ...]:
        """Thresholds that were not reached, or not judged."""
        return tuple(asked for asked in self.thresholds if not asked.reached)

    @property
    def passed(self) -> bool:
        """Whether thresholds can be judged and every one was reached; there may be none."""
        return self.judged and not self.failures

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one file without any outside part; returns its path."""
        drawn = [(picture, png(picture.figure)) for picture in self._content.pictures]
        write_bytes(Path(path), html(pictures=drawn, **self._page()).encode("utf-8", "replace"))
        return Path(path)

    def write(self, folder: Path) -> None:
        """Write rows, tables, figures and the report into a folder."""
        store.write_table(folder / "scores.parquet", self.frame)
        write_page(folder, pictures=self._content.pictures, **self._page())

    def _page(self) -> dict[str, Any]:
        """What a page shows, pictures apart."""
        return {
            "question": question("audit"),
            "answer": self.answer,
            "facts": self.facts,
            "tables": self._content.tables,
            "method": [f"{name}: {spec.reference}." for name, spec in self._specs.items()],
            "caveats": [*self._caveats],
            "manifest": self.manifest,
        }
