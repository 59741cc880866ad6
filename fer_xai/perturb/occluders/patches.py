"""A random patch as large as another occluder: its chance floor."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.perturb.occluders.core import OCCLUDERS, Fitted, Occluder, occluder_named
from fer_xai.perturb.occluders.frame import FaceFrame

_LIKE = "mouth"
"""What a patch is as large as, if nothing is named."""


class Patch(Occluder):
    """A square patch at a random place of the face, as large as another occluder on this face.

    It hides exactly as many of the face's pixels as that occluder would: what this one costs more
    than a patch is due to where it lies. Its place is drawn by the seed and the face's name, and
    is uniform over the face's pixels; its sides turn with the face, which it does not leave.

    Parameters
    ----------
    like
        Name of the other occluder, the mouth by default.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> frame = FaceFrame(canonical_landmarks()[None], height=64, width=64, ids=["a face"])
    >>> patch, nose = (Fitted(occluder_named(one), frame).sized() for one in ("patch:nose", "nose"))
    >>> bool(patch.masks.sum() == nose.masks.sum())
    True
    """

    def __init__(self, like: str = _LIKE) -> None:
        self.like = like
        self.name = "patch" if like == _LIKE else f"patch:{like}"

    def with_option(self, option: str) -> Occluder:
        """The patch that is as large as an occluder.

        Raises
        ------
        UnknownNameError, InputError
            If there is no such occluder.
        """
        return Patch(occluder_named(option).name)

    def distance(self, frame: FaceFrame) -> Tensor:
        """From the place that was drawn, in the measure whose circles are squares."""
        number = (frame.streams("patch").rand(1)[:, 0].double() * frame.pixels).long()  # (B,)
        order = frame.face.flatten(1).cumsum(dim=1)
        at = (order <= number[:, None]).sum(dim=1).clamp(max=order.shape[1] - 1)  # pixel
        u, v = (
            values - values.flatten(1).gather(1, at[:, None])[..., None]
            for values in (frame.u, frame.v)
        )
        return torch.maximum(u.abs(), v.abs())

    def counts(self, frame: FaceFrame) -> Tensor:
        """Pixels of the face that the other occluder hides."""
        other = Fitted(occluder_named(self.like), frame).sized().masks
        return (other & frame.face).flatten(1).sum(dim=1)


OCCLUDERS.register("patch")(Patch())
