"""The datasets by name; each file registers one loader."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fer_xai.errors import InputError
from fer_xai.registry import Registry
from fer_xai.types import Faces


@dataclass(frozen=True)
class Problems:
    """Rows of a dataset that cannot be used: the first one raises, or all are listed.

    Attributes
    ----------
    skip
        Whether to go on without such rows.
    found
        What was left out, a sentence each.
    """

    skip: bool
    found: list[str] = field(default_factory=list)

    def add(self, sentence: str) -> None:
        """Raise, or go on without this row."""
        if not self.skip:
            raise InputError(sentence)
        self.found.append(sentence)


class Loader(Protocol):
    """Indexes one dataset: reads lists and labels, but no pixels."""

    def __call__(self, root: Path, *, split: str, problems: Problems) -> Faces:
        """Faces of one split under a folder or file; ``root`` may name a style instead.

        Rows with an unknown label go to ``problems``.
        """
        ...


DATASETS: Registry[Loader] = Registry(
    "dataset",
    package="fer_xai.data.datasets",
    first=("synthetic", "gimefive", "rafdb", "fer2013", "folder"),
)
