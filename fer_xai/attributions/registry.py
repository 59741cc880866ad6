"""Attributions by name, and what each of them is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from fer_xai.probe import Probe
from fer_xai.registry import Registry


class MapMaker(Protocol):
    """Maps of a batch for K targets a face, from as few passes as possible."""

    def __call__(self, probe: Probe, images: Tensor, columns: Tensor) -> Tensor:
        """Maps ``(B, K, h, w)`` at the method's own resolution.

        ``images`` is ``(B, 3, H, W)`` on the probe's device; ``columns`` ``(B, K)`` output columns.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """A way to make maps from a model.

    Attributes
    ----------
    maps
        Makes them in batches.
    params
        Says what it does to a given model (the layer, for a CAM).
    nonnegative
        Whether maps are clamped at zero, so that an all-zero map can occur.
    reference
        The paper.
    """

    maps: MapMaker
    params: Describer
    nonnegative: bool
    reference: str


class Describer(Protocol):
    """Parameters of a method on a model, for manifests."""

    def __call__(self, model: Any) -> Mapping[str, Any]:
        """Names and values."""
        ...


ATTRIBUTIONS: Registry[Attribution] = Registry(
    "attribution",
    {
        "gradcam": "fer_xai.attributions.gradcam",
        "gradcam_paper": "fer_xai.attributions.gradcam",
    },
)
