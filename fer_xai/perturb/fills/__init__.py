"""Fills: what stands in a face where something of it was taken away; one module a fill."""

from fer_xai.perturb.fills.core import (
    FILLS,
    Fill,
    ImageFill,
    fill_images,
    fill_named,
    has_fill,
)
from fer_xai.perturb.fills.prepared import Prepared

__all__ = ["FILLS", "Fill", "ImageFill", "Prepared", "fill_images", "fill_named", "has_fill"]
