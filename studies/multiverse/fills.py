"""How far a fill leaves the data: whether the answer survives it, and how far images move.

A curve of removals says something of a map only as far as the fill says nothing of its own. A fill
that turns the model's answer over wherever it is put, or that makes images unlike any face, tells
of the fill.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fer_xai.draws.streams import streams
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from metrics.core.score_cache import ScoreCache
from metrics.statistics.clusters import Array, cluster_codes
from metrics.statistics.intervals import mean_interval

GRID = 8
"""Cells a side in which pixels are filled together."""
SHARES = (0.2, 0.5)
"""Shares of the cells that are filled."""
DRAWS = 4
"""Random sets of cells a face."""
TOGETHER = 128
"""Images whose features are computed at a time."""


def fill_facts(
    predictor: Predictor,
    images: Tensor,
    *,
    ids: Sequence[str],
    fills: Sequence[str],
    clusters: Sequence[object] | None = None,
    own: Mapping[str, Tensor] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Whether answers survive a fill, and how far filled faces lie from faces; one row a fill.

    A seeded random 20 % (then 50 %) of the 8 × 8 equal cells of a face is filled, four times, and
    nothing else is changed. ``answer survives`` is the share of these images that the model calls
    as it calls the untouched face. ``distance`` is how far they lie from the nearest face other
    than their own, in the features that the linear layer which runs last reads, scaled to length 1,
    as the mean over faces in units of the mean distance of untouched faces to their nearest other
    face: 1 is as near as faces lie to one another. ``outside`` is the share beyond the distance
    that 95 % of the untouched faces keep. Nearest-neighbour distances in such features tell data
    that a network was not trained on: Sun, Ming, Zhu & Li (2022), "Out-of-Distribution Detection
    with Deep Nearest Neighbors", ICML.

    All images are in memory, as are tables of N² distances, which take more from some ten thousand
    faces on: of a large set take a sample.

    Parameters
    ----------
    predictor
        The model.
    images
        ``(N, 3, H, W)`` in [0, 1], of three faces or more.
    ids
        Names of the faces, which seed cells and fills.
    fills
        Names of fills.
    clusters
        N labels, such as the person of each face: the units of the interval, and faces of one
        label are nobody's other face.
    own
        Images ``(N, 3, H, W)`` of fills of your own, by name.
    seed
        Seed of the cells and of random fills.

    Returns
    -------
    DataFrame
        A row a fill and share; ``distance`` and ``outside`` are NaN for faces of one person alone,
        and where all faces look the same to the model.

    Raises
    ------
    InputError
        For fewer than three faces, or a model that uses no linear layer.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> net = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(3, 2))
    >>> used = Predictor(FERModel(net, emotions=["happiness", "fear"], size=8), device="cpu")
    >>> faces = torch.rand(5, 3, 8, 8)
    >>> found = fill_facts(used, faces, ids=list("abcde"), fills=["same"], own={"same": faces})
    >>> found["answer survives"].tolist()  # a fill that changes nothing
    [1.0, 1.0]
    """
    if len(images) < 3:
        raise InputError(
            f"Expected three faces or more to tell how near faces lie, got {len(images)}."
        )
    cache = ScoreCache(predictor, images, ids=ids, seed=seed, fills=own)
    groups = None if clusters is None else list(clusters)
    codes = cluster_codes(groups, len(images))
    own_face = codes[:, None] == codes[None, :]
    clean, answers = _seen(predictor, cache.images)
    usual = _nearest(clean, clean, own_face)
    apart = bool(np.isfinite(usual).all() and usual.mean() > 0)  # not of one person alone
    edge = np.quantile(usual, 0.95) if apart else np.nan
    everyone = torch.arange(len(images), device=predictor.device)
    found = []
    for fill in fills:
        for share in SHARES:
            kept, distances = [], []
            for draw in range(DRAWS):
                gone = _gone(cache, share, draw).to(predictor.device)
                features, named = _seen(predictor, cache.blended(everyone, gone, fill))
                kept.append(named == answers)
                distances.append(_nearest(features, clean, own_face))
            survives = mean_interval(np.mean(kept, axis=0), clusters=groups, bounds=(0, 1))
            found.append(
                {
                    "fill": fill,
                    "filled": share,
                    "answer survives": survives.estimate,
                    "answer survives low": float(np.clip(survives.low, 0, 1)),
                    "answer survives high": float(np.clip(survives.high, 0, 1)),
                    "distance": np.mean(distances) / usual.mean() if apart else np.nan,
                    "outside": np.mean(np.array(distances) > edge) if apart else np.nan,
                }
            )
    return pd.DataFrame(found)


def _gone(cache: ScoreCache, share: float, draw: int) -> Tensor:
    """``(N, H, W)`` bool: pixels of randomly chosen cells, different for each face."""
    chosen = round(share * GRID**2)
    order = streams((cache.seed, name, f"filled cells {draw}") for name in cache.ids)
    cells = order.randperm(GRID**2).reshape(len(cache), GRID, GRID) < chosen  # (N, 8, 8)
    height, width = cache.images.shape[-2:]
    rows = torch.arange(height) * GRID // height
    columns = torch.arange(width) * GRID // width
    return cells[:, rows][:, :, columns]


def _seen(predictor: Predictor, images: Tensor) -> tuple[Array, NDArray[np.int64]]:
    """What the last linear layer reads, ``(N, F)`` of unit length, and the output that wins.

    The last layer is the one that runs last: a network may hold others that it does not use.
    """
    read: list[Tensor] = []

    def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        read[:] = given[:1]

    kept: list[Tensor] = []
    answers: list[Tensor] = []
    heads = [part for part in predictor.model.net.modules() if isinstance(part, nn.Linear)]
    handles = [head.register_forward_pre_hook(keep) for head in heads]
    try:
        with predictor.turn(), torch.inference_mode(), predictor.autocast():
            for start in range(0, len(images), TOGETHER):
                logits = predictor.model(images[start : start + TOGETHER].to(predictor.device))
                answers.append(logits.argmax(dim=1).cpu())
                kept.append(_features(predictor, read, len(logits)))
    finally:
        for handle in handles:
            handle.remove()
    features = nn.functional.normalize(torch.cat(kept), dim=1).numpy()
    return np.asarray(features), np.asarray(torch.cat(answers).numpy())


def _features(predictor: Predictor, read: Sequence[Tensor], n: int) -> Tensor:
    """``(n, F)`` of what the last linear layer has read of n images."""
    if not read:
        raise InputError(
            f"Expected {predictor.name} to use a linear layer, whose features tell how far filled "
            "images lie from faces, but it uses none."
        )
    if len(read[0]) != n:
        raise InputError(
            f"Expected the last linear layer of {predictor.name} to read one row an image, got "
            f"{len(read[0])} rows of {n} images: its features do not tell the images apart."
        )
    return read[0].detach().flatten(1).double().cpu()


def _nearest(points: Array, faces: Array, own: NDArray[np.bool_]) -> Array:
    """``(N,)`` distance of each point to the nearest face that is not its own."""
    squared = np.where(own, np.inf, np.maximum(2 - 2 * points @ faces.T, 0))
    return np.asarray(np.sqrt(squared.min(axis=1)))
