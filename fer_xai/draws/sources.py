"""Sources of random numbers that a caller may hand in, one a face."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fer_xai.draws.streams import Device, Streams

Sources = Streams | Sequence[torch.Generator]
"""One source of numbers a face: streams, or PyTorch's generators, if a user hands them in."""


def uniform_rows(sources: Sources, *shape: int, device: Device = "cpu") -> Tensor:
    """Uniform numbers ``(N, *shape)`` of N sources.

    Parameters
    ----------
    sources
        Streams, or generators of PyTorch on the CPU.
    shape
        Shape of a source's numbers.
    device
        Device that the numbers are on.

    Examples
    --------
    >>> uniform_rows([torch.Generator()], 2).shape
    torch.Size([1, 2])
    """
    if isinstance(sources, Streams):
        return sources.rand(*shape, device=device)
    rows = [torch.rand(shape, generator=source) for source in sources]
    return torch.stack(rows).to(device) if rows else torch.empty(0, *shape, device=device)


def normal_rows(sources: Sources, *shape: int, device: Device = "cpu") -> Tensor:
    """Standard normal numbers ``(N, *shape)`` of N sources.

    Parameters
    ----------
    sources, shape, device
        As for :func:`uniform_rows`.

    Examples
    --------
    >>> from fer_xai.draws.streams import streams
    >>> normal_rows(streams([(0, "a face")]), 3, 2).shape
    torch.Size([1, 3, 2])
    """
    if isinstance(sources, Streams):
        return sources.randn(*shape, device=device)
    rows = [torch.randn(shape, generator=source) for source in sources]
    return torch.stack(rows).to(device) if rows else torch.empty(0, *shape, device=device)
