"""Streams of random numbers, each named by what it is for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from fer_xai.checks import check_count, check_number
from fer_xai.draws.normals import normals
from fer_xai.draws.philox import WORDS, Keys, words
from fer_xai.errors import InputError
from fer_xai.seeding import named

Device = torch.device | str


class Streams:
    """Random numbers of several things at once, such as the faces of a batch.

    Number k of a stream is a function of the stream's name and of k. Every draw begins where the
    one before ended, rounded up to the next 256 bits; the last dimension runs fastest, so that a
    draw that is longer in its first dimension begins with the shorter one.

    Uniform numbers, and all that is made of them, are equal bit by bit on every device, and so are
    normal ones (see :func:`fer_xai.draws.normals.normals`).

    Parameters
    ----------
    keys
        ``(N, 2)`` uint64: :func:`streams` makes them from names.

    Examples
    --------
    >>> both = streams((0, face, "noise") for face in ("anna", "ben"))
    >>> numbers = both.rand(2, 3)
    >>> numbers.shape, torch.equal(numbers[1], stream(0, "ben", "noise").rand(2, 3))
    (torch.Size([2, 2, 3]), True)
    """

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self._next = 0  # block

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> Stream:
        """One of the streams, where these are now; draws of the one do not move the others."""
        one = Streams(self.keys[index][None])
        one._next = self._next
        return Stream(one)

    def __iter__(self) -> Iterator[Stream]:
        return (self[index] for index in range(len(self)))

    def words(self, n: int, *, device: Device = "cpu") -> Tensor:
        """Random bits, int64 ``(N, n)``.

        Parameters
        ----------
        n
            Numbers of 64 bits a stream.
        device
            Device that the numbers are on, here and below.
        """
        found = words(self.keys, first=self._next, n=n, device=device)
        self._next += -(-n // WORDS)
        return found

    def bits(self, *shape: int, device: Device = "cpu") -> Tensor:
        """Random bits, int32 ``(N, *shape)``.

        Parameters
        ----------
        shape
            Shape of a stream's numbers, here and below.
        device
            Device that the numbers are on.
        """
        n = math.prod(shape)
        halves = self.words(-(-n // 2), device=device).view(torch.int32)  # the lower half is first
        return halves[:, :n].reshape(len(self), *shape)

    def rand(self, *shape: int, device: Device = "cpu") -> Tensor:
        """Uniform numbers from 0 up to 1, without 1, in steps of 2⁻²⁴, float32 ``(N, *shape)``.

        Parameters
        ----------
        shape, device
            As for :meth:`bits`.
        """
        whole = self.bits(*shape, device=_drawing(device)) >> 8  # 24 bits with a sign
        return whole.bitwise_and_(0xFFFFFF).to(torch.float32).mul_(2.0**-24).to(device)

    def randn(self, *shape: int, device: Device = "cpu") -> Tensor:
        """Standard normal numbers, float32 ``(N, *shape)``, below 6.764 in magnitude.

        Parameters
        ----------
        shape, device
            As for :meth:`bits`.
        """
        n = math.prod(shape)
        drawn = normals(self.words(-(-n // 2), device=_drawing(device)))
        return drawn[:, :n].reshape(len(self), *shape).to(device)

    def randint(self, below: int, *shape: int, device: Device = "cpu") -> Tensor:
        """Whole numbers from 0 up to ``below``, without it, int64 ``(N, *shape)``.

        A number's probability differs from 1 / below by 2⁻³² at most.

        Parameters
        ----------
        below
            1 to 2³¹.
        shape, device
            As for :meth:`bits`.
        """
        check_count("below", below)
        if below > 2**31:
            raise InputError(f"Expected whole numbers below at most 2**31, got {below}.")
        drawn = self.bits(*shape, device=_drawing(device)).to(torch.int64)
        return (drawn.bitwise_and_(0xFFFFFFFF).mul_(below) >> 32).to(device)

    def bernoulli(self, p: float, *shape: int, device: Device = "cpu") -> Tensor:
        """True with probability p, to within 2⁻³² (to the bit in steps of 2⁻⁸).

        The result is bool ``(N, *shape)``.

        Parameters
        ----------
        p
            0 to 1.
        shape, device
            As for :meth:`bits`.
        """
        check_number("p", p, 0, 1, ends=True)
        few = float(p * 2**8).is_integer()  # such as ½: eight bits are exact, and quicker
        if few:
            n = math.prod(shape)
            octets = self.words(-(-n // 8), device=_drawing(device)).view(torch.int8)
            drawn = octets[:, :n].reshape(len(self), *shape)
        else:
            drawn = self.bits(*shape, device=_drawing(device))
        half = 2**7 if few else 2**31
        edge = round(p * 2 * half) - half
        taken = drawn < edge if edge < half else torch.ones_like(drawn, dtype=torch.bool)
        return taken.to(device)

    def randperm(self, n: int, *shape: int, device: Device = "cpu") -> Tensor:
        """Random orders of 0 to n − 1, int64 ``(N, *shape, n)``.

        Random numbers of 63 bits are sorted. Their lowest bits are replaced by the position, so
        that none are equal; where the upper ones are, positions decide.

        Parameters
        ----------
        n
            0 or more.
        shape
            How many orders a stream draws; one if nothing is named.
        device
            Device that the orders are on.
        """
        keys, mask = self._sortable(n, shape, device)
        return _sorted(keys).bitwise_and_(mask).to(device)

    def subsets(self, n: int, size: int, *shape: int, device: Device = "cpu") -> Tensor:
        """Random subsets of n things, bool ``(N, *shape, n)``, True for ``size`` of them.

        They are the first things of the orders that :meth:`randperm` would give.

        Parameters
        ----------
        n, size
            0 ≤ size ≤ n.
        shape
            How many subsets a stream draws; one if nothing is named.
        device
            Device that the subsets are on.
        """
        check_count("size", size, low=0)
        if size > n:
            raise InputError(f"Expected subsets of at most {n} things, got a size of {size}.")
        keys, _ = self._sortable(n, shape, device)
        if not size or not len(keys):
            return torch.zeros_like(keys, dtype=torch.bool, device=device)
        if n <= _SHORT:
            return (keys <= _sorted(keys)[..., size - 1 : size]).to(device)
        return (keys <= keys.kthvalue(size, dim=-1, keepdim=True).values).to(device)

    def _sortable(self, n: int, shape: Sequence[int], device: Device) -> tuple[Tensor, int]:
        """Distinct random numbers ``(N, *shape, n)``, and the mask of positions in them."""
        check_count("n", n, low=0)
        mask = (1 << max(n - 1, 0).bit_length()) - 1
        orders = math.prod(shape)
        drawn = self.words(orders * n, device=_drawing(device)).bitwise_and_((2**63 - 1) ^ mask)
        keys = drawn.reshape(len(self), *shape, n)
        return keys.bitwise_or_(torch.arange(n, device=keys.device)), mask

    def choice(self, odds: Tensor, *shape: int, device: Device = "cpu") -> Tensor:
        """Positions drawn with given odds, with replacement, int64 ``(N, *shape)``.

        Parameters
        ----------
        odds
            ``(n,)``, 0 or more, not all of them 0.
        shape, device
            As for :meth:`bits`.
        """
        ends = odds.detach().cpu().double().cumsum(dim=0)
        if odds.ndim != 1 or not bool((odds >= 0).all()) or not 0 < float(ends[-1]) < np.inf:
            raise InputError(
                f"Expected odds (n,) of 0 or more whose sum is above 0, got {odds.tolist()}."
            )
        drawn = self.bits(*shape).double().add_(2**31 + 0.5).mul_(2.0**-32)
        return torch.searchsorted(ends, drawn.mul_(ends[-1]), right=True).to(device)


_SHORT = 512
"""Rows of at most this many numbers are sorted several times as quickly by NumPy."""


def _sorted(keys: Tensor) -> Tensor:
    """Rows of distinct numbers in order."""
    if keys.device.type == "cpu" and keys.shape[-1] <= _SHORT:
        return torch.from_numpy(np.sort(keys.numpy(), axis=-1))
    return keys.sort(dim=-1).values


def _drawing(device: Device) -> Device:
    """Where numbers for a device are made: others than these lack some kinds of numbers."""
    return device if torch.device(device).type == "cuda" else "cpu"


class Stream:
    """Random numbers of one thing: what :class:`Streams` draws, without the first dimension.

    Examples
    --------
    >>> stream(0, "a face", "order").randperm(5).sort().values
    tensor([0, 1, 2, 3, 4])
    """

    def __init__(self, one: Streams) -> None:
        self._one = one

    def rand(self, *shape: int, device: Device = "cpu") -> Tensor:
        """Uniform numbers from 0 up to 1, float32 ``shape``: :meth:`Streams.rand`."""
        return self._one.rand(*shape, device=device)[0]

    def randn(self, *shape: int, device: Device = "cpu") -> Tensor:
        """Standard normal numbers, float32 ``shape``: :meth:`Streams.randn`."""
        return self._one.randn(*shape, device=device)[0]

    def randint(self, below: int, *shape: int, device: Device = "cpu") -> Tensor:
        """Whole numbers below another, int64 ``shape``: :meth:`Streams.randint`."""
        return self._one.randint(below, *shape, device=device)[0]

    def bernoulli(self, p: float, *shape: int, device: Device = "cpu") -> Tensor:
        """True with probability p, bool ``shape``: :meth:`Streams.bernoulli`."""
        return self._one.bernoulli(p, *shape, device=device)[0]

    def randperm(self, n: int, *shape: int, device: Device = "cpu") -> Tensor:
        """Random orders, int64 ``(*shape, n)``: :meth:`Streams.randperm`."""
        return self._one.randperm(n, *shape, device=device)[0]

    def subsets(self, n: int, size: int, *shape: int, device: Device = "cpu") -> Tensor:
        """Random subsets, bool ``(*shape, n)``: :meth:`Streams.subsets`."""
        return self._one.subsets(n, size, *shape, device=device)[0]

    def choice(self, odds: Tensor, *shape: int, device: Device = "cpu") -> Tensor:
        """Positions drawn with given odds, int64 ``shape``: :meth:`Streams.choice`."""
        return self._one.choice(odds, *shape, device=device)[0]


def stream(*parts: object) -> Stream:
    """The stream of what is identified by some parts, such as (seed, face, "noise").

    Parameters
    ----------
    parts
        Anything whose ``str`` identifies it; their number and borders count.

    Examples
    --------
    >>> stream(0, "a face", "noise").rand(2)
    tensor([0.6434, 0.8884])
    """
    return Stream(streams([parts]))


def streams(names: Iterable[Sequence[object]]) -> Streams:
    """The streams of several names, each a sequence of parts as for :func:`stream`.

    Parameters
    ----------
    names
        One sequence of parts for each stream.

    Examples
    --------
    >>> len(streams((0, face, "noise") for face in ("anna", "ben", "carla")))
    3
    """
    digests = [blake2b(named(*parts), digest_size=16).digest() for parts in names]
    keys = np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2)
    return Streams(keys.astype(np.uint64))
