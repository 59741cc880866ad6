"""Progress bars with rates, on standard error."""

from __future__ import annotations

import sys
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from fer_xai.command import terminal


def progress_bar(*, shown: bool) -> Progress:
    """A bar with count, rate, time taken and time left; several tasks can share it."""
    return Progress(
        TextColumn("{task.description:<28}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=terminal(error=True),
        disable=not shown,
        transient=not sys.stderr.isatty(),
    )


class _Rate(TextColumn):
    """Things a second."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Any) -> Any:
        return Text("" if not task.speed else f"{task.speed:.0f}/s")
