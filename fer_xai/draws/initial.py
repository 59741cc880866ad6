"""Initial weights that every machine repeats, by an architecture's own code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from fer_xai.draws.normals import inverse_erf
from fer_xai.draws.streams import Stream, stream
from fer_xai.seeding import seed_of

_AT_ONCE = 2**20  # numbers, so that a large layer takes no more memory than it must
_ATEN = torch.ops.aten


@contextmanager
def repeatable(*parts: object) -> Iterator[Repeatable]:
    """Draw what PyTorch draws inside of the block from streams that every machine repeats.

    Code that initialises a network stays as it is. Its uniform, normal and Bernoulli numbers, whole
    numbers and orders come from :class:`~fer_xai.draws.streams.Stream`, the k-th draw from the
    stream of the parts and k, and ``erfinv``, by which normal numbers are truncated, is
    :func:`~fer_xai.draws.normals.inverse_erf`: distributions are those of the code. Draws of any
    other kind are PyTorch's own, seeded by the parts, and counted in ``by_pytorch``. A generator
    that the code hands in is honoured. PyTorch's global generator is left as found.

    Parameters
    ----------
    parts
        What identifies the numbers, as for :func:`~fer_xai.draws.streams.stream`.

    Yields
    ------
    Repeatable
        The mode, with the names of operations that PyTorch has drawn by itself.

    Examples
    --------
    >>> layers = []
    >>> for _ in range(2):
    ...     with repeatable(0, "a network") as drawn:
    ...         layers.append(torch.nn.Linear(3, 2))
    >>> torch.equal(layers[0].weight, layers[1].weight), drawn.by_pytorch
    (True, set())
    """
    with torch.random.fork_rng(devices=[]):
        # the CPU's generator alone: torch.manual_seed would seed the accelerators' as well
        torch.default_generator.manual_seed(seed_of(*parts))
        with Repeatable(*parts) as mode:
            yield mode


class Repeatable(TorchDispatchMode):
    """The mode of :func:`repeatable`.

    Attributes
    ----------
    by_pytorch
        Names of the operations whose numbers PyTorch has drawn by itself.

    Examples
    --------
    >>> with Repeatable(0, "a network") as mode:
    ...     numbers = torch.empty(3).exponential_(generator=torch.Generator())
    >>> mode.by_pytorch  # the generator was handed in
    set()
    """

    def __init__(self, *parts: object) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.parts, self.calls = parts, 0
        self.by_pytorch: set[str] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Fill from a stream where an operation draws; else do what PyTorch does."""
        given = dict(kwargs or {})
        handed_in = given.pop("generator", None) is not None
        draws = torch.Tag.nondeterministic_seeded in func.tags
        if not handed_in and draws and func in _DRAWN:
            self.calls += 1
            return _DRAWN[func](stream(*self.parts, self.calls), *args, **given)
        if func in _ERFINV and not args[0].is_meta:
            found = inverse_erf(args[0])
            return args[0].copy_(found) if func is _ATEN.erfinv_.default else found
        if draws and not handed_in:
            self.by_pytorch.add(str(func))
        return func(*args, **(kwargs or {}))


def _filled(tensor: Tensor, draw: Callable[[int], Tensor]) -> Tensor:
    """A tensor filled in place, in the order of its elements, from draws of n numbers."""
    if tensor.is_meta:
        return tensor
    flat = torch.empty(tensor.numel(), dtype=tensor.dtype, device=tensor.device)
    for part in flat.split(_AT_ONCE):
        part.copy_(draw(len(part)))
    return tensor.copy_(flat.view(tensor.shape))


def _uniform(source: Stream, tensor: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    def draw(n: int) -> Tensor:
        return source.rand(n, device=tensor.device).mul_(high - low).add_(low)

    return _filled(tensor, draw)


def _normal(source: Stream, tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    def draw(n: int) -> Tensor:
        return source.randn(n, device=tensor.device).mul_(std).add_(mean)

    return _filled(tensor, draw)


def _bernoulli(source: Stream, tensor: Tensor, p: float = 0.5) -> Tensor:
    return _filled(tensor, lambda n: source.bernoulli(p, n, device=tensor.device))


def _new(fill: Callable[[Stream, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda source, size, **given: fill(source, torch.empty(size, **given))


def _like(fill: Callable[[Stream, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda source, other, **given: fill(source, torch.empty_like(other, **given))


def _between(source: Stream, low: int, high: int, size: Sequence[int], **given: Any) -> Tensor:
    made = torch.empty(size, **({"dtype": torch.int64} | _named(given)))
    return _filled(made, lambda n: source.randint(high - low, n, device=made.device).add_(low))


def _order(source: Stream, n: int, **given: Any) -> Tensor:
    made = torch.empty(n, **({"dtype": torch.int64} | _named(given)))
    return made if made.is_meta else made.copy_(source.randperm(n))


def _named(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _around(source: Stream, mean: Any, std: Any, **given: Any) -> Tensor:
    """Normal numbers of which the mean, the deviation or both are tensors."""
    del given
    shape = torch.broadcast_tensors(*(torch.as_tensor(part) for part in (mean, std)))[0]
    return _normal(source, torch.empty_like(shape, dtype=torch.float32)).mul_(std).add_(mean)


_ERFINV = {_ATEN.erfinv.default, _ATEN.erfinv_.default}
_DRAWN: dict[Any, Callable[..., Tensor]] = {
    _ATEN.uniform_.default: _uniform,
    _ATEN.normal_.default: _normal,
    _ATEN.bernoulli_.float: _bernoulli,
    _ATEN.rand.default: _new(_uniform),
    _ATEN.randn.default: _new(_normal),
    _ATEN.rand_like.default: _like(_uniform),
    _ATEN.randn_like.default: _like(_normal),
    _ATEN.normal.Tensor_float: _around,
    _ATEN.normal.float_Tensor: _around,
    _ATEN.normal.Tensor_Tensor: _around,
    _ATEN.randint.default: lambda source, high, size, **given: _between(
        source, 0, high, size, **given
    ),
    _ATEN.randint.low: _between,
    _ATEN.randperm.default: _order,
}
