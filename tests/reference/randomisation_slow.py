"""Randomisation tests one network, one face at a time (Adebayo et al. 2018)."""

import copy

import numpy as np
import torch
from scipy.stats import pearsonr, spearmanr
from skimage.metrics import structural_similarity


def similarity_slow(one, other, kind):
    if kind == "ssim":
        one, other = (m / np.abs(m).max() for m in (one, other))
        if min(one.min(), other.min()) < 0:
            one, other = (one + 1) / 2, (other + 1) / 2
        whole = structural_similarity(one, other, data_range=1.0, full=True)[1]
        return whole.mean()
    return {"spearman": spearmanr, "pearson": pearsonr}[kind](one.ravel(), other.ravel())[0]


def mprt_slow(networks, image, explain_one, *, order, kind):
    """Similarities as layers, listed in an order, take the random network's weights in turn."""
    trained, random = networks
    before = explain_one(trained, image)
    mixed, found = copy.deepcopy(trained), []
    for layer in order:
        with torch.no_grad():
            theirs = dict(random.get_submodule(layer).named_parameters(recurse=False))
            for key, value in mixed.get_submodule(layer).named_parameters(recurse=False):
                value.copy_(theirs[key])
        found.append(similarity_slow(before, explain_one(mixed, image), kind))
    return found


def moves_slow(image):
    """Every copy of a map that is moved far enough, mirrored or not."""
    height, width = image.shape
    for down in range(height):
        for right in range(width):
            far = min(down, height - down) >= height / 4 or min(right, width - right) >= width / 4
            if far:
                for flipped in (image, image[::-1], image[:, ::-1], image[::-1, ::-1]):
                    yield np.roll(flipped, (down, right), (0, 1))
