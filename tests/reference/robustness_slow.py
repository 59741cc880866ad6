"""Sensitivity of one face's map, one perturbed image at a time (Yeh et al. 2019)."""

import numpy as np


def stability_slow(explain_one, image, perturbed):
    """Largest and mean relative move, and largest move over the image's own."""
    before = explain_one(image).astype(np.float64)
    relative, slopes = [], []
    for other in perturbed:
        moved = np.sqrt(((explain_one(other) - before) ** 2).sum())
        relative.append(moved / np.sqrt((before**2).sum()))
        slopes.append(moved / np.sqrt(((other - image) ** 2).sum()))
    return max(relative), sum(relative) / len(relative), max(slopes)
