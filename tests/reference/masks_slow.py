"""RISE one mask and one pixel at a time (Petsiuk et al. 2018, eq. 6, less its offset)."""

import itertools

import numpy as np
import torch


def enlarged_slow(grid, shift, height, width):
    """A grid ``(s, s)`` looked up between its cells' centres, shifted by a share of a cell."""
    side = len(grid)
    mask = np.zeros((height, width))
    for y, x in itertools.product(range(height), range(width)):
        # the image spans one cell less than the grid, which leaves room for the shift
        row = (y + 0.5) / height * (side - 1) + shift[0] - 0.5
        column = (x + 0.5) / width * (side - 1) + shift[1] - 0.5
        row, column = np.clip(row, 0, side - 1), np.clip(column, 0, side - 1)
        up, left = int(np.floor(row)), int(np.floor(column))
        down, right = min(up + 1, side - 1), min(left + 1, side - 1)
        high = grid[up][left] * (1 - (column - left)) + grid[up][right] * (column - left)
        low = grid[down][left] * (1 - (column - left)) + grid[down][right] * (column - left)
        mask[y, x] = high * (1 - (row - up)) + low * (row - up)
    return mask


def variance_slow(shift, side, keep, height, width):
    """Variance of a mask over every grid that there is."""
    mean, square = 0.0, 0.0
    for cells in itertools.product((0, 1), repeat=side * side):
        chance = np.prod([keep if cell else 1 - keep for cell in cells])
        mask = enlarged_slow(np.reshape(cells, (side, side)), shift, height, width)
        mean, square = mean + chance * mask, square + chance * mask**2
    return square - mean**2


def rise_slow(model, image, grids, shifts, *, filled, column, keep):
    """A pixel's mean of masks, weighted by logits less their mean, over the masks' variance."""
    height, width = image.shape[1:]
    masks, scores = [], []
    for grid, shift in zip(grids.tolist(), shifts.tolist(), strict=True):
        mask = enlarged_slow(grid, shift, height, width)
        seen = torch.from_numpy(mask).float()
        with torch.no_grad():
            logits = model((seen * image + (1 - seen) * filled)[None])
        masks.append(mask)
        scores.append(float(logits[0, column]))
    scores = np.array(scores) - np.mean(scores)
    spread = np.mean(
        [variance_slow(shift, len(grids[0]), keep, height, width) for shift in shifts.tolist()],
        axis=0,
    )
    return sum(s * mask for s, mask in zip(scores, masks, strict=True)) / len(masks) / spread
