"""Training samples: faces, read a batch at a time, and the random numbers that augment them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from fer_xai.models import FERModel
from fer_xai.seeding import generator
from fer_xai.types import Faces
from training.align_areas import AreaBits
from training.augmenting import draws

Batch = tuple[Tensor, ...]
"""Pixels ``(B, 3, H, W)`` uint8, output columns ``(B,)``, a row of random numbers a face, and
where maps are aligned, areas of all emotions ``(B, C, H, W)``."""


class Samples(Dataset[Batch]):
    """Faces at the model's size with the output column of their emotion.

    Asked for by ``(epoch, index)``, a batch at a time. Each face comes with the random numbers of
    its epoch (:func:`training.augmenting.draws`); the step augments with them on its device. With
    ``areas`` it comes with these as well.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> model = FERModel(torch.nn.Flatten(), emotions=["surprise", "happiness"], size=16)
    >>> pixels, columns, numbers = Samples(synthetic_faces(2, size=16), model, seed=0)[(0, 1)]
    >>> pixels.shape, columns, numbers.shape
    (torch.Size([1, 3, 16, 16]), tensor([0]), torch.Size([1, 13]))
    """

    def __init__(
        self, faces: Faces, model: FERModel, *, seed: int, areas: AreaBits | None = None
    ) -> None:
        self.faces, self.size, self.areas = faces, model.size, areas
        self.columns = model.columns(faces.labels)
        self.seed = seed
        self.epoch = -1
        self.numbers = torch.empty(0)

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[tuple[int, int]]) -> Batch:
        """A batch of one epoch, as data loaders ask for it."""
        epoch = keys[0][0]
        if epoch != self.epoch:
            self.epoch, self.numbers = epoch, draws(len(self), seed=self.seed, epoch=epoch)
        index = torch.tensor([index for _, index in keys])
        found = self.faces.pixels(self.size, index), self.columns[index], self.numbers[index]
        return found if self.areas is None else (*found, self.areas[index])


class EpochSampler(Sampler[tuple[int, int]]):
    """Hands out ``(epoch, index)``, a share a process; in training shuffled by (seed, epoch).

    Training shares are equally long (else a process would wait for a step that never comes), so
    that up to ``processes - 1`` faces of an epoch's order are left out. Lightning calls
    :meth:`set_epoch`.

    Examples
    --------
    >>> list(EpochSampler(3, training=False, seed=0))
    [(0, 0), (0, 1), (0, 2)]
    >>> shares = [EpochSampler(5, training=True, seed=0, rank=rank, processes=2) for rank in (0, 1)]
    >>> [len(share) for share in shares], set(shares[0]) & set(shares[1])
    ([2, 2], set())
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
            order = torch.randperm(self.n, generator=generator(self.seed, self.epoch)).tolist()
        else:
            order = list(range(self.n))
        return iter(
            [(self.epoch, index) for index in order[self.rank : self._end() : self.processes]]
        )

    def _end(self) -> int:
        return self.n - self.n % self.processes if self.training else self.n
