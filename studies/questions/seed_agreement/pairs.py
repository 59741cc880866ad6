"""Likeness of the maps that two networks give the same face, by kind of pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.attributions import upsample
from fer_xai.draws.streams import stream
from metrics.core.similarity import normalised_rows
from metrics.statistics.clusters import cluster_codes
from studies.engine.other_persons import other_persons

SIZE = 64
"""Side of the maps that are compared, in pixels."""
TRAININGS = "two trainings of one network"
ARCHITECTURES = "trainings of two architectures"
WITH_UNTRAINED = "a training and an untrained network"
UNTRAINED = "two untrained networks"
KINDS = (TRAININGS, ARCHITECTURES, WITH_UNTRAINED, UNTRAINED)


@dataclass(frozen=True, kw_only=True, eq=False)
class Mapped:
    """Maps of all faces by one network.

    Attributes
    ----------
    name
        Name of the network.
    variant
        Its architecture, as it is trained.
    trained
        Whether it has learned.
    rows
        ``(N, P)`` unit vectors in half precision; NaN where a map is undefined.

    Examples
    --------
    >>> Mapped(name="a", variant="tiny", trained=True, rows=torch.eye(2)).trained
    True
    """

    name: str
    variant: str
    trained: bool
    rows: Tensor


def mapped(name: str, variant: str, cells: Tensor, *, trained: bool) -> Mapped:
    """A network's cells ``(N, h, w)`` as maps that can be compared with those of any other grid.

    Examples
    --------
    >>> found = mapped("a", "tiny", torch.eye(2)[None], trained=True)
    >>> found.rows.shape
    torch.Size([1, 4096])
    """
    full = upsample(cells[:, None], size=(SIZE, SIZE))[:, 0]
    whole = torch.ones(SIZE, SIZE, dtype=torch.bool)
    return Mapped(
        name=name, variant=variant, trained=trained, rows=normalised_rows(full, whole).half()
    )


def kind_of(one: Mapped, other: Mapped) -> str | None:
    """Kind of pair that two networks are; None for pairs that answer no question.

    Examples
    --------
    >>> one, two = (mapped(n, "tiny", torch.rand(1, 2, 2), trained=True) for n in "ab")
    >>> kind_of(one, two)
    'two trainings of one network'
    """
    if one.trained and other.trained:
        return TRAININGS if one.variant == other.variant else ARCHITECTURES
    if one.variant != other.variant:
        return None
    return WITH_UNTRAINED if one.trained or other.trained else UNTRAINED


def others_of_one_emotion(
    labels: Tensor, ids: Sequence[str], *, seed: int, clusters: Sequence[object] | None = None
) -> NDArray[np.int64]:
    """For each face one of another person with the same emotion; −1 where there is none.

    Faces of an emotion stand in a ring in random order, and each takes the next one. Where that
    is a face of its own person, it takes the first after it that is not.

    Examples
    --------
    >>> others_of_one_emotion(torch.tensor([0, 0, 5]), ["a", "b", "c"], seed=0).tolist()
    [1, 0, -1]
    >>> persons = ["ann", "ann", "bob"]
    >>> others_of_one_emotion(
    ...     torch.tensor([0, 0, 0]), ["a", "b", "c"], seed=0, clusters=persons
    ... ).tolist()[:2]
    [2, 2]
    """
    found = np.full(len(ids), -1, dtype=np.int64)
    others = other_persons(labels, cluster_codes(clusters, len(ids)).tolist()).numpy()
    for emotion in labels.unique().tolist():
        members = np.flatnonzero(labels.numpy() == emotion)
        names = sorted(members.tolist(), key=lambda face: ids[face])
        order = stream(seed, emotion, "other face").randperm(len(names))
        ring = np.array(names)[order.numpy()]
        for place, face in enumerate(ring):
            following = np.roll(ring, -place - 1)[:-1]
            strange = following[others[face, following]]
            if len(strange):
                found[face] = strange[0]
    return found


def agreement(
    networks: Sequence[Mapped],
    labels: Tensor,
    ids: Sequence[str],
    *,
    seed: int,
    clusters: Sequence[object] | None = None,
) -> pd.DataFrame:
    """Likeness of maps of the same face, and of another face of its emotion, by kind of pair.

    Parameters
    ----------
    networks
        Networks whose maps are compared, all on the same N faces.
    labels
        ``(N,)`` canonical emotions, which are explained.
    ids
        Names of the faces.
    seed
        Seed of the choice of other faces.
    clusters
        N labels of persons; other faces are those of other persons. Each face is of its own person
        where there are none.

    Returns
    -------
    DataFrame
        One row a kind, variant (or pair of variants) and face: ``same face`` is the mean Pearson
        correlation over pairs of networks, ``other face`` that of the first network's map with the
        second one's map of another face of the same emotion; ``pairs`` are those that have both.

    Examples
    --------
    >>> cells = torch.rand(4, 2, 2, generator=torch.Generator().manual_seed(0))
    >>> networks = [mapped(str(k), "tiny", cells, trained=True) for k in range(2)]
    >>> found = agreement(networks, torch.tensor([0, 0, 5, 5]), ["a", "b", "c", "d"], seed=0)
    >>> found["same face"].round(3).tolist(), len(found)
    ([1.0, 1.0, 1.0, 1.0], 4)
    """
    other = others_of_one_emotion(labels, ids, seed=seed, clusters=clusters)
    alone = other < 0
    values: dict[tuple[str, str], list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = {}
    for one, two in combinations(networks, 2):
        kind = kind_of(one, two)
        if kind is None:
            continue
        first, second = one.rows.float(), two.rows.float()
        same = (first * second).sum(dim=1).double().numpy()
        strange = (first * second[torch.from_numpy(other)]).sum(dim=1).double().numpy()
        strange[alone] = np.nan
        both = np.isfinite(same) & np.isfinite(strange)
        who = " × ".join(sorted({one.variant, two.variant}))
        pair = np.where(both, same, np.nan), np.where(both, strange, np.nan)
        values.setdefault((kind, who), []).append(pair)
    parts = []
    for (kind, who), pairs in values.items():
        same, strange = (np.stack(side) for side in zip(*pairs, strict=True))
        known = np.isfinite(same)
        count = known.sum(axis=0)
        parts.append(
            pd.DataFrame(
                {
                    "kind": kind,
                    "network": who,
                    "id": list(ids),
                    "same face": _mean(same, count),
                    "other face": _mean(strange, count),
                    "pairs": count,
                    "pairs asked": len(pairs),
                }
            )
        )
    rows = pd.concat(parts, ignore_index=True)
    return rows.sort_values("kind", key=lambda kinds: kinds.map(KINDS.index), kind="stable")


def _mean(values: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    """Means over the pairs that are known; NaN where there is none."""
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)
