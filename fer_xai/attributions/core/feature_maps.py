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

    Maps with channels first stay as they are, maps with channels last (Swin in timm) are moved
    (:func:`channel_axis`), and of tokens ``(B, T, C)`` those of the patches are taken, if
    ``tokens`` says which these are (:func:`token_grid`).

    Parameters
    ----------
    output
        The layer's output.
    reshape
        The model's own way from the output to feature maps, if it needs another one.
    tokens
        The patches among the tokens, for an output ``(B, T, C)``.
    grids
        Grids ``(h, w)`` that convolutions of the network gave.

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
    """The patches among a number of tokens, and their grid; None where it cannot be known.

    It is traced once for each model and length, on noise
    (:func:`~fer_xai.attributions.core.tokens.trace_tokens`).

    Parameters
    ----------
    predictor
        The model.
    length
        T, the number of tokens.

    Examples
    --------
    >>> from torchvision.models import VisionTransformer
    >>> from fer_xai import FERModel
    >>> sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16, "num_classes": 2}
    >>> net = VisionTransformer(image_size=8, patch_size=4, **sizes)
    >>> used = Predictor(FERModel(net, emotions=["happiness", "fear"], size=8), device="cpu")
    >>> token_grid(used, 5).places  # behind the class token
    tensor([1, 2, 3, 4])
    """
    key = f"{length} tokens"  # no module has a space in its name
    if key not in predictor.layers:
        with torch.inference_mode(mode=False):
            predictor.layers[key] = trace_tokens(predictor.model, noise(predictor), length)
    found: Tokens | None = predictor.layers[key]
    return found


def convolved_grids(predictor: Predictor) -> Grids:
    """Grids ``(h, w)`` that the network's convolutions give, and the halves that pooling leaves of
    them.

    They tell ``(B, C, h, w)`` from ``(B, h, w, C)`` where patches or strides are not square.

    Parameters
    ----------
    predictor
        The model.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> used = Predictor(model, device="cpu")
    >>> sorted(convolved_grids(used))
    [(1, 1), (2, 2)]
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
    """The axis of an output's channels: ``(B, C, h, w)``, ``(B, h, w, C)``, ``(B, T, C)``, or
    whatever the model's own ``reshape`` makes feature maps of.

    If one of the two pairs of axes is among the ``grids`` that convolutions gave, it is the grid;
    else the pair that is square. Where this does not tell, channels come first.

    Parameters
    ----------
    output
        A layer's output, with the batch first.
    reshape
        The model's own way from the output to feature maps, if it has one.
    grids
        Grids ``(h, w)`` that convolutions of the network gave.

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
        Number of times that it runs in a pass; maps are taken from the last.
    cut
        Whether all later parts read this layer alone, so that its output may be repeated once for
        each target. Inside a residual block they do not: a shortcut would meet it unrepeated.
    reshape
        The model's own way from its output to feature maps, if it has one.
    tokens
        The patches among its tokens, if its output is a sequence.
    grids
        Grids that convolutions of the network gave.

    Examples
    --------
    >>> layer = Layer(name="conv", side=(2, 2), calls=1, cut=True, reshape=None)
    >>> layer.maps(torch.zeros(1, 4, 2, 2)).shape
    torch.Size([1, 4, 2, 2])
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
    """Two images ``(2, 3, side, side)`` of noise, on the device, to try a network on.

    Parameters
    ----------
    predictor
        The model, whose size they have.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> used = Predictor(model, device="cpu")
    >>> noise(used).shape
    torch.Size([2, 3, 8, 8])
    """
    side = predictor.model.size
    generator = torch.Generator().manual_seed(0)
    return predictor.to_device(torch.rand(2, 3, side, side, generator=generator))
