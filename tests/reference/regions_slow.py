"""Metrics over regions, by trying every order and every subset in turn."""

from itertools import permutations

import numpy as np
import torch
from scipy.stats import spearmanr


def score(model, image, column, *, probability):
    with torch.no_grad():
        logits = model(image[None])[0]
        return float((logits.softmax(dim=0) if probability else logits)[column])


def without(image, regions, players, filled):
    changed = image.clone()
    for player in players:
        changed[:, regions[player]] = filled[:, regions[player]]
    return changed


def single_deletion_slow(model, image, one, regions, column, *, filled):
    """Hesse et al. 2023: Spearman of part attributions with single deletions' drops."""
    clean = score(model, image, column, probability=False)
    sums = [float(one[region].sum()) for region in regions]
    drops = [
        clean - score(model, without(image, regions, [k], filled), column, probability=False)
        for k in range(len(regions))
    ]
    return float(spearmanr(sums, drops).statistic)


def naopc_slow(model, image, one, regions, column, *, filled, order):
    """Edin et al. 2024: AOPC between the least and the largest of all k! orders."""
    k = len(regions)

    def aopc(path):
        clean = score(model, image, column, probability=True)
        losses = [
            clean
            - score(model, without(image, regions, path[:n], filled), column, probability=True)
            for n in range(k + 1)
        ]
        return float(np.mean(losses))

    every = [aopc(path) for path in permutations(range(k))]
    means = [float(one[region].mean()) for region in regions]
    path = sorted(range(k), key=lambda player: -means[player] if order == "morf" else means[player])
    return (aopc(path) - min(every)) / (max(every) - min(every))
