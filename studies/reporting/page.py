"""Self-contained HTML reports: question, answer, tables, figures, method, caveats."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure

from fer_xai.files import write_bytes
from fer_xai.names import slug
from studies.reporting.formatting import csv, latex, markdown, rounded, with_intervals

LONG = 40
"""Rows beyond which a table is folded."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure with its caption.

    The caption names the unit of analysis, the resampling scheme and the number of resamples.

    Examples
    --------
    >>> picture = Picture(name="ranks", caption="Mean ranks.", figure=plt.figure(figsize=(1, 1)))
    >>> plt.fignum_exists(picture.figure.number)  # it is no longer pyplot's
    False
    """

    name: str
    caption: str
    figure: Figure

    def __post_init__(self) -> None:
        plt.close(self.figure)  # pyplot keeps what it made, and warns of more than twenty


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with its caption; a long one is folded away on the page.

    Columns named in ``percent`` are shown with one digit. A ``leading`` table stands right under
    the answer, before the figures.

    Examples
    --------
    >>> frame = pd.DataFrame({"face": range(50)})
    >>> Table(name="faces", caption="All faces.", frame=frame).folded
    True
    """

    name: str
    caption: str
    frame: pd.DataFrame
    percent: tuple[str, ...] = ()
    leading: bool = False

    @property
    def folded(self) -> bool:
        """Whether the table is folded away, so that a reader has to open it."""
        return len(self.frame) > LONG


def png(figure: Figure, *, dpi: int = 150) -> bytes:
    """A figure as PNG; it is closed.

    Examples
    --------
    >>> png(plt.figure(figsize=(1, 1)), dpi=20)[:4]
    b'...PNG'
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    plt.close(figure)
    return buffer.getvalue()


def write_page(
    folder: Path,
    *,
    question: str,
    answer: str,
    facts: Mapping[str, str],
    tables: Sequence[Table],
    pictures: Sequence[Picture],
    method: Sequence[str],
    caveats: Sequence[str],
    manifest: Mapping[str, Any],
) -> None:
    """Tables as csv, Markdown and LaTeX, figures as PNG, ``report.html`` and ``answer.txt``.

    Examples
    --------
    >>> import tempfile
    >>> table = Table(name="methods", caption="Means.", frame=pd.DataFrame({"mean": [0.5]}))
    >>> with tempfile.TemporaryDirectory() as place:
    ...     write_page(
    ...         Path(place), question="Which?", answer="This one.", facts={}, tables=[table],
    ...         pictures=[], method=[], caveats=[], manifest={},
    ...     )
    ...     sorted(path.name for path in Path(place).rglob("*.*"))
    ['answer.txt', 'methods.csv', 'methods.md', 'methods.tex', 'report.html']
    """
    for table in tables:
        frame, percent = table.frame, table.percent
        texts = {
            "csv": csv(frame),
            "md": markdown(frame, percent=percent) + "\n",
            "tex": latex(frame, percent=percent) + "\n",
        }
        for ending, text in texts.items():
            path = folder / "tables" / f"{slug(table.name)}.{ending}"
            write_bytes(path, text.encode("utf-8", "replace"))
    drawn = [(picture, png(picture.figure)) for picture in pictures]
    for picture, image in drawn:
        write_bytes(folder / "figures" / f"{slug(picture.name)}.png", image)
    page = html(
        question=question,
        answer=answer,
        facts=facts,
        tables=tables,
        pictures=drawn,
        method=method,
        caveats=caveats,
        manifest=json.loads(json.dumps(manifest, default=str)),
    )
    write_bytes(folder / "report.html", page.encode("utf-8", "replace"))
    write_bytes(folder / "answer.txt", (answer + "\n").encode("utf-8", "replace"))


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
    """One page without any outside file; everything that is text is escaped.

    Examples
    --------
    >>> page = html(
    ...     question="Is 1 < 2?", answer="Yes.", facts={}, tables=[], pictures=[], method=[],
    ...     caveats=[], manifest={},
    ... )
    >>> "Is 1 &lt; 2?" in page
    True
    """
    environment = Environment(loader=PackageLoader("studies.reporting"), autoescape=True)
    return environment.get_template("report.html").render(
        question=question,
        answer=answer,
        facts=facts,
        tables=[
            {
                "caption": t.caption,
                "name": t.name,
                "folded": t.folded,
                "leading": t.leading,
                **_cells(t),
            }
            for t in tables
            if len(t.frame)
        ],
        pictures=[
            {"caption": p.caption, "name": p.name, "data": base64.b64encode(content).decode()}
            for p, content in pictures
        ],
        method=method,
        caveats=caveats,
        manifest=manifest,
    )


def _cells(table: Table) -> dict[str, Any]:
    """Columns and rows as text, with the bounds of an interval beside its estimate."""
    shown = with_intervals(rounded(table.frame, percent=table.percent))
    return {"columns": list(shown.columns), "rows": shown.to_numpy().tolist()}
