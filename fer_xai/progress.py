"""Progress bars of long calls, on terminals alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fer_xai.command import terminal

AFTER = 2.0
"""Seconds that a call takes before its bar appears."""
Told = bool | Callable[[int], None] | None
"""What users say of progress: a bar on a terminal or none, or a function of their own."""

_outermost = threading.Lock()


@contextmanager
def counted(what: str, total: int, progress: Told = True) -> Iterator[Any]:
    """A function to call with the number of things done, which moves a bar where there is one.

    The bar stands on standard error if that is a terminal, once the call has taken two seconds; it
    goes when the call ends. A call within another has none, and neither has one within
    :func:`silent`.

    Parameters
    ----------
    what
        What is counted, in the plural.
    total
        How many there are.
    progress
        True for a bar, False or None for none, or a function that is called instead.

    Examples
    --------
    >>> done = []
    >>> with counted("faces", 3, done.append) as advance:
    ...     advance(2)
    >>> done
    [2]
    """
    if callable(progress):
        yield progress
        return
    if not progress or not _outermost.acquire(blocking=False):
        yield _nothing
        return
    bar = _Bar(what, total)
    try:
        yield bar.advance
    finally:
        bar.stop()
        _outermost.release()


@contextmanager
def silent() -> Iterator[None]:
    """Within it no call shows a bar: something else tells of progress, such as a study.

    Examples
    --------
    >>> with silent(), counted("faces", 3) as advance:
    ...     advance(3)
    """
    first = _outermost.acquire(blocking=False)
    try:
        yield
    finally:
        if first:
            _outermost.release()


def _nothing(n: int) -> None:
    """Tell nobody."""


class _Bar:
    """A bar that appears late and only on a terminal."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._begun = time.monotonic()
        self._bar: Any = None
        self._console: Any = None

    def advance(self, n: int) -> None:
        """Count what has been done since."""
        self._done += n
        if self._bar is None and time.monotonic() - self._begun >= AFTER:
            self._start()
        if self._bar is not None:
            self._bar.update(self._bar.tasks[0].id, completed=self._done)

    def _start(self) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        console = terminal(error=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        shown = console.is_terminal
        self._bar = Progress(*columns, console=console, transient=True, disable=not shown)
        self._bar.add_task(self._what, total=self._total)
        self._bar.start()

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
