"""Training samples: faces kept in memory, augmented by seed, whatever the worker or the batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from torchvision.transforms import v2

from fer_xai.models import FERModel
from fer_xai.types import Faces


def augmentation(kind: Literal["standard", "flip"]) -> v2.Transform:
    """The random transform of a training face, uint8 ``(3, H, W)`` in and out."""
    flip = v2.RandomHorizontalFlip()
    if kind == "flip":
        return flip
    return v2.Compose(
        [
            flip,
            v2.RandomAffine(
                degrees=12,
                translate=(0.08, 0.08),
                scale=(0.88, 1.12),
                interpolation=v2.InterpolationMode.BILINEAR,
            ),
            v2.ColorJitter(brightness=0.3, contrast=0.3),
            v2.RandomErasing(p=0.25, scale=(0.02, 0.2)),
        ]
    )


class Samples(Dataset[tuple[Tensor, Tensor]]):
    """Faces at the model's size with the output column of their emotion.

    Items are asked for by ``(epoch, index)``: the augmentation of a face depends on seed, epoch
    and index alone, so a resumed run, another number of workers or of processes sees the same.
    """

    def __init__(
        self, faces: Faces, model: FERModel, *, transform: v2.Transform | None, seed: int
    ) -> None:
        self.pixels = faces.pixels(model.size)
        self.columns = model.columns(faces.labels)
        self.transform, self.seed = transform, seed

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: list[tuple[int, int]]) -> list[tuple[Tensor, Tensor]]:
        """A batch at a time, as data loaders ask: the generator's state is put back only once."""
        if self.transform is None:
            return [(self.pixels[index], self.columns[index]) for _, index in keys]
        found = []
        with torch.random.fork_rng(devices=[]):
            for epoch, index in keys:
                torch.manual_seed((self.seed * 10_007 + epoch) * 1_000_003 + index)
                found.append((self.transform(self.pixels[index]), self.columns[index]))
        return found


class EpochSampler(Sampler[tuple[int, int]]):
    """Hands out ``(epoch, index)``, a share a process; in training shuffled by (seed, epoch).

    Training shares are equally long (else a process would wait for a step that never comes), so
    that up to ``processes - 1`` faces of an epoch's order are left out. Lightning calls
    :meth:`set_epoch`.
    """

    def __init__(
        self, n: int, *, training: bool, seed: int, rank: int = 0, processes: int = 1
    ) -> None:
        self.n, self.training, self.seed = n, training, seed
        self.rank, self.processes = rank, processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the epoch that comes."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(range(self.rank, self._end(), self.processes))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        if self.training:
            generator = torch.Generator().manual_seed(self.seed * 10_007 + self.epoch)
            order = torch.randperm(self.n, generator=generator).tolist()
        else:
            order = list(range(self.n))
        return iter(
            [(self.epoch, index) for index in order[self.rank : self._end() : self.processes]]
        )

    def _end(self) -> int:
        return self.n - self.n % self.processes if self.training else self.n
