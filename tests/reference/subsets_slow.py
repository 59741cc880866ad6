"""Infidelity, MuFidelity and sensitivity-n, one changed image at a time."""

import numpy as np
import torch
from scipy.stats import pearsonr, spearmanr


def logit(model, image, column):
    with torch.no_grad():
        return float(model(image[None])[0, column])


def infidelity_slow(model, image, one, column, changes, *, free):
    """Yeh et al. 2019, eq. 1, over changes ``(M, H, W)``; ``free``: of the best multiple."""
    clean = logit(model, image, column)
    foretold, drops = [], []
    for change in changes:
        drops.append(clean - logit(model, image - change[None], column))
        foretold.append(float((change.double() * one.double()).sum()))
    foretold, drops = np.array(foretold), np.array(drops)
    if free and (foretold**2).sum() > 0:
        foretold = foretold * (foretold * drops).sum() / (foretold**2).sum()
    return float(((foretold - drops) ** 2).mean())


def subset_correlation_slow(model, image, one, column, gone, *, filled, kind="pearson"):
    """Correlation over masks ``(M, H, W)`` of the map's sums with what is lost without them."""
    clean = logit(model, image, column)
    sums, drops = [], []
    for mask in gone:
        changed = image.clone()
        total = 0.0
        for y, x in mask.nonzero().tolist():
            changed[:, y, x] = filled[:, y, x]
            total += float(one[y, x])
        sums.append(total)
        drops.append(clean - logit(model, changed, column))
    return float((pearsonr if kind == "pearson" else spearmanr)(sums, drops).statistic)
