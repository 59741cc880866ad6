"""The datasets by name; each file registers one loader."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from fer_xai.registry import Registry
from fer_xai.types import Faces


class Loader(Protocol):
    """Indexes one dataset: reads lists and labels, but no pixels."""

    def __call__(self, root: Path, *, split: str) -> Faces:
        """Faces of one split under a folder or file; ``root`` may name a style instead."""
        ...


DATASETS: Registry[Loader] = Registry(
    "dataset",
    {
        "synthetic": "fer_xai.data.synthetic.dataset",
        "gimefive": "fer_xai.data.gimefive",
        "rafdb": "fer_xai.data.rafdb",
        "fer2013": "fer_xai.data.fer2013",
        "folder": "fer_xai.data.folder",
    },
)
