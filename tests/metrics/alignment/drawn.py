"""Random maps and areas, and the metrics of a map and an area."""

import torch

import metrics

BINARY = {
    name: getattr(metrics, name)
    for name in ("region_rank", "region_iou", "pixel_auc", "pointing_game")
}
SOFT = {name: getattr(metrics, name) for name in ("au_cosine", "region_mass", "energy_gain")}
ALL = SOFT | BINARY
HIGHER = 14


def maps_of(n, *, side=HIGHER, seed=0):
    return torch.randn(n, side, side, generator=torch.Generator().manual_seed(seed))


def areas_of(n, *, side=HIGHER, seed=1, share=0.3):
    """Bool; of other sizes from face to face."""
    lots = torch.rand(n, side, side, generator=torch.Generator().manual_seed(seed))
    return lots < share * torch.linspace(0.5, 2, n)[:, None, None]
