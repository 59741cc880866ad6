"""Attributions: Grad-CAM, and the chance controls that every comparison needs."""

from fer_xai.attributions.controls import CONTROLS, Setting, control_maps
from fer_xai.attributions.explaining import explain, native_maps, upsample
from fer_xai.attributions.registry import ATTRIBUTIONS

__all__ = [
    "ATTRIBUTIONS",
    "CONTROLS",
    "Setting",
    "control_maps",
    "explain",
    "native_maps",
    "upsample",
]
