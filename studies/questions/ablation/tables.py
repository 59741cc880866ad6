"""Tables of the ablation: accuracy, and the excess of separability over untrained networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metrics.consistency.jackknife import jackknife_interval
from metrics.statistics.effect_sizes import auc_to_d
from metrics.statistics.intervals import Interval
from metrics.statistics.significance import holm
from metrics.statistics.trainings import percent_interval, training_interval
from studies.questions.ablation.shared import Endpoints, compared, mean_auc
from training.grid import Training

Array = NDArray[np.float64]

REFERENCE = "gimefive"
LEAST_UNTRAINED = 3
"""Fewest untrained networks whose scatter is part of an interval: with two, an interval whose width
is mostly theirs covers .90."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Units:
    """What the test faces belong to.

    Attributes
    ----------
    labels
        ``(N,)`` emotion of each face.
    clusters
        N labels of persons or groups of copies.

    Examples
    --------
    >>> Units(labels=np.array([0, 5]), clusters=["ann", "bob"]).clusters
    ['ann', 'bob']
    """

    labels: NDArray[np.int64]
    clusters: Sequence[object]


def run_table(done: Sequence[Training], endpoints: Endpoints) -> pd.DataFrame:
    """One row a training: accuracy, and the endpoint with its variant's floor."""
    found = []
    for cell in done:
        name = cell.variant.name
        alike = compared(endpoints, [name])
        floor = floor_of(name, alike)
        mine = alike[f"{name}@seed{cell.seed}"]
        auc = mean_auc(mine)
        found.append(
            {
                "variant": name,
                "seed": cell.seed,
                "accuracy": 100 * cell.scores["plain"]["accuracy"],
                "macro recall": 100 * cell.scores["plain"]["macro_recall"],
                "AUC": auc,
                "AUC untrained": float(floor.mean()),
                "excess": auc - float(floor.mean()),
                "undefined maps": float(mine["undefined"].mean()),
                "grid": "×".join(map(str, mine["grid"])),
            }
        )
    return pd.DataFrame(found)


def floor_of(variant: str, endpoints: Endpoints) -> Array:
    """AUC of each untrained network of a variant, averaged over targets."""
    return np.array(
        [
            mean_auc(found)
            for name, found in endpoints.items()
            if name.startswith(f"{variant}@untrained")
        ]
    )


def excesses_of(variant: str, seeds: Sequence[int], endpoints: Endpoints) -> Array:
    """Excess of each training over its variant's untrained networks, averaged over targets.

    Examples
    --------
    >>> made = {"a@seed0": {"auc": np.array([0.75])}, "a@untrained0": {"auc": np.array([0.5])}}
    >>> excesses_of("a", [0], made)
    array([0.25])
    """
    floor = float(floor_of(variant, endpoints).mean())
    return np.array([mean_auc(endpoints[f"{variant}@seed{seed}"]) - floor for seed in seeds])


