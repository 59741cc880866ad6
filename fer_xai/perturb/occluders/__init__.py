"""Occluders: what hides a part of a face, fitted to its landmarks; one module for one or a few."""

from fer_xai.perturb.occluders.core import OCCLUDERS, Occluded, Occluder, occluder_named
from fer_xai.perturb.occluders.grid import guided_patches, random_patches
from fer_xai.perturb.occluders.occluding import occlude, occlusions

__all__ = [
    "OCCLUDERS",
    "Occluded",
    "Occluder",
    "guided_patches",
    "occlude",
    "occluder_named",
    "occlusions",
    "random_patches",
]
