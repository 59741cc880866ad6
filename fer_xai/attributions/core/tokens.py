"""Places of a transformer's tokens in the image: traced, never guessed.

A sequence holds a token for each patch and others beside them, before or after: class and
distillation tokens, registers, prompts. Which token belongs to which patch is read off the network
itself. The cells of its patch embedding are disturbed, and the tokens that change are looked up
before any attention has mixed them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_CHANGED = 1e-4
"""Share of the largest change from which on a token counts as changed."""
_TRIED = 16
"""Spatial outputs that are tried as the patch embedding, the likeliest first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tokens:
    """The patches among the tokens of a sequence.

    Attributes
    ----------
    side
        ``(h, w)`` of the grid of patches.
    places
        ``(h · w,)`` int64: the position of each patch in the sequence, row by row.
    length
        T, the length of the sequence.

    Examples
    --------
    >>> tokens = Tokens(side=(1, 2), places=torch.tensor([1, 2]), length=3)
    >>> tokens.maps(torch.zeros(5, 3, 8)).shape
    torch.Size([5, 8, 1, 2])
    """

    side: tuple[int, int]
    places: Tensor
    length: int

    def maps(self, tokens: Tensor) -> Tensor:
        """Feature maps ``(B, C, h, w)`` of tokens ``(B, T, C)``.

        Examples
        --------
        >>> tokens = Tokens(side=(1, 2), places=torch.tensor([2, 1]), length=3)
        >>> tokens.maps(torch.tensor([[[0.0], [1.0], [2.0]]]))
        tensor([[[[2., 1.]]]])
        """
        patches = tokens[:, self.places.to(tokens.device)]  # (B, h·w, C)
        return patches.transpose(1, 2).unflatten(2, self.side)


def trace_tokens(model: Any, images: Tensor, length: int) -> Tokens | None:
    """The patches among ``length`` tokens, or None where they cannot be known.

    Every module's spatial output with at most as many cells as there are tokens is tried as the
    patch embedding, and then the image itself, cut into equal patches. A candidate is right if each
    of its cells changes exactly one token, and each of those tokens depends on that cell alone.

    Parameters
    ----------
    model
        A :class:`fer_xai.models.FERModel` in evaluation mode.
    images
        ``(N, 3, H, W)`` that it can be fed, of which the first is disturbed.
    length
        T.

    Examples
    --------
    >>> from torchvision.models import VisionTransformer
    >>> from fer_xai import FERModel
    >>> sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16, "num_classes": 2}
    >>> net = VisionTransformer(image_size=8, patch_size=4, **sizes)
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8).eval()
    >>> trace_tokens(model, torch.rand(1, 3, 8, 8), 5).side
    (2, 2)
    """
    for grid, where in _candidates(model, images, length):
        side = (grid[0], grid[1])
        codes = _codes(side[0] * side[1])  # (R, h·w)
        if len(codes) == length:  # an axis of the batch's length would be taken for the batch
            codes = torch.cat([codes, codes[:1]])
        sequences = _disturbed(model, images[:1], where, codes.unflatten(1, side), length)
        for tokens in sequences:
            places = _places(tokens, side[0] * side[1])
            if places is not None:
                return Tokens(side=side, places=places, length=length)
    return None


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """A module whose output has cells, and the first of the two axes that they lie on."""

    module: nn.Module
    axis: int
    before: bool = False  # the module's input is disturbed: the image


