"""A network compiled for full batches of one shape, its weights frozen into the code."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from fer_xai.inference.private_copy import FOLD_TOLERANCE

_BF16_TOLERANCE = 2e-2
"""Largest difference of compiled bf16 passes, which keep what eager ones round between layers."""


class CompiledNet:
    """The fastest copy of a predictor, compiled."""

    def __init__(self, predictor: Any) -> None:
        self.predictor, self.net, self.size = predictor, predictor.fastest, predictor.batch_size
        self.versions = self._versions()
        self.call: Any = torch.compile(self.net, fullgraph=True, dynamic=False)

    @classmethod
    def of(cls, predictor: Any) -> CompiledNet | None:
        """Compile and compare with the plain network on noise; None where that fails."""
        side = predictor.model.size
        noise = torch.rand(predictor.batch_size, 3, side, side, generator=torch.Generator())
        batch = predictor.to_device(noise)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = cls(predictor)
                found = made(batch)
        except Exception:  # noqa: BLE001 - no compiler, or a network that cannot be traced
            return None
        with torch.no_grad(), predictor.autocast():
            plain: Tensor = predictor.fastest(batch).float()
        room = FOLD_TOLERANCE if predictor.precision == "fp32" else _BF16_TOLERANCE
        agrees = (found - plain).abs().max() <= room * plain.abs().max().clamp(min=1)
        return made if bool(agrees) else None

    def takes(self, batch: Tensor) -> bool:
        """Whether a batch is of the shape that it was compiled for, or can be filled up to it."""
        side = self.predictor.model.size
        return len(batch) <= self.size and tuple(batch.shape[-2:]) == (side, side)

    def __call__(self, batch: Tensor) -> Tensor:
        """Logits ``(B, C)`` of a batch that is filled up with blank images."""
        from torch._inductor import config  # three seconds that only compiling needs

        lacking = self.size - len(batch)
        full = torch.cat([batch, batch.new_zeros(lacking, *batch.shape[1:])]) if lacking else batch
        full = full.contiguous(memory_format=torch.channels_last)
        frozen: Any = config.patch
        with torch.no_grad(), frozen(freezing=True), self.predictor.autocast():
            logits: Tensor = self.call(full)
        return logits.float()[: len(batch)]

    @property
    def stale(self) -> bool:
        """Whether the weights were changed since, which frozen code would not see."""
        return self.net is not self.predictor.fastest or self.versions != self._versions()

    def _versions(self) -> list[tuple[int, int]]:
        state = [*self.net.parameters(), *self.net.buffers()]
        return [(tensor.data_ptr(), tensor._version) for tensor in state]
