"""The landmark network while it is trained: one pass over the faces at a time."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from fer_xai.checks import emulates_bf16
from fer_xai.detect.network import LandmarkNet, points_loss
from fer_xai.draws.initial import repeatable
from fer_xai.files import damaged
from training.landmark_batches import generator_for, moved, no_faces, worn

NO_FACES = 8
"""Faces of a batch for each crop without a face."""
LEAST_UNIT = 12.0
"""Least distance of the eyes' corners that errors are divided by, so that no profile outweighs the
others."""
CONFIDENCE_WEIGHT = 0.05
"""Weight of the confidence's cross-entropy beside the points' error."""
WARM_UP = 0.15
"""Share of the training in which the learning rate rises; then it falls along a cosine."""


class Trainee:
    """The network, its optimiser, and where the training stands.

    Parameters
    ----------
    steps
        Steps of the whole training.
    batch_size
        Faces a step.
    learning_rate, weight_decay
        Options of AdamW; the former is the highest one.
    half
        Whether the forward pass is autocast to bf16, where the processor does not emulate it.
    seed
        Seed of initialisation, order and augmentation.

    Examples
    --------
    >>> trainee = Trainee(steps=100, learning_rate=0.1)
    >>> round(trainee.rate(), 4)  # it rises first
    0.005
    """

    def __init__(
        self,
        *,
        steps: int,
        batch_size: int = 64,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.01,
        half: bool = False,
        seed: int = 0,
    ) -> None:
        self.steps, self.step, self.seconds = steps, 0, 0.0
        self.batch_size, self.learning_rate, self.seed = batch_size, learning_rate, seed
        with repeatable(seed, "landmarks"):
            self.net = LandmarkNet()
        self.net.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=learning_rate, weight_decay=weight_decay
        )
        self.half = half and not emulates_bf16(torch.device("cpu"))

    def rate(self) -> float:
        """Learning rate of the next step."""
        done = self.step / self.steps
        if done < WARM_UP:
            return self.learning_rate * (0.05 + 0.95 * done / WARM_UP)
        falling = (done - WARM_UP) / (1 - WARM_UP)
        return self.learning_rate * (1 + math.cos(math.pi * falling)) / 2

    def epoch(self, images: Tensor, points: Tensor, number: int) -> float:
        """One pass over the faces; returns the mean error on them, augmented."""
        self.net.train()
        size = self.batch_size
        order = torch.randperm(len(images), generator=generator_for(self.seed, number))
        total = 0.0
        batches = order[: len(order) // size * size].split(size)
        for at, batch in enumerate(batches):
            generator = generator_for(self.seed, number, at + 1)
            crops = images[batch].float() / 255
            placed, truth = moved(crops, points[batch], generator)
            nothing = no_faces(crops[: size // NO_FACES], generator)
            total += self.update(torch.cat([worn(placed, generator), nothing]), truth)
        return total / len(batches)

    def update(self, crops: Tensor, truth: Tensor) -> float:
        """One step on faces and what follows them that is no face; returns the points' error."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        crops = crops.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            points, logits = self.net(crops)
        is_face = (torch.arange(len(crops)) < len(truth)).float()
        error = points_loss(points[: len(truth)], truth, least=LEAST_UNIT).mean()
        loss = error + CONFIDENCE_WEIGHT * F.binary_cross_entropy_with_logits(logits, is_face)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return float(error.detach())

    def save(self, path: Path, epoch: int) -> None:
        """Everything that the next epoch depends on."""
        torch.save(
            {
                "net": self.net.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "epoch": epoch,
                "step": self.step,
                "seconds": self.seconds,
            },
            path,
        )

    def resume(self, path: Path) -> int:
        """Take up what a file holds; returns the number of epochs that are done."""
        if not path.exists():
            return 0
        try:
            state = torch.load(path, weights_only=True)
        except Exception as error:  # noqa: BLE001 - a damaged file makes it raise anything
            remedy = "delete it, and the same command begins anew"
            raise damaged(path, error, remedy=remedy) from None
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        return int(state["epoch"])
