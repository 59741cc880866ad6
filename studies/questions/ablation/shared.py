"""Endpoints of several networks over the emotions that all of them have enough maps of.

Emotions differ in how well their pairs are told, so a network that lacks maps of one emotion at a
target has another mean area for that reason alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_xai.emotions import EMOTIONS, SIX
from metrics.consistency.jackknife import influences_of
from metrics.consistency.pairs import Members
from studies.scoreboard.consistency import mean_influence

Endpoint = Mapping[str, NDArray[Any]]
Endpoints = Mapping[str, Endpoint]


def compared(endpoints: Endpoints, variants: Collection[str]) -> Endpoints:
    """Endpoints of all networks of some variants, over the emotions that all of them have.

    They are unchanged where no network leaves out another emotion than the others do, and where an
    earlier version has kept one of them without its areas, so that nothing can be left out.

    Parameters
    ----------
    endpoints
        By ``variant@seedK`` and ``variant@untrainedK``.
    variants
        Names of the variants.

    Examples
    --------
    >>> kept = {"a@seed0": {"auc": np.array([0.7])}, "b@seed0": {"auc": np.array([0.6])}}
    >>> compared(kept, ["a"])
    {'a@seed0': {'auc': array([0.7])}}
    """
    chosen = {name: one for name, one in endpoints.items() if name.rpartition("@")[0] in variants}
    if not all("areas" in one for one in chosen.values()) or not chosen:
        return chosen
    have = np.array([counted_in(one) for one in chosen.values()])  # (networks, T, E)
    shared = np.asarray(have.all(axis=0), dtype=bool)
    shared[shared.sum(axis=1) < 2] = False
    if (have == shared).all():
        return chosen
    return {name: restricted(one, shared) for name, one in chosen.items()}


def mean_auc(one: Endpoint) -> float:
    """Mean over the targets that have an AUC; NaN where none has.

    Examples
    --------
    >>> mean_auc({"auc": np.array([0.5, 0.7, np.nan])})
    0.6
    """
    known = one["auc"][np.isfinite(one["auc"])]
    return float(known.mean()) if len(known) else float("nan")


def counted_in(one: Endpoint) -> NDArray[np.bool_]:
    """``(T, E)``: emotions that a network has enough maps of, at each target.

    Examples
    --------
    >>> counted_in({"areas": np.array([[[np.nan, 0.6], [0.7, np.nan]]])})
    array([[ True,  True]])
    """
    return np.asarray(np.isfinite(one["areas"]).any(axis=2))


def restricted(one: Endpoint, shared: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """A network's endpoint over some emotions at each target, ``(T, E)``.

    Examples
    --------
    >>> areas = np.full((1, 3, 3), 0.6)
    >>> areas[0, 2] = areas[0, :, 2] = 0.9
    >>> kept = {"areas": areas, "changes": np.zeros((1, 3, 15)), "defined": np.ones((1, 15)) > 0}
    >>> kept |= {"codes": np.arange(15) % 3, "units": np.arange(15), "emotions": np.arange(3)}
    >>> restricted(kept, np.array([[True, True, False]]))["auc"]
    array([0.6])
    """
    n = len(one["codes"])
    first, second = np.triu_indices(len(one["emotions"]), k=1)
    aucs, influences = np.full(len(shared), np.nan), []
    for target, emotions in enumerate(shared):
        counted = np.flatnonzero(emotions)
        if len(counted) < 2:
            continue
        pairs = len(counted) * (len(counted) - 1)
        areas = one["areas"][target][np.ix_(counted, counted)]
        aucs[target] = areas[~np.eye(len(counted), dtype=bool)].sum() / pairs
        used = np.flatnonzero(one["defined"][target])
        units = np.unique(one["units"][used], return_inverse=True)[1]
        chosen = emotions[first] & emotions[second]
        change = one["changes"][target][chosen][:, used].astype(np.float64).sum(axis=0) / pairs
        without = np.full(units.max() + 1, aucs[target])
        without[units] = aucs[target] - change  # faces of one unit have one change
        faces = Members(
            used=used,
            rows=np.empty((0, 0), dtype=np.float32),
            emotions=one["emotions"],
            codes=one["codes"][used],
            units=units,
            left_out={},
        )
        influences.append(influences_of(float(aucs[target]), without, faces, n, counted.tolist()))
    return {**one, "auc": aucs, "influence": mean_influence(influences, n)}


def left_out(endpoints: Endpoints, variants: Collection[str]) -> list[str]:
    """For each variant whose networks leave out emotions, one sentence that names them.

    Examples
    --------
    >>> left_out({"a@seed0": {"auc": np.array([0.7])}}, ["a"])
    []
    """
    found = []
    for variant in variants:
        here = {k: v for k, v in endpoints.items() if k.rpartition("@")[0] == variant}
        if not here or not all("areas" in one for one in here.values()):
            continue
        lost = (~np.array([counted_in(one) for one in here.values()])).sum(axis=0)  # (T, E)
        emotions = next(iter(here.values()))["emotions"]
        said = [
            f"{EMOTIONS[int(emotions[e])]} at {SIX[t]} (too few maps in {lost[t, e]} of "
            f"{len(here)} networks)"
            for t, e in np.argwhere(lost)
        ]
        if said:
            found.append(
                f"Left out of all networks of {variant}, trained and untrained, and of its "
                f"differences: {', '.join(said)}. An emotion takes five maps (persons) at a target."
            )
    return found
