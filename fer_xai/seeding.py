"""Randomness that belongs to a face: whatever the batch, the order and the machine."""

from __future__ import annotations

from hashlib import blake2b

import torch


def named(*parts: object) -> bytes:
    """Bytes that identify a sequence of parts, each by its ``str``; borders count.

    Examples
    --------
    >>> named(0, "a face"), named("0a", " face") == named("0", "a face")
    (b'1:0,6:a face', False)
    """
    texts = map(str, parts)
    return ",".join(f"{len(text)}:{text}" for text in texts).encode("utf-8", "surrogatepass")


def seed_of(*parts: object) -> int:
    """A seed, 0 to 2⁶³ − 1, of what is identified by some parts, such as (seed, "network", 3).

    Parameters
    ----------
    parts
        Anything whose ``str`` identifies it.

    Examples
    --------
    >>> seed_of(0, "network", 1) == seed_of(0, "network", 1), seed_of(0) == seed_of(1)
    (True, False)
    """
    return int.from_bytes(blake2b(named(*parts), digest_size=8).digest(), "big") >> 1


def generator(*parts: object) -> torch.Generator:
    """PyTorch's generator on the CPU, for the orders and the dropout of a training.

    Its numbers are those of one machine. What explains or measures draws from
    :func:`fer_xai.draws.streams.stream` instead. The parts are hashed to 32 bits: PyTorch's CPU
    generator takes no more of a seed.

    Examples
    --------
    >>> a, b = (torch.rand(1, generator=generator(0, "face", use)) for use in ("ties", "fill"))
    >>> bool(a == b), bool(a == torch.rand(1, generator=generator(0, "face", "ties")))
    (False, True)
    """
    text = "/".join(map(str, parts)).encode()
    return torch.Generator().manual_seed(
        int.from_bytes(blake2b(text, digest_size=4).digest(), "big")
    )