def excess_interval(excess: Array, floors: Sequence[Array], parts: Array, units: Units) -> Interval:
    """Mean excess over trainings, whose interval covers other faces, trainings and networks.

    Three variances are added: over faces (or persons), by the delete-one jackknife; between
    trainings; and between untrained networks. Student's t with Welch and Satterthwaite's degrees of
    freedom takes the latter two as normal. Faces differ between trainings, which counts twice and
    makes the interval a little wide. Coverage of 95 % intervals is .93 to .98 for five trainings
    and five untrained networks of one shape: normal, exponential or lognormal (``python -m
    benchmarks.calibration --only joined``). Where one of the two makes the width alone and is as
    skewed as an exponential, it is that of trainings by themselves, .88.

    Parameters
    ----------
    excess
        ``(R,)`` excess of each training, or its difference from another variant's.
    floors
        AUC of each untrained network, of each variant whose floor was subtracted.
    parts
        ``(N,)`` parts of the faces in the jackknife of the mean excess, given these networks.
    units
        Emotions and persons of the faces.

    Returns
    -------
    Interval
        Bounds are NaN, with the range of the trainings as the reason, below five of them; and below
        three untrained networks.

    Examples
    --------
    >>> parts = np.array([-0.02, 0.01, 0.03, -0.01, -0.02, 0.02, 0.0, -0.03, 0.01, 0.01])
    >>> units = Units(labels=np.repeat([0, 1], 5), clusters=list("abcdefghij"))
    >>> floor = np.array([0.5, 0.52, 0.51])
    >>> excess_interval(np.array([0.1, 0.14, 0.12]), [floor], parts, units).reason
    '3 trainings, from 0.1 to 0.14: an interval takes 5.'
    >>> found = excess_interval(np.array([0.1, 0.14, 0.12, 0.13, 0.11]), [floor], parts, units)
    >>> round(found.low, 3), round(found.high, 3)
    (-0.015, 0.255)
    """
    over = training_interval(excess)
    if over.reason:
        return over
    few = min(map(len, floors))
    if few < LEAST_UNTRAINED:
        return dataclasses.replace(
            over,
            low=np.nan,
            high=np.nan,
            standard_error=np.nan,
            reason=f"{few} untrained networks: an interval takes {LEAST_UNTRAINED}.",
        )
    variances = np.array(
        [over.standard_error**2, *(floor.var(ddof=1) / len(floor) for floor in floors)]
    )
    freedoms = np.array([len(over.dots) - 1, *(len(floor) - 1 for floor in floors)])
    freedom = float(variances.sum() ** 2 / (variances**2 / freedoms).sum())
    found = faces_interval(
        over.estimate, parts, units, extra_variance=float(variances.sum()), extra_n=freedom + 1
    )
    return dataclasses.replace(
        found,
        scheme=f"{found.scheme}, trainings and untrained networks, whose scores are taken as "
        "normal",
        dots=over.dots,
    )


def faces_interval(
    estimate: float,
    parts: Array,
    units: Units,
    *,
    extra_variance: float = 0.0,
    extra_n: float = 0,
) -> Interval:
    """Interval of an excess over faces alone: it holds for these networks, however few they are.

    Parameters
    ----------
    estimate
        The mean excess.
    parts, units
        As for :func:`excess_interval`.
    extra_variance, extra_n
        As for :func:`metrics.consistency.jackknife.jackknife_interval`.

    Examples
    --------
    >>> parts = np.array([-0.02, 0.01, 0.03, -0.01, -0.02, 0.02, 0.0, -0.03, 0.01, 0.01])
    >>> units = Units(labels=np.repeat([0, 1], 5), clusters=list("abcdefghij"))
    >>> round(faces_interval(0.12, parts, units).low, 3)
    -0.015
    """
    return jackknife_interval(
        estimate,
        parts,
        units.labels,
        clusters=units.clusters,
        extra_variance=extra_variance,
        extra_n=extra_n,
    )


def variant_table(rows: pd.DataFrame, endpoints: Endpoints, units: Units) -> pd.DataFrame:
    """One row a variant, means over seeds."""
    found = []
    for variant, here in rows.groupby("variant", sort=False):
        alike = compared(endpoints, [str(variant)])
        floor = floor_of(str(variant), alike)
        accuracy = percent_interval(here["accuracy"])
        parts = excess_parts(str(variant), here["seed"].tolist(), alike)
        excess = excess_interval(here["excess"].to_numpy(), [floor], parts, units)
        faces = faces_interval(excess.estimate, parts, units)
        auc = float(here["AUC"].mean())
        found.append(
            {
                "variant": variant,
                "accuracy": accuracy.estimate,
                "accuracy low": accuracy.low,
                "accuracy high": accuracy.high,
                "accuracy min": here["accuracy"].min(),
                "accuracy max": here["accuracy"].max(),
                "macro recall": here["macro recall"].mean(),
                "AUC": auc,
                "AUC untrained": floor.mean(),
                "untrained min": floor.min(),
                "untrained max": floor.max(),
                "excess": excess.estimate,
                "low": excess.low,
                "high": excess.high,
                "excess min": here["excess"].min(),
                "excess max": here["excess"].max(),
                "excess, over faces": excess.estimate,
                "excess, over faces low": faces.low,
                "excess, over faces high": faces.high,
                "d": auc_to_d(auc) - auc_to_d(float(floor.mean())),
                "undefined maps": here["undefined maps"].mean(),
                "map": here["grid"].iloc[0],
                "seeds": str(len(here)),
            }
        )
    return pd.DataFrame(found)


