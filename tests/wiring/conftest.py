"""A world whose truth is known: faces are six coloured patterns with noise, nets are matched."""

import pytest
import torch
from torch import nn

from fer_xai import Faces, FERModel
from fer_xai.emotions import SIX

SIDE = 12


def patterns():
    """Six patterns ``(6, 3, SIDE, SIDE)`` in [−1, 1], smooth enough to survive a crop."""
    source = torch.Generator().manual_seed(3)
    coarse = torch.rand(6, 3, 4, 4, generator=source) * 2 - 1
    return nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear")


def pattern_faces(n=300, noise=1.2, seed=0, emotions=range(6)):
    source = torch.Generator().manual_seed(seed)
    labels = torch.tensor(list(emotions))[torch.randint(0, len(emotions), (n,), generator=source)]
    drawn = torch.randn(n, 3, SIDE, SIDE, generator=source)
    images = (0.5 + 0.2 * patterns()[labels] + noise * 0.4 * drawn).clamp(0, 1)
    return Faces.from_tensors(images, labels)


class Matched(nn.Module):
    """Logits by likeness with each pattern; images are expected as x − .5, and of one size."""

    def __init__(self):
        super().__init__()
        self.read = nn.Linear(3 * SIDE * SIDE, 6)
        kernel = patterns().flatten(1)
        self.read.weight.data = kernel * 0.4
        self.read.bias.data = -0.04 * kernel.square().sum(dim=1)

    def forward(self, x):
        return self.read(x.flatten(1))


def wired(net=None, **changes):
    fed = {"emotions": SIX, "size": SIDE, "mean": (0.5,) * 3, "std": (1.0,) * 3, "name": "matched"}
    return FERModel(net or Matched(), **(fed | changes))


@pytest.fixture(scope="session")
def faces():
    return pattern_faces()
