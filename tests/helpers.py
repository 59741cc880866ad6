"""Small networks that the tests share: nothing downloaded, nothing trained."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from fer_xai.data.datasets import synthetic
from fer_xai.emotions import SIX
from fer_xai.models import FERModel

TARGETS = torch.tensor([0, 5, 2])
"""Canonical emotions of three faces: happiness, fear and sadness."""


class TinyNet(nn.Module):
    """Two convolution blocks and a linear head: milliseconds, yet with all that hooks can meet."""

    def __init__(self, classes: int = 6) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu1 = nn.ReLU()
        self.pool = nn.MaxPool2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(16)
        self.relu2 = nn.ReLU()
        self.fc = nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu1(self.bn1(self.conv1(x))))
        x = self.relu2(self.bn2(self.conv2(x)))
        return self.fc(x.mean(dim=(2, 3)))


def tiny_model(seed: int = 0, *, size: int = 64) -> FERModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = TinyNet()
        for norm in (net.bn1, net.bn2):  # statistics that folding has to get right
            norm.running_mean.normal_(std=0.1)
            norm.running_var.uniform_(0.5, 1.5)
            norm.weight.data.uniform_(0.5, 1.5)
            norm.bias.data.normal_(std=0.1)
    return FERModel(
        net, emotions=SIX, size=size, cam_layer="relu2", paper_layer="conv2", name="tiny"
    ).eval()


@contextmanager
def drawn_once() -> Iterator[None]:
    """Each built-in face is drawn once in a process; tests of the renderer do without."""
    drawn, many = {}, synthetic._Reader.many

    def keys(reader, rows):
        chosen = reader.params[rows]
        arrays = [getattr(chosen, field.name) for field in dataclasses.fields(chosen)]
        return [(reader.size, *(array[i].tobytes() for array in arrays)) for i in range(len(rows))]

    def kept(reader, rows):
        names = keys(reader, rows)
        missing = [i for i, name in enumerate(names) if name not in drawn]
        images = many(reader, rows[missing])
        drawn.update(zip([names[i] for i in missing], images, strict=True))
        yield from (drawn[name].copy() for name in names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic._Reader, "many", kept)
        yield
