"""Changes of images: what is filled in where something is taken away, how a face is moved, and what
hides a part of it.
"""

from fer_xai.perturb.occluders import guided_patches, occlude, occlusions, random_patches

__all__ = ["guided_patches", "occlude", "occlusions", "random_patches"]
