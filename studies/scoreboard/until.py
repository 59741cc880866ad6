"""Faces one after the other, until the gains of all methods are known well enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fer_xai.attributions import CONTROLS
from fer_xai.data.splits import face_groups
from fer_xai.types import Faces
from metrics.statistics.clustered import mean_parts
from metrics.statistics.clusters import cluster_codes
from metrics.statistics.intervals import interval_of
from metrics.statistics.mean_tests import untested
from metrics.statistics.power import POWER
from metrics.statistics.sequential import narrow_enough
from studies.scoreboard.scores import FLOOR
from studies.scoreboard.thresholds import MOST_UNDEFINED


def in_random_order(faces: Faces, *, seed: int) -> Faces:
    """Faces in an order fixed by the seed: persons as a whole, with the emotions' shares kept.

    Each unit takes a random rank among those whose first face shows its emotion, and units are
    ordered by that rank as a share: every beginning has nearly the emotions of all.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(48, size=16)  # 12 a person
    >>> [face[-2:] for face in in_random_order(faces, seed=0).ids[::12]]
    ['24', '00', '12', '36']
    """
    units = cluster_codes(face_groups(faces).tolist(), len(faces))
    first = np.unique(units, return_index=True)[1]
    emotions = faces.labels.numpy()[first]
    order = np.random.default_rng(seed).permutation(len(first))
    rank = np.empty(len(first))
    for emotion in np.unique(emotions):
        members = order[emotions[order] == emotion]
        rank[members] = (np.arange(len(members)) + 0.5) / len(members)
    place = np.empty(len(first), dtype=np.int64)
    place[np.lexsort((np.argsort(order), rank))] = np.arange(len(first))
    return faces.subset(np.argsort(place[units], kind="stable"))


def stopping_rule(
    faces: Faces, *, metric: str, methods: Sequence[str], half_width: float, least: int = 0
) -> Callable[[pd.DataFrame], int | None]:
    """How many faces to keep, once every method's gain has an interval this narrow.

    Parameters
    ----------
    faces
        All faces, in the order in which they are scored.
    metric
        The metric whose gains over the centre control are judged.
    methods
        The methods; those without a score of most faces do not count.
    half_width
        Half of the width at which to stop (:func:`metrics.statistics.sequential.narrow_enough`).
    least
        Fewest faces to keep, such as those that another model of the run needs.

    Returns
    -------
    callable
        Takes rows of scores of the first faces; answers how many faces to keep, which end with a
        whole person, or None where more are needed.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(80, size=16)
    >>> faces = replace(faces, table=faces.table.assign(subject=faces.ids))
    >>> gains = np.random.default_rng(0).normal(size=80)
    >>> rows = pd.DataFrame({"id": faces.ids * 2, "method": ["lime"] * 80 + ["centre"] * 80,
    ...                      "metric": "road", "value": [*gains, *np.zeros(80)]})
    >>> for half_width in (0.5, 0.1):
    ...     rule = stopping_rule(faces, metric="road", methods=["lime"], half_width=half_width)
    ...     rule(rows)
    80
    """
    groups = face_groups(faces).tolist()
    codes = cluster_codes(groups, len(faces))
    last = np.zeros(int(codes.max()) + 1, dtype=np.int64)
    last[codes] = np.arange(len(codes))
    reaches = np.maximum.accumulate(last[codes])  # where the persons that have begun end

    def enough(rows: pd.DataFrame) -> int | None:
        ids = set(rows["id"])
        done = next((at for at, face in enumerate(faces.ids) if face not in ids), len(faces))
        whole = np.flatnonzero(reaches[:done] < done)
        ends = whole[reaches[whole] <= whole]
        if not len(ends):
            return None
        n = int(ends[-1]) + 1
        if n < least:
            return None
        gains = _gains(rows, faces.ids[:n], metric, methods)
        return n if narrow_enough(gains, half_width, clusters=groups[:n]) else None

    return enough


def outcome(
    rows: pd.DataFrame, faces: Faces, *, metric: str, methods: Sequence[str], half_width: float
) -> str:
    """Whether the faces of one model were enough, in a sentence.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(80, size=16)
    >>> faces = replace(faces, table=faces.table.assign(subject=faces.ids))
    >>> gains = np.random.default_rng(0).normal(size=80)
    >>> rows = pd.DataFrame({"id": faces.ids * 2, "method": ["lime"] * 80 + ["centre"] * 80,
    ...                      "metric": "road", "value": [*gains, *np.zeros(80)], "model": "tiny"})
    >>> outcome(rows, faces, metric="road", methods=["lime"], half_width=0.5)
    'tiny: 80 faces, after which every gain was known to ±0.5, as asked (--until).'
    >>> outcome(rows, faces, metric="road", methods=["lime"], half_width=0.1)
    'tiny: all 80 faces were scored, and the gains of lime are not known to ±0.1.'
    """
    model = rows["model"].iloc[0]
    ids = [str(face) for face in rows["id"].unique()]
    groups = pd.Series(face_groups(faces).tolist(), index=list(faces.ids)).loc[list(ids)]
    gains = _gains(rows, ids, metric, methods)
    if narrow_enough(gains, half_width, clusters=list(groups)):
        known = f"after which every gain was known to ±{half_width:g}, as asked (--until)"
        return f"{model}: {len(ids)} faces, {known}.{_reaching(gains, half_width, list(groups))}"
    wide = [
        name
        for name, column in zip(_judged(rows, metric, methods), gains.T, strict=True)
        if not narrow_enough(column, half_width, clusters=list(groups))
    ]
    known = f"the gains of {', '.join(wide)} are" if wide else "the gains together are"
    return f"{model}: all {len(ids)} faces were scored, and {known} not known to ±{half_width:g}."


def _reaching(gains: NDArray[np.float64], half_width: float, groups: list[object]) -> str:
    """What is to be said where ± a half width is not what an interval reaches to, or empty."""
    parts = [mean_parts(column, groups) for column in gains.T]
    parts = [part for part in parts if part.standard_error > 0]
    if len(parts) == 1 and untested(parts[0]):
        return (
            " That is by Student's t: the gain is too skewed to be tested by it, and its interval "
            "by betting is wider."
        )
    each = 0.95 ** (1 / max(len(parts), 1))
    found = [interval_of(part, level=each) for part in parts]
    reach = max((max(f.high - f.estimate, f.estimate - f.low) for f in found), default=0.0)
    if reach <= half_width:
        return ""
    return (
        f" ±{half_width:g} is half of an interval's width: skewed ones reach up to {reach:.2g} to "
        "one side."
    )


def _gains(
    rows: pd.DataFrame, ids: Sequence[str], metric: str, methods: Sequence[str]
) -> NDArray[np.float64]:
    """Gains over the centre control ``(faces, methods)``, of methods that are judged."""
    part = rows[rows["metric"] == metric]
    wide = part.pivot_table(index="id", columns="method", values="value", dropna=False)
    wide = wide.reindex(list(ids))
    names = _judged(rows, metric, methods)
    if not names:
        return np.empty((len(ids), 0))
    return np.asarray(wide[names].sub(wide[FLOOR], axis=0), dtype=np.float64)


def _judged(rows: pd.DataFrame, metric: str, methods: Sequence[str]) -> list[str]:
    """Methods with a score of most faces; the answer leaves out the others, too."""
    part = rows[rows["metric"] == metric]
    undefined = part["value"].isna().groupby(part["method"], observed=True).mean()
    there = set(undefined.index[undefined <= MOST_UNDEFINED])
    return [name for name in methods if name in there] if FLOOR in there else []


def promise(half_width: float, methods: Sequence[str]) -> str:
    """What a half width lets one tell, said before the start.

    Examples
    --------
    >>> promise(0.02, ["gradcam", "lime"])
    'until every gain is known to ±0.02, so that one of 0.028 is told from none with power 0.8'
    """
    several = len([name for name in methods if name not in CONTROLS])
    reach = stats.norm.ppf(0.5 + 0.95 ** (1 / max(several, 1)) / 2)
    told = half_width * (reach + stats.norm.ppf(POWER)) / reach
    return (
        f"until every gain is known to ±{half_width:g}, so that one of {told:.2g} is told from "
        f"none with power {POWER:g}"
    )
