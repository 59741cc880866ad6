"""The untrained network: the floor that any claim about a trained one has to clear."""

from __future__ import annotations

from fer_xai.batchnorm.recalibration import recalibrate
from fer_xai.errors import InputError
from fer_xai.models.fer_model import FERModel
from fer_xai.types import Faces


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

    Examples
    --------
    >>> import torch
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> norm = torch.nn.BatchNorm2d(3)
    >>> net = torch.nn.Sequential(norm, torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 2))
    >>> model = FERModel(net, emotions=["happiness", "surprise"], size=16)
    >>> _ = calibrate_batchnorm(model, synthetic_faces(2, size=16))
    >>> bool((norm.running_mean != 0).all())
    True
    """
    if not len(faces):
        raise InputError("Expected training faces to calibrate BatchNorm on, got none.")
    some = faces.limit(n, seed=seed)
    batches = some.batches(batch_size, size=model.size)
    recalibrate(model, (batch.images.to(model.device) for batch in batches))
    return model
