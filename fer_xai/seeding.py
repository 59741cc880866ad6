"""Randomness that belongs to a face: whatever the batch, the order and the machine."""

from __future__ import annotations

from hashlib import blake2b

import torch


def generator(*parts: object) -> torch.Generator:
    """A generator on the CPU, seeded by what identifies its use, such as (seed, face, "noise").

    The parts are hashed: PyTorch's CPU generator takes 32 bits of a seed and no more, so that
    seeds which differ above those give the same numbers.

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
