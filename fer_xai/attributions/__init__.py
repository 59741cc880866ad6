"""Attributions, and the chance controls that every comparison needs."""

from fer_xai.attributions.api import attribute, explain, native_maps
from fer_xai.attributions.controls import CONTROLS, Setting, control_maps
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps, Question
from fer_xai.attributions.core.resizing import upsample

__all__ = [
    "ATTRIBUTIONS",
    "CONTROLS",
    "Attribution",
    "Maps",
    "Question",
    "Setting",
    "attribute",
    "control_maps",
    "explain",
    "native_maps",
    "upsample",
]
