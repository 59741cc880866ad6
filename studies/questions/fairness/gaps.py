"""Gaps of groups to the rest: of recognition and of explanations, with what can be told of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from metrics.statistics.group_gaps import gap_of_means, gap_of_shares
from metrics.statistics.intervals import Interval
from metrics.statistics.permuted_groups import PermutedGaps, permuted_gaps
from metrics.statistics.standardised import Side, common_strata, sides_of
from studies.questions.fairness.groups import Groups

LEVEL = 0.95
"""Probability with which all intervals of a family hold."""
SURE = 100
"""Units from which on a group has an interval though its scores are skewed."""
MOST_SKEWED = {False: 1.0, True: 2.0}
"""Largest skewness of scores within emotions of groups that have an interval: below :data:`SURE`
units, and from there on. Of 20 faces with exponential scores (skewness 2) 95 % intervals cover in
.92, with gamma scores (skewness 1) in .92 to .96 from 5 persons on."""
P = "p (max-T)"


class Gaps:
    """Comparisons of groups with the rest, for one model.

    Parameters
    ----------
    groups
        The groups.
    emotions
        ``(N,)`` emotion of each face.
    persons
        N labels.
    seed
        Seed of the permutations.
    repeats
        Number of permutations.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> from studies.questions.fairness.groups import groups_of
    >>> faces = synthetic_faces(480)
    >>> groups = groups_of(faces, ["glasses"], persons=faces.persons)
    >>> gaps = Gaps(groups, faces.labels.numpy(), faces.persons, repeats=99)
    >>> right = np.array(faces.attribute("glasses")) == "no"
    >>> found = gaps.recognition(right, confidence=np.ones(480))
    >>> found.loc[found["group"] == "yes", ["accuracy", "rest", "gap"]].round(3).to_numpy().tolist()
    [[0.0, 1.0, -1.0]]
    """

    def __init__(
        self,
        groups: Groups,
        emotions: NDArray[np.int64],
        persons: Sequence[object],
        *,
        seed: int = 0,
        repeats: int = 1999,
    ) -> None:
        self.groups, self.emotions, self.persons = groups, emotions, np.array(persons, dtype=str)
        self.seed, self.repeats = seed, repeats
        self.permuted: PermutedGaps | None = None
        """Gaps of recognition under permuted groups; there once they have been asked for."""

    def recognition(self, right: NDArray[np.bool_], confidence: NDArray[Any]) -> pd.DataFrame:
        """A row an attribute and group: share recognised, and its gap to the rest.

        Parameters
        ----------
        right
            Bool ``(N,)``.
        confidence
            ``(N,)`` probability of the named emotion.
        """
        hits = right.astype(np.float64)
        self.permuted = self._permutations(hits[:, None])
        p_values = self.permuted.p_values[:, 0]
        out = []
        for _, size in self.groups.sizes.iterrows():
            place = self.groups.attributes.index(size["attribute"])
            member = self.groups.member(place, size["group"])
            row: dict[str, Any] = {
                **{str(key): value for key, value in size.items()},
                "all faces": float(hits[member].mean()) if any(member) else np.nan,
            }
            row["confidence"] = float(confidence[member].mean()) if any(member) else np.nan
            if not size["small"]:
                t = self.groups.tested.index((place, size["group"]))
                group, rest = self._sides(hits, place, size["group"])
                level = 1 - (1 - LEVEL) / self.groups.comparisons
                row |= _compared(group, rest, gap_of_shares(group, rest, level=level))
                row[P] = float(p_values[t])
                row |= self._otherwise(hits, place, size["group"])
            out.append(row)
        made = pd.DataFrame(out).rename(columns={"mean": "accuracy"})
        first = ["attribute", "group", "faces", "persons", "accuracy", "rest", "gap", "gap low"]
        first += ["gap high", P, "emotions", "all faces", "gap, all faces", "gap, sample's prior"]
        return made[[*first, "confidence", "small"]]

    def worst(self) -> pd.DataFrame:
        """A row an attribute: the group furthest below the rest, and how far chance alone goes.

        The worst of several groups is below the rest even where groups mean nothing. ``by chance``
        is the median of the lowest gap with groups permuted, ``one in twenty`` its 5 % quantile,
        and p says how often it is as low as observed, for one attribute at a time.
        """
        assert self.permuted is not None, "ask for recognition first"
        out = []
        for place, name in enumerate(self.groups.attributes):
            own = [t for t, (at, _) in enumerate(self.groups.tested) if at == place]
            if not own:
                continue
            low, chance = self.permuted.lowest(own)
            here = self.permuted.gaps[0, own, 0]
            out.append(
                {
                    "attribute": name,
                    "worst group": self.groups.tested[own[int(np.nanargmin(here))]][1],
                    "gap": low,
                    "by chance": float(np.nanmedian(chance)),
                    "one in twenty": float(np.nanquantile(chance, 0.05)),
                    "p": float((1 + (chance <= low + 1e-12).sum()) / (1 + len(chance))),
                }
            )
        return pd.DataFrame(out)

    def qualities(
        self, values: pd.DataFrame, strata: NDArray[np.int64], right: NDArray[np.bool_]
    ) -> pd.DataFrame:
        """A row an attribute, group, method and quality: mean over chance, and its gap.

        Parameters
        ----------
        values
            ``(N, C)``: a column a method and quality.
        strata
            ``(N,)`` emotions that are explained, to which means are standardised.
        right
            Bool ``(N,)``: faces whose emotion is named rightly.
        """
        table = values.to_numpy(dtype=np.float64)
        p_values = self._permutations(table, strata).p_values
        level = 1 - (1 - LEVEL) / max(self.groups.comparisons * table.shape[1], 1)
        out = []
        for c, names in enumerate(values.columns.to_flat_index()):
            for t, (place, group) in enumerate(self.groups.tested):
                row: dict[str, Any] = {
                    "attribute": self.groups.attributes[place],
                    "group": group,
                    "method": names[0],
                    "quality": names[1],
                }
                member = self.groups.member(place, group)
                column = table[:, c]
                row |= self._quality(column, place, group, strata, level) | {
                    P: float(p_values[t, c]),
                    "undefined": float(np.isnan(column[member]).mean()),
                }
                only = np.where(right, column, np.nan)
                row["gap, rightly named"] = self._gap(only, place, group, strata)
                if row["reason"]:
                    row[P] = float("nan")
                out.append(row)
        return pd.DataFrame(out).rename(columns={"mean": "over chance"})

    def _quality(
        self,
        column: NDArray[np.float64],
        place: int,
        group: str,
        strata: NDArray[np.int64],
        level: float,
    ) -> dict[str, Any]:
        known = np.isfinite(column) & self.groups.known(place)
        member = self.groups.member(place, group) & known
        units = min(len(np.unique(self.persons[side])) for side in (member, known & ~member))
        if not len(self._common(column, place, group, strata)):
            return _none("no emotion has a score of two persons in the group and in the rest")
        one, rest = self._sides(column, place, group, strata)
        found = gap_of_means(one, rest, level=level)
        row = _compared(one, rest, found)
        sides = (member, known & ~member)
        skew = max((_skewness(column[side], strata[side]) for side in sides), key=abs)
        few = found.reason
        if abs(skew) > MOST_SKEWED[units >= SURE]:
            few = f"scores are too skewed ({skew:+.1f}) for {units} units"
        if few:
            row |= {"gap low": np.nan, "gap high": np.nan}
        return row | {"reason": few}

    def _otherwise(self, hits: NDArray[np.float64], place: int, group: str) -> dict[str, float]:
        """The gap of the shares of all faces, and that with the sample's prior of emotions."""
        known, member = self.groups.known(place), self.groups.member(place, group)
        plain = float(hits[member].mean() - hits[known & ~member].mean())
        prior = np.bincount(self.emotions[known], minlength=int(self.emotions.max()) + 1)
        one, rest = self._sides(hits, place, group, weights=prior.astype(np.float64))
        return {"gap, all faces": plain, "gap, sample's prior": one.mean - rest.mean}

    def _common(
        self, column: NDArray[np.float64], place: int, group: str, strata: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        used = self.groups.known(place) & np.isfinite(column)
        codes = np.unique(self.persons[used], return_inverse=True)[1]
        return common_strata(self.groups.member(place, group)[used], strata[used], codes)

    def _gap(
        self, column: NDArray[np.float64], place: int, group: str, strata: NDArray[np.int64]
    ) -> float:
        if not len(self._common(column, place, group, strata)):
            return float("nan")
        one, rest = self._sides(column, place, group, strata)
        return one.mean - rest.mean

    def _sides(
        self,
        values: NDArray[np.float64],
        place: int,
        group: str,
        strata: NDArray[np.int64] | None = None,
        *,
        weights: NDArray[np.float64] | None = None,
    ) -> tuple[Side, Side]:
        known = self.groups.known(place)
        return sides_of(
            values[known],
            self.groups.member(place, group)[known],
            (self.emotions if strata is None else strata)[known],
            self.persons[known].tolist(),
            weights=weights,
        )

    def _permutations(
        self, table: NDArray[np.float64], strata: NDArray[np.int64] | None = None
    ) -> PermutedGaps:
        return permuted_gaps(
            table,
            self.groups.labels,
            self.groups.tested,
            strata=self.emotions if strata is None else strata,
            clusters=self.persons.tolist(),
            repeats=self.repeats,
            seed=self.seed,
        )


def told(table: pd.DataFrame) -> pd.DataFrame:
    """Rows whose gap is told from 0: the interval leaves it out, and p is below .05.

    Examples
    --------
    >>> rows = {"gap low": [0.1, -0.1], "gap high": [0.2, 0.1], P: [0.01, 0.01]}
    >>> len(told(pd.DataFrame(rows)))
    1
    """
    apart = (table["gap low"] > 0) | (table["gap high"] < 0)
    return table[apart & (table[P] < 1 - LEVEL)]


def _compared(group: Side, rest: Side, found: Interval) -> dict[str, Any]:
    return {
        "mean": group.mean,
        "rest": rest.mean,
        "gap": found.estimate,
        "gap low": found.low,
        "gap high": found.high,
        "emotions": group.strata,
        "units": group.n,
        "reason": found.reason,
    }


def _none(reason: str) -> dict[str, Any]:
    names = ("mean", "rest", "gap", "gap low", "gap high")
    return dict.fromkeys(names, float("nan")) | {"emotions": 0, "units": 0, "reason": reason}


def _skewness(values: NDArray[np.float64], strata: NDArray[np.int64]) -> float:
    """Skewness of scores less the mean of their stratum."""
    frame = pd.Series(values)
    left = frame - frame.groupby(strata).transform("mean")
    return float(stats.skew(left)) if left.std() > 0 else 0.0