def excess_parts(variant: str, seeds: Sequence[int], endpoints: Endpoints) -> Array:
    """``(N,)`` parts of the faces in the jackknife of a variant's mean excess.

    They are the trained networks' mean part less the untrained ones'; NaN for faces without either.

    Examples
    --------
    >>> made = {"a@seed0": {"influence": np.array([0.3, np.nan, np.nan])},
    ...         "a@untrained0": {"influence": np.array([0.1, 0.1, np.nan])}}
    >>> excess_parts("a", [0], made).round(1)
    array([ 0.2, -0.1,  nan])
    """
    trained = mean_parts([endpoints[f"{variant}@seed{seed}"] for seed in seeds])
    untrained = mean_parts(
        [found for name, found in endpoints.items() if name.startswith(f"{variant}@untrained")]
    )
    return difference_of_parts(trained, untrained)


def mean_parts(found: Sequence[Mapping[str, NDArray[Any]]]) -> Array:
    """``(N,)`` each face's part, averaged over the networks that have an endpoint.

    A face that takes no part in one network adds nothing there; NaN where it has none in any.

    Examples
    --------
    >>> mean_parts([{"influence": np.array([0.2, np.nan])}, {"influence": np.array([0.4, 0.2])}])
    array([0.3, 0.1])
    """
    table = np.array([each["influence"] for each in found])
    known = table[np.isfinite(table).any(axis=1)]
    if not len(known):
        return np.full(table.shape[1], np.nan)
    return np.where(np.isfinite(known).any(axis=0), np.nan_to_num(known).mean(axis=0), np.nan)


def difference_of_parts(one: Array, other: Array) -> Array:
    """``(N,)`` parts in a difference of two statistics; NaN for faces without a part in either.

    Examples
    --------
    >>> difference_of_parts(np.array([0.3, np.nan]), np.array([np.nan, np.nan]))
    array([0.3, nan])
    """
    some = np.isfinite(one) | np.isfinite(other)
    return np.where(some, np.nan_to_num(one) - np.nan_to_num(other), np.nan)


def difference_table(rows: pd.DataFrame, endpoints: Endpoints, units: Units) -> pd.DataFrame:
    """Each variant against GiMeFive, paired by seed, on the same faces.

    The two excesses are over the emotions that every network of both variants has enough maps of.
    """
    wide = rows.pivot_table(index="seed", columns="variant", values="accuracy")
    variants = [name for name in dict.fromkeys(rows["variant"]) if name != REFERENCE]
    if REFERENCE not in wide or not variants:
        return pd.DataFrame()
    found = []
    for variant in variants:
        points = (wide[variant] - wide[REFERENCE]).dropna()
        if not len(points):
            continue
        accuracy = training_interval(points)
        both, seeds = (variant, REFERENCE), list(points.index)
        alike = compared(endpoints, both)
        over = [excesses_of(name, seeds, alike) for name in both]
        gap = over[0] - over[1]
        parts = [excess_parts(name, seeds, alike) for name in both]
        excess = excess_interval(
            gap,
            [floor_of(name, alike) for name in both],
            difference_of_parts(*parts),
            units,
        )
        found.append(
            {
                "variant": variant,
                "points of accuracy": accuracy.estimate,
                "points of accuracy low": accuracy.low,
                "points of accuracy high": accuracy.high,
                "points min": points.min(),
                "points max": points.max(),
                "p, accuracy": accuracy.p_value,
                "excess AUC": excess.estimate,
                "excess AUC low": excess.low,
                "excess AUC high": excess.high,
                "excess AUC min": gap.min(),
                "excess AUC max": gap.max(),
                "p, excess": excess.p_value,
                "seeds": str(len(gap)),
            }
        )
    table = pd.DataFrame(found)
    if not found:
        return table
    for name in ("accuracy", "excess"):
        place = list(table.columns).index(f"p, {name}") + 1
        table.insert(place, f"p, {name} (Holm)", holm(table[f"p, {name}"]))
    return table
