"""Deletion and insertion one face, one step, one pixel at a time (Petsiuk et al. 2018)."""

import numpy as np
import torch


def deletion_slow(model, image, order, counts, *, filled, column):
    """Probability of a column as the first pixels of an order (flat indices) are filled."""
    scores = []
    for count in counts:
        changed = image.clone()
        for pixel in order[:count]:
            y, x = divmod(int(pixel), image.shape[-1])
            changed[:, y, x] = filled[:, y, x]
        with torch.no_grad():
            scores.append(float(model(changed[None]).softmax(dim=1)[0, column]))
    return np.array(scores)


def insertion_slow(model, image, order, counts, *, filled, column):
    """The same as they come back into the filled image."""
    scores = []
    for count in counts:
        changed = filled.clone()
        for pixel in order[:count]:
            y, x = divmod(int(pixel), image.shape[-1])
            changed[:, y, x] = image[:, y, x]
        with torch.no_grad():
            scores.append(float(model(changed[None]).softmax(dim=1)[0, column]))
    return np.array(scores)


def auc_slow(fractions, scores):
    """Trapezoids, one by one."""
    total = 0.0
    for i in range(len(scores) - 1):
        total += (fractions[i + 1] - fractions[i]) * (scores[i] + scores[i + 1]) / 2
    return total
