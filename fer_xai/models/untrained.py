"""The untrained network: the floor that any claim about a trained one has to clear."""

from __future__ import annotations

import torch
from torch import nn

from fer_xai.errors import InputError
from fer_xai.models.wrapper import FERModel
from fer_xai.types import Faces

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def calibrate_batchnorm(
    model: FERModel, faces: Faces, *, n: int = 512, batch_size: int = 64, seed: int = 0
) -> FERModel:
    """Give a freshly initialised network the BatchNorm statistics of training faces, in place.

    Without this its activations have no sensible scale and its maps are no fair floor: with it,
    an untrained GiMeFive separates emotions at each face's own target *better* than the trained
    one. Statistics are the cumulative average over ``n`` seeded faces; dropout is off.

    Raises
    ------
    InputError
        If there are no faces to calibrate on.
    """
    if not len(faces):
        raise InputError("Expected training faces to calibrate BatchNorm on, got none.")
    norms = [module for module in model.modules() if isinstance(module, _NORMS)]
    if not norms:
        return model
    momenta = [norm.momentum for norm in norms]
    was_training = {module: module.training for module in model.modules()}
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average instead of an exponential one
        norm.train()
    try:
        with torch.inference_mode():
            for batch in faces.limit(n, seed=seed).batches(batch_size, size=model.size):
                if len(batch.ids) > 1:  # one value a channel has no variance
                    model(batch.images.to(model.device))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in was_training.items():
            module.training = mode
    return model
