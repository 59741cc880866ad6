"""What a layer gives, read as feature maps: channels first or last, or the tokens of patches."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fer_xai.attributions.core.tokens import Tokens, trace_tokens
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor

Reshape = Callable[[Tensor], Tensor]
Grids = frozenset[tuple[int, int]]


def feature_maps(
    output: Any,
    reshape: Reshape | None = None,
    tokens: Tokens | None = None,
    grids: Grids = frozenset(),
) -> Tensor | None:
    """A layer's output as feature maps ``(B, C, h, w)``, or None if it cannot be spatial.

    Maps with channels first stay as they are, channels last (Swin in timm) are moved
    (:func:`channel_axis`), and of tokens ``(B, T, C)`` those of the patches are taken, if
    ``tokens`` says which these are (:func:`token_grid`). ``reshape`` does it for a model that needs
    another way.

    Examples
    --------
    >>> feature_maps(torch.zeros(2, 7, 7, 96)).shape
    torch.Size([2, 96, 7, 7])
    >>> patches = Tokens(side=(2, 3), places=torch.arange(1, 7), length=7)  # behind a class token
    >>> feature_maps(torch.zeros(2, 7, 12), tokens=patches).shape
    torch.Size([2, 12, 2, 3])
    >>> feature_maps(torch.zeros(2, 7, 12)) is None
    True
    """
    if not isinstance(output, Tensor):
        return None
    if reshape is not None:
        maps = reshape(output)
        return maps if maps.ndim == 4 else None
    if output.ndim == 3 and tokens is not None and output.shape[1] == tokens.length:
        return tokens.maps(output)
    return output.movedim(channel_axis(output, grids=grids), 1) if output.ndim == 4 else None


def token_grid(predictor: Predictor, length: int) -> Tokens | None:
    """Which of ``length`` tokens are the patches, and their grid; None where it cannot be known.

    It is traced once a model and length, on noise (:func:`~fer_xai.attributions.core.tokens.
    trace_tokens`).
    """
    key = f"{length} tokens"  # no module has a space in its name
    if key not in predictor.layers:
        with torch.inference_mode(mode=False):
            predictor.layers[key] = trace_tokens(predictor.model, noise(predictor), length)
    found: Tokens | None = predictor.layers[key]
    return found


def convolved_grids(predictor: Predictor) -> Grids:
    """``(h, w)`` of what convolutions give, and what is left of these after halving them.

    They tell ``(B, C, h, w)`` from ``(B, h, w, C)`` where patches or strides are not square.
    """
    if "convolved grids" not in predictor.layers:
        found: set[tuple[int, int]] = set()

        def note(_: nn.Module, __: Any, output: Tensor) -> None:
            height, width = output.shape[-2:]
            while height * width > 1:
                found.update({(height, width), (-(-height // 2), -(-width // 2))})
                height, width = height // 2, width // 2

        with ExitStack() as stack, torch.inference_mode():
            for module in predictor.model.net.modules():
                if isinstance(module, nn.Conv2d):
                    stack.callback(module.register_forward_hook(note).remove)
            predictor.model(noise(predictor)[:1])
        predictor.layers["convolved grids"] = frozenset(found)
    grids: Grids = predictor.layers["convolved grids"]
    return grids


def channel_axis(output: Tensor, reshape: Reshape | None = None, grids: Grids = frozenset()) -> int:
    """Where an output has its channels: ``(B, C, h, w)``, ``(B, h, w, C)``, ``(B, T, C)``, or what
    the model's own ``reshape`` makes feature maps of.

    If one of the two pairs of axes is among the ``grids`` that convolutions gave, it is the grid;
    else the pair that is square, and where this does not tell, channels come first.

    Raises
    ------
    InputError
        If ``reshape`` makes channels of no axis.

    Examples
    --------
    >>> channel_axis(torch.zeros(2, 6, 16), lambda output: output.unflatten(2, (4, 4)))
    1
    >>> channel_axis(torch.zeros(2, 4, 8, 12), grids=frozenset({(4, 8)}))
    3
    """
    if reshape is not None:
        for axis in range(1, output.ndim):
            shape = [1] * output.ndim
            shape[axis] = output.shape[axis]
            places = torch.arange(output.shape[axis], dtype=torch.float32, device=output.device)
            maps = reshape(places.view(shape).expand(output.shape))  # each place along the axis
            if maps.shape[1] == len(places) and bool((maps == places.view(1, -1, 1, 1)).all()):
                return axis
        raise InputError(
            f"Expected a reshape that makes channels of one axis of {tuple(output.shape)}, got one "
            "that mixes them: take gradcam, which needs no channel alone."
        )
    if output.ndim == 3:
        return 2
    one, two, three = output.shape[1:]
    first, last = (two, three) in grids, (one, two) in grids
    if first == last:
        first, last = two == three, one == two
    return 3 if last and not first else 1


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer that maps can be taken from.

    Attributes
    ----------
    name
        Dotted name in the network.
    side
        ``(h, w)`` of its feature maps.
    calls
        How often it runs; maps are taken from the last time.
    cut
        Whether all later parts read this layer alone, so that its output may be repeated once a
        target. Inside a residual block they do not: a shortcut would meet it unrepeated.
    reshape
        The model's own way from its output to feature maps, if it has one.
    tokens
        Which of its tokens are the patches, if its output is a sequence.
    grids
        Grids that convolutions of the network gave.
    """

    name: str
    side: tuple[int, int]
    calls: int
    cut: bool
    reshape: Reshape | None
    tokens: Tokens | None = None
    grids: Grids = frozenset()

    def maps(self, value: Tensor) -> Tensor:
        """Feature maps ``(B, C, h, w)`` of the layer's output, or of a gradient with respect to it,
        without a graph.
        """
        found = feature_maps(value.detach(), self.reshape, self.tokens, self.grids)
        assert found is not None
        return found


def noise(predictor: Predictor) -> Tensor:
    """Two images ``(2, 3, side, side)`` to try a network on."""
    side = predictor.model.size
    generator = torch.Generator().manual_seed(0)
    return predictor.to_device(torch.rand(2, 3, side, side, generator=generator))
