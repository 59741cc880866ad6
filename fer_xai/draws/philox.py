"""Philox4x64-10, a counter-based random generator: whole numbers of a key and a position alone.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. There are two ways to the
same bits: NumPy's compiled generator on the CPU, and PyTorch's 64-bit integers on any device.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Keys = NDArray[np.uint64]
"""Keys ``(N, 2)`` of N streams, 128 bits each."""
WORDS = 4
"""64-bit words of a block, which is what one value of the counter gives."""
_OWN = threading.local()  # each thread has a generator of NumPy
_ROUNDS = 10
_LOW = 0xFFFFFFFF
# Multipliers of the rounds and increments of the key, from the article.
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)


def words(keys: Keys, *, first: int, n: int, device: torch.device | str = "cpu") -> Tensor:
    """The first words of some blocks of each stream.

    Parameters
    ----------
    keys
        ``(N, 2)`` uint64.
    first
        Number of the block to begin with, 0 or more.
    n
        Words of each stream.
    device
        Device that draws: a GPU of CUDA by PyTorch's integers, any other by NumPy on the CPU.

    Returns
    -------
    Tensor
        int64 ``(N, n)``: the bits of unsigned words, on the device.

    Examples
    --------
    >>> key = np.array([[1, 2]], dtype=np.uint64)
    >>> both = words(key, first=0, n=8)
    >>> bool((both[:, 4:] == words(key, first=1, n=4)).all())
    True
    """
    where = torch.device(device)
    if where.type == "cuda":
        return words_by_torch(keys, first=first, n=n, device=where)
    return words_by_numpy(keys, first=first, n=n).to(where)


def words_by_numpy(keys: Keys, *, first: int, n: int) -> Tensor:
    """What :func:`words` gives, from NumPy's compiled generator, key after key.

    Examples
    --------
    >>> words_by_numpy(np.zeros((3, 2), dtype=np.uint64), first=0, n=5).shape
    torch.Size([3, 5])
    """
    out = torch.empty(len(keys), n, dtype=torch.int64)
    rows = out.numpy().view(np.uint64)
    if not hasattr(_OWN, "philox"):
        _OWN.philox = np.random.Philox(key=0)
    source = _OWN.philox
    # NumPy counts up before it draws a block; the counter has 256 bits, and −1 is all ones
    counter = np.full(WORDS, 2**64 - 1, dtype=np.uint64) if first == 0 else _counter(first - 1)
    state: Any = {
        "bit_generator": "Philox",
        "buffer": np.zeros(WORDS, dtype=np.uint64),
        "buffer_pos": WORDS,
        "has_uint32": 0,
        "uinteger": 0,
    }
    for row, key in zip(rows, keys, strict=True):
        state["state"] = {"counter": counter, "key": key}
        source.state = state
        row[:] = source.random_raw(n)
    return out


def _counter(block: int) -> NDArray[np.uint64]:
    return np.array([block, 0, 0, 0], dtype=np.uint64)


def words_by_torch(keys: Keys, *, first: int, n: int, device: torch.device | str) -> Tensor:
    """What :func:`words` gives, from integers of PyTorch, all keys and blocks at once.

    Examples
    --------
    >>> keys = np.array([[1, 2], [3, 4]], dtype=np.uint64)
    >>> torch.equal(
    ...     words_by_torch(keys, first=9, n=7, device="cpu"), words_by_numpy(keys, first=9, n=7)
    ... )
    True
    """
    blocks = -(-n // WORDS)
    counter = torch.arange(first, first + blocks, device=device)
    key = torch.from_numpy(np.ascontiguousarray(keys).view(np.int64)).to(device)
    nothing = torch.zeros((), dtype=torch.int64, device=device)
    made = philox((counter, nothing, nothing, nothing), (key[:, :1], key[:, 1:]))
    shape = (len(keys), blocks)
    whole = torch.stack([part.expand(shape) for part in made], dim=2)  # (N, blocks, 4)
    return whole.flatten(1)[:, :n]


def philox(counter: tuple[Tensor, ...], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """The block of each counter under a key: ten rounds of multiplying and mixing.

    Parameters
    ----------
    counter
        Four int64 tensors, the bits of unsigned words, lowest first; they broadcast.
    key
        Two int64 tensors.

    Returns
    -------
    tuple
        Four int64 tensors.

    Examples
    --------
    >>> zero = torch.zeros(1, dtype=torch.int64)
    >>> hex(int(philox((zero,) * 4, (zero, zero))[0]))  # of the generator's published table
    '0x16554d9eca36314c'
    """
    one, two, three, four = counter
    for number in range(_ROUNDS):
        first, second = (
            part + _signed(number * step) for part, step in zip(key, _WEYL, strict=True)
        )
        high_one, low_one = _product(_MULTIPLIERS[0], one)
        high_two, low_two = _product(_MULTIPLIERS[1], three)
        one, two = high_two ^ two ^ first, low_two
        three, four = high_one ^ four ^ second, low_one
    return one, two, three, four


def _product(a: int, b: Tensor) -> tuple[Tensor, Tensor]:
    """High and low 64 bits of unsigned products, by halves of 32 bits."""
    above, below = a >> 32, a & _LOW
    high, low = (b >> 32) & _LOW, b & _LOW
    crossed = above * low + ((below * low >> 32) & _LOW)  # below 2⁶⁴, as bits
    carried = below * high + (crossed & _LOW)
    return above * high + ((crossed >> 32) & _LOW) + ((carried >> 32) & _LOW), b * _signed(a)


def _signed(number: int) -> int:
    """The signed 64-bit number with the lowest 64 bits of another."""
    return (number + 2**63) % 2**64 - 2**63
