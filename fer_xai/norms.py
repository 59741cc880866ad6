"""BatchNorm's running statistics, taken anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

BATCHNORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def batchnorms(model: nn.Module) -> dict[str, nn.Module]:
    """A model's BatchNorm layers with running statistics, by name."""
    return {
        name: part
        for name, part in model.named_modules()
        if isinstance(part, BATCHNORMS) and part.running_mean is not None
    }


def recalibrate(
    model: nn.Module, batches: Iterable[Tensor], *, norms: Sequence[nn.Module] | None = None
) -> None:
    """Replace BatchNorm's running statistics by those of these batches, in place.

    Statistics are the cumulative average over batches; everything else (dropout among it) is in
    evaluation mode meanwhile, and modes and momenta are put back. A batch of one image is left
    out, for one value a channel has no variance.

    Parameters
    ----------
    model
        Takes a batch.
    batches
        Images ``(B, 3, H, W)``, on the model's device.
    norms
        Which layers are recalibrated; every BatchNorm by default.
    """
    chosen: list[nn.Module] = list(batchnorms(model).values() if norms is None else norms)
    if not chosen:
        return
    momenta = [norm.momentum for norm in chosen]
    was_training = {module: module.training for module in model.modules()}
    model.eval()
    for norm in chosen:
        assert isinstance(norm, BATCHNORMS)
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average instead of an exponential one
        norm.train()
    try:
        with torch.inference_mode():
            for batch in batches:
                if len(batch) > 1:
                    model(batch)
    finally:
        for norm, momentum in zip(chosen, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in was_training.items():
            module.training = mode
