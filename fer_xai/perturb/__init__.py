"""Changes of images: what is filled in where something is taken away, how a face is moved, what
hides a part of it, and the conditions that an image is taken under.
"""

from fer_xai.perturb.conditions import CONDITIONS, degrade
from fer_xai.perturb.occluders import guided_patches, occlude, occlusions, random_patches

__all__ = [
    "CONDITIONS",
    "degrade",
    "guided_patches",
    "occlude",
    "occlusions",
    "random_patches",
]
