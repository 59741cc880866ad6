"""Self-contained HTML reports: question, answer, tables, figures, method, caveats."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure

from studies.consistency_tables import rounded


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure with its caption: unit, scheme and B belong into it."""

    name: str
    caption: str
    figure: Figure


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with its caption."""

    name: str
    caption: str
    frame: pd.DataFrame


def png(figure: Figure) -> bytes:
    """A figure as PNG; it is closed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    plt.close(figure)
    return buffer.getvalue()


def html(
    *,
    question: str,
    answer: str,
    facts: Mapping[str, str],
    tables: Sequence[Table],
    pictures: Sequence[tuple[Picture, bytes]],
    method: Sequence[str],
    caveats: Sequence[str],
    manifest: Mapping[str, Any],
) -> str:
    """One page without any outside file; everything that is text is escaped."""
    environment = Environment(loader=PackageLoader("studies"), autoescape=True)
    return environment.get_template("report.html").render(
        question=question,
        answer=answer,
        facts=facts,
        tables=[
            {"caption": t.caption, "name": t.name, "columns": list(t.frame.columns),
             "rows": rounded(t.frame).to_numpy().tolist()}
            for t in tables
        ],
        pictures=[
            {"caption": p.caption, "name": p.name, "data": base64.b64encode(content).decode()}
            for p, content in pictures
        ],
        method=method,
        caveats=caveats,
        manifest=manifest,
    )  # fmt: skip
