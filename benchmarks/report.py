"""Rows, the Markdown table, and the machine and versions they hold for."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from benchmarks.timing import Seconds, Spread

_PACKAGES = (
    "fer-xai",
    "torch",
    "torchvision",
    "captum",
    "grad-cam",
    "torchcam",
    "numpy",
    "opencv-python-headless",
)
_HEADERS = ("what", "ours", "peer", "ratio [min, max]", "target", "met", "agreement")


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a ratio or a value should reach."""

    bound: float
    at_least: bool
    unit: str = "×"

    def met(self, value: float) -> bool:
        """Whether a median reaches it."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}{self.unit}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison.

    Attributes
    ----------
    name
        What is measured.
    ours, peer
        What each took, with units, ready to read.
    ratio
        Time of one over time of the other, as the name says; None without a peer.
    target
        Goal for the median of ``ratio``, or for ``value`` where there is no peer.
    agreement
        How far the results agree.
    """

    name: str
    ours: str
    peer: str = "—"
    ratio: Spread | None = None
    target: Target | None = None
    value: float | None = None
    agreement: str = "—"

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        judged = self.ratio.median if self.ratio is not None else self.value
        return None if self.target is None or judged is None else self.target.met(judged)

    def cells(self) -> tuple[str, ...]:
        """As strings, one a column."""
        spread = self.ratio
        return (
            self.name,
            self.ours,
            self.peer,
            "—" if spread is None else f"{shown(spread, 3)}×",
            "—" if self.target is None else str(self.target),
            {None: "—", True: "yes", False: "**no**"}[self.met],
            self.agreement,
        )


@dataclass(frozen=True, kw_only=True)
class Section:
    """What one file measured: rows, the seconds behind them by title, and what a reader must know.

    ``settings`` goes to the JSON alone.
    """

    rows: list[Row]
    seconds: dict[str, Seconds]
    notes: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)


def shown(spread: Spread, digits: int = 2) -> str:
    """``median [min, max]``."""
    return f"{spread.median:.{digits}f} [{spread.low:.{digits}f}, {spread.high:.{digits}f}]"


def machine() -> dict[str, Any]:
    """Processor, load, threads and versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "commit": _commit(),
        "versions": {name: version(name) for name in _PACKAGES},
    }


def machine_line(about: dict[str, Any]) -> str:
    """One sentence of :func:`machine`."""
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    return (
        f"{about['processor']}, {about['cores']} cores, {about['threads']} threads, "
        f"{about['system']}; load average {about['load_average_at_start']} before the start; "
        f"Python {about['python']}; commit {about['commit']}; {versions}."
    )


def markdown(
    sections: Sequence[Section],
    *,
    about: dict[str, Any],
    date: str,
    rounds: int,
    processes: str = "one process",
    command: str = "python -m benchmarks",
) -> str:
    """The whole page."""
    rows = [row.cells() for section in sections for row in section.rows]
    notes = [f"- {note}" for section in sections for note in section.notes]
    lines = [
        f"# Benchmarks of {date}",
        "",
        machine_line(about),
        "",
        f"Contenders take turns in {processes}; medians of {rounds} rounds after one that warms "
        "up; ratios are taken round by round. Every raw timing is in the JSON beside this file. "
        f"Written by `{command}`.",
        "",
        tabulate(rows, headers=_HEADERS, tablefmt="pipe", disable_numparse=True),
        "",
        *notes,
    ]
    return "\n".join(lines) + "\n"


def as_json(sections: dict[str, Section], *, about: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Everything, raw."""
    return {
        "machine": about,
        "rounds": rounds,
        "benchmarks": {
            name: {
                "settings": section.settings,
                "seconds": section.seconds,
                "rows": [{**asdict(row), "met": row.met} for row in section.rows],
            }
            for name, section in sections.items()
        },
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    """Short hash of this checkout, marked where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    done = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
