"""The untrained network: the floor that any claim about a trained one has to clear."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from fer_xai.batchnorm.recalibration import recalibrate
from fer_xai.errors import InputError
from fer_xai.models.fer_model import FERModel
from fer_xai.types import Faces


@dataclass(frozen=True, eq=False)
class _Calibration:
    """What BatchNorm statistics were taken from, and those buffers as they were then."""

    source: str
    buffers: dict[str, Tensor]


_CALIBRATED: WeakKeyDictionary[nn.Module, _Calibration] = WeakKeyDictionary()


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
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    batches = some.batches(batch_size, size=model.size)
    recalibrate(model, (batch.images.to(model.device) for batch in batches))
    taken = {
        name: buffer.detach().clone()
        for name, buffer in model.named_buffers()
        if not torch.equal(buffer, before[name])
    }
    source = f"calibrated in batches of {batch_size} on {some.fingerprint(model.size)}"
    _CALIBRATED[model] = _Calibration(source, taken)
    return model


def calibrated_from(model: nn.Module) -> dict[str, str]:
    """Names of calibrated buffers, and in words what identifies the faces they were taken from.

    Statistics of the same weights and faces differ in the last digits between machines, so that
    digests go by this source. Buffers that were changed since are left out.

    Parameters
    ----------
    model
        Any network; one that :func:`calibrate_batchnorm` has not seen gives nothing.

    Examples
    --------
    >>> calibrated_from(nn.BatchNorm2d(3))
    {}
    """
    known = _CALIBRATED.get(model)
    if known is None:
        return {}
    own = dict(model.named_buffers())
    return {
        name: known.source
        for name, value in known.buffers.items()
        if name in own and torch.equal(own[name].to(value.device), value)
    }