def _candidates(
    model: Any, images: Tensor, length: int
) -> Iterator[tuple[tuple[int, int], _Cells]]:
    """Grids of at most ``length`` cells: modules' outputs, the likeliest first, then the image."""
    found: dict[tuple[int, int, int, int], tuple[tuple[int, int], _Cells]] = {}

    def note(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            for axis in (2, 1):
                height, width = output.shape[axis], output.shape[axis + 1]
                if 1 < height * width <= length:
                    # a container gives what its last part gave, and is looked at once
                    key = (id(output), output._version, axis, height * width)
                    found.pop(key, None)
                    found[key] = ((height, width), _Cells(module=module, axis=axis))
            kept.append(output)  # so that no other output gets its number

    kept: list[Tensor] = []
    with ExitStack() as stack:
        for module in model.net.modules():
            stack.callback(module.register_forward_hook(note).remove)
        with torch.no_grad():
            model(images[:1])
    # nearest to the tokens' number first, of these the last that ran
    latest = [*found.values()]
    latest.reverse()
    yield from sorted(latest, key=lambda one: length - one[0][0] * one[0][1])[:_TRIED]
    sides = [n for n in range(1, model.size + 1) if model.size % n == 0]
    grids = [(h, w) for h in sides for w in sides if 1 < h * w <= length]
    grids.sort(key=lambda one: (length - one[0] * one[1], abs(one[0] - one[1])))
    for grid in grids[:_TRIED]:
        yield grid, _Cells(module=model.net, axis=2, before=True)


def _codes(cells: int) -> Tensor:
    """Bool ``(1 + 2k, cells)``: an undisturbed row, the k bits of each cell's number, and what they
    leave out. A token that depends on one cell alone changes in exactly one of each two rows.
    """
    bits = max(1, (cells - 1).bit_length())
    numbers = torch.arange(cells)
    ones = (numbers[None] >> torch.arange(bits)[:, None]) & 1 == 1  # (k, cells)
    return torch.cat([torch.zeros(1, cells, dtype=torch.bool), ones, ~ones])


def _disturbed(
    model: Any, image: Tensor, where: _Cells, codes: Tensor, length: int
) -> list[Tensor]:
    """Every sequence ``(R, T, C)`` that a module takes or gives, in the order of execution, while
    the cells of codes ``(R, h, w)`` are disturbed.
    """
    rows, seen = len(codes), list[Tensor]()
    source = torch.Generator().manual_seed(0)
    mask = codes.to(image.device)

    def disturb(cells: Tensor) -> Tensor:
        shape = list(cells.shape)
        height, width = codes.shape[1:]
        shape[where.axis], shape[where.axis + 1] = 1, 1
        noise = torch.randn(1, *shape[1:], generator=source).to(cells)
        spread = cells.float().std().clamp(min=1e-3).to(cells)
        shown = mask.unsqueeze(1 if where.axis == 2 else 3)  # (R, 1, h, w) or (R, h, w, 1)
        if where.before:  # equal patches of the image
            each = (cells.shape[2] // height, cells.shape[3] // width)
            shown = shown.repeat_interleave(each[0], dim=2).repeat_interleave(each[1], dim=3)
        return cells + 3 * spread * noise * shown

    def listen(value: Any) -> None:
        if isinstance(value, Tensor) and value.ndim == 3 and value.is_floating_point():
            if value.shape[:2] == (rows, length):
                seen.append(value.detach().clone())
            elif value.shape[:2] == (length, rows):  # the batch is not first
                seen.append(value.detach().transpose(0, 1).clone())

    def taken(_: nn.Module, args: Any, kwargs: Any) -> None:
        for value in (*args, *kwargs.values()):
            listen(value)

    def given(_: nn.Module, __: Any, output: Any) -> None:
        for value in output if isinstance(output, tuple | list) else (output,):
            listen(value)

    def change(_: nn.Module, args: Any, output: Any = None) -> Any:
        return (disturb(args[0]), *args[1:]) if where.before else disturb(output)

    with ExitStack() as stack:
        register: Callable[..., Any] = (
            where.module.register_forward_pre_hook
            if where.before
            else where.module.register_forward_hook
        )
        stack.callback(register(change).remove)
        for module in model.net.modules():
            stack.callback(module.register_forward_pre_hook(taken, with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(given).remove)
        with torch.no_grad():
            model(image.expand(rows, -1, -1, -1).clone())
    return seen


def _places(tokens: Tensor, cells: int) -> Tensor | None:
    """Positions ``(cells,)`` of the tokens that depend on one cell each, or None."""
    bits = max(1, (cells - 1).bit_length())
    rows = tokens[: 1 + 2 * bits].float()
    change = (rows - rows[:1]).abs().amax(dim=2)[1:]  # (2k, T)
    largest = change.max()
    if not bool(largest > 0):
        return None
    ones, rest = (change > _CHANGED * largest).cpu().split(bits)
    single = (ones != rest).all(dim=0)  # (T,)
    numbers = (ones.long() << torch.arange(bits)[:, None]).sum(dim=0)[single]
    if not torch.equal(numbers.sort().values, torch.arange(cells)):
        return None
    return single.nonzero()[:, 0][numbers.argsort()]
