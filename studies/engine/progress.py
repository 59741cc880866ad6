"""Progress with rates, on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from fer_xai.command import terminal

EVERY = 30.0
"""Seconds between two lines where there is no terminal."""


def progress_bar(*, shown: bool, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Progress display with count, rate, time taken and time left, for one or several tasks.

    On a terminal they are bars. Elsewhere (a file, a pipe, a job's log) a plain line is written
    about every half minute.

    Parameters
    ----------
    shown
        Whether anything is shown.
    clock
        Seconds that go by.

    Examples
    --------
    >>> with progress_bar(shown=False) as bar:
    ...     task = bar.add_task("faces", total=3)
    ...     bar.advance(task, 2)
    >>> bar.tasks[0].completed
    2
    """
    console = terminal(error=True)
    columns = (
        TextColumn("{task.description:<28}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    if shown and not console.is_terminal:
        return _Lines(*columns, console=console, clock=clock)
    return Progress(*columns, console=console, disable=not shown)


class _Lines(Progress):
    """Progress as a plain line about every half minute, whether or not a task advances."""

    def __init__(
        self, *columns: ProgressColumn, console: Console, clock: Callable[[], float]
    ) -> None:
        super().__init__(*columns, console=console, disable=True)  # no bars
        self._clock, self._said = clock, clock()
        self._begun: dict[TaskID, float] = {}
        self._ended = threading.Event()

    def start(self) -> None:
        super().start()
        self._ended.clear()
        self._watcher = threading.Thread(target=self._watch, daemon=True, name="progress lines")
        self._watcher.start()

    def stop(self) -> None:
        self._ended.set()
        self._watcher.join()
        super().stop()

    def _watch(self) -> None:
        """Say a line where nothing has advanced for long: the first faces of a run, say."""
        while not self._ended.wait(EVERY):
            if self._begun:
                self._say(max(self._begun))

    def add_task(self, description: str, *args: Any, **options: Any) -> TaskID:
        task = super().add_task(description, *args, **options)
        self._begun[task] = self._clock()
        return task

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._say(task_id)

    def _say(self, task_id: TaskID) -> None:
        now = self._clock()
        if now - self._said >= EVERY:
            self._said = now
            self.console.print(self._line(task_id, now - self._begun[task_id]), soft_wrap=True)

    def _line(self, task_id: TaskID, seconds: float) -> str:
        task = next(task for task in self.tasks if task.id == task_id)
        line = f"{task.description}: {task.completed:.0f}"
        if task.total is not None:
            line += f" of {task.total:.0f}"
        rate = task.completed / seconds if seconds > 0 else 0.0
        if not task.completed:
            line += f", {_duration(seconds)} so far"
        if rate > 0:
            line += f", {_per_second(rate)}"
            if task.total is not None:
                line += f", {_duration((task.total - task.completed) / rate)} left"
        return line


class _Rate(TextColumn):
    """Column with the number of items per second."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Any) -> Any:
        return Text("" if not task.speed else f"{task.speed:.0f}/s")


def _per_second(rate: float) -> str:
    """A rate as text, per minute where it is slow.

    >>> _per_second(12.3), _per_second(0.05)
    ('12.3/s', '3.0/min')
    """
    return f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.1f}/min"


def _duration(seconds: float) -> str:
    """A duration as text, in its usual unit.

    >>> _duration(41), _duration(600), _duration(9000)
    ('41 s', '10 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
