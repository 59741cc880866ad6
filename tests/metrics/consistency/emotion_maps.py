"""Maps of made-up faces for the tests of pairs."""

import numpy as np
import torch

MASK = torch.ones(6, 6, dtype=torch.bool)
MASK[0, :3] = False


def maps_of(n=18, seed=0, classes=3, signal=0.0):
    """Random maps and labels; with a signal, each emotion has a pattern of its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    patterns = rng.random((classes, 6, 6))
    maps = rng.random((n, 6, 6)) + signal * patterns[labels]
    return torch.from_numpy(maps).float(), torch.from_numpy(labels)
