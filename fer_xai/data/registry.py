"""The datasets by name; each file registers one loader."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

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
    remarks
        What a user should know though every face is kept, a sentence each.
    left_out
        Number of faces that are left out on purpose, by their label: those that show no emotion.

    Examples
    --------
    >>> problems = Problems(skip=True)
    >>> problems.add("Expected a label in row 3, got none.")
    >>> len(problems.found)
    1
    >>> Problems(skip=False).add("Expected a label in row 3, got none.")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected a label in row 3, got none.
    """

    skip: bool
    found: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, sentence: str) -> None:
        """Raise, or go on without this row."""
        if not self.skip:
            raise InputError(sentence)
        self.found.append(sentence)


@runtime_checkable
class Loader(Protocol):
    """Indexes one dataset: reads lists and labels, but no pixels.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     (Path(place) / "mine" / "fear").mkdir(parents=True)
    ...     (Path(place) / "mine" / "fear" / "1.png").touch()
    ...     DATASETS["folder"](Path(place) / "mine", split="test", problems=Problems(skip=False))
    Faces(mine: 1 face (fear 1))
    """

    def __call__(self, root: Path, *, split: str, problems: Problems) -> Faces:
        """Faces of one split under a folder or file; ``root`` may name a style instead.

        Rows with an unknown label go to ``problems``. Further keyword-only parameters are options
        of the data set, texts that :class:`fer_xai.data.spec.DatasetSpec` reads; one of them,
        ``emotion_map``, is a :class:`fer_xai.data.emotion_map.EmotionMap`.
        """
        ...


DATASETS: Registry[Loader] = Registry(
    "dataset",
    package="fer_xai.data.datasets",
    first=("synthetic", "gimefive", "rafdb", "fer2013", "folder"),
    holds=Loader,
    wanted="a function of root, split and problems",
    remedy="register a function that returns Faces",
)
