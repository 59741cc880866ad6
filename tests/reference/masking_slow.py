"""Masked confidence and erasure one face, one pixel at a time."""

import numpy as np
import torch


def probability(model, image, column):
    with torch.no_grad():
        return float(model(image[None]).softmax(dim=1)[0, column])


def masked_confidence_slow(model, image, one, column):
    """Chattopadhay et al. 2018: drop, increase; Zhang et al. 2023: gain."""
    top = max(float(one.max()), 1e-30)
    seen = image.clone()
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            seen[:, y, x] *= max(float(one[y, x]), 0.0) / top
    clean, masked = probability(model, image, column), probability(model, seen, column)
    drop = max(0.0, clean - masked) / clean
    return drop, float(masked > clean), max(0.0, masked - clean) / (1 - clean)


def erasure_slow(model, image, order, shares, *, filled, column):
    """DeYoung et al. 2020: comprehensiveness and sufficiency over bins of pixels in order."""
    clean = probability(model, image, column)
    width = image.shape[2]
    without, only = [], []
    for share in shares:
        count = min(max(1, round(share * len(order))), len(order) - 1)
        gone, left = image.clone(), filled.clone()
        for pixel in order[:count]:
            y, x = divmod(int(pixel), width)
            gone[:, y, x] = filled[:, y, x]
            left[:, y, x] = image[:, y, x]
        without.append(clean - probability(model, gone, column))
        only.append(clean - probability(model, left, column))
    return float(np.mean(without)), float(np.mean(only))
