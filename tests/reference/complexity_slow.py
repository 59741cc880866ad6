"""Complexity of one map, pixel by pixel."""

import math

import numpy as np


def gini_slow(image):
    """Mean absolute difference of all pairs of pixels over twice the mean."""
    values = [abs(float(v)) for v in image.flatten()]
    total = sum(abs(a - b) for a in values for b in values)
    return total / (2 * len(values) * sum(values))


def entropy_slow(image):
    values = [abs(float(v)) for v in image.flatten()]
    shares = [v / sum(values) for v in values]
    return -sum(p * math.log(p) for p in shares if p > 0)


def effective_complexity_slow(image, threshold):
    values = [abs(float(v)) for v in image.flatten()]
    return sum(v > threshold * max(values) for v in values) / len(values)


def total_variation_slow(image):
    height, width = image.shape
    steps = []
    for y in range(height):
        for x in range(width):
            if y + 1 < height:
                steps.append(abs(float(image[y + 1, x] - image[y, x])))
            if x + 1 < width:
                steps.append(abs(float(image[y, x + 1] - image[y, x])))
    return sum(steps) / len(steps) / float(abs(image).max())


def histogram_entropy_slow(image, bins):
    counts, _ = np.histogram(np.asarray(image, dtype=np.float64), bins=bins)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
