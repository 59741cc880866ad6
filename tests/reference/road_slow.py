"""Noisy linear imputation and ROAD one pixel at a time (Rong et al. 2022, sections 4.2 and 5)."""

import numpy as np
import torch
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

WEIGHTS = {
    (dy, dx): 1 / 6 if 0 in (dy, dx) else 1 / 12
    for dy in (-1, 0, 1)
    for dx in (-1, 0, 1)
    if (dy, dx) != (0, 0)
}


def impute_slow(image, gone):
    """Image ``(C, H, W)`` with pixels ``(H, W)`` imputed, by a sparse direct solver in float64."""
    image, gone = np.asarray(image, dtype=np.float64), np.asarray(gone)
    channels, height, width = image.shape
    pixels = [(y, x) for y in range(height) for x in range(width) if gone[y, x]]
    number = {pixel: k for k, pixel in enumerate(pixels)}
    system, right = lil_matrix((len(pixels), len(pixels))), np.zeros((len(pixels), channels))
    for (y, x), k in number.items():
        for (dy, dx), weight in WEIGHTS.items():
            other = (y + dy, x + dx)
            if not (0 <= other[0] < height and 0 <= other[1] < width):
                continue
            system[k, k] += weight
            if other in number:
                system[k, number[other]] -= weight
            else:
                right[k] += weight * image[:, other[0], other[1]]
    out = image.copy()
    if pixels:
        out[:, gone] = spsolve(system.tocsc(), right).reshape(len(pixels), channels).T
    return out


def road_slow(model, image, order, counts, *, noise, column):
    """Probability of a column as the first pixels of an order (flat indices) are imputed."""
    scores = []
    for count in counts:
        gone = np.zeros(image.shape[1] * image.shape[2], dtype=bool)
        gone[order[:count]] = True
        gone = gone.reshape(image.shape[1:])
        changed = torch.from_numpy(impute_slow(image, gone) + noise * gone).float()
        with torch.no_grad():
            scores.append(float(model(changed[None]).softmax(dim=1)[0, column]))
    return np.array(scores)
