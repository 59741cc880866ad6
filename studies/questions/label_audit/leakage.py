"""How much of a network's accuracy was leakage: test faces that are copies of training faces.

Recognition of the copies less that of the other test faces is no measure of leakage by itself:
photographs that were taken in twice may be easy ones. So the same is asked of networks that were
trained on other data, which never saw the copies, and the difference of differences is told.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.data.duplicates.groups import joined, same_value_pairs
from metrics.statistics.intervals import Interval, mean_interval
from studies.questions.label_audit.copies import KINDS, Copies
from studies.questions.label_audit.in_sample import in_sample
from studies.questions.label_audit.judges import Judge


def difference(
    one: Interval, two: Interval, *, scale: float = 1.0
) -> tuple[float, float, float, str]:
    """Difference of two independent means with an interval, from the intervals of each.

    The square-and-add method (Newcombe, Statistics in Medicine 1998; Zou & Donner, Statistics in
    Medicine 2008, "MOVER"): each bound takes the distances of the two bounds that it leans on.
    Coverage of 95 % intervals was simulated at the sizes of a test set, faces in groups of one to
    three: .95 to .97 for 300 and 480 groups of copies beside 1,500 and 5,000 other groups,
    recognised at .70 to .97; .94 to .99 for 40 to 60 groups of copies, where the interval is wider
    than need be if nearly all are recognised
    (``tests/studies/questions/label_audit/test_leakage.py``).

    Parameters
    ----------
    one, two
        The means of two groups without a unit in common.
    scale
        Number that the difference is multiplied by.

    Returns
    -------
    estimate, low, high, reason
        Bounds are NaN where a group has none, with its reason.

    Examples
    --------
    >>> one = mean_interval([1, 1, 1, 0, 1, 1, 1, 1, 0, 1])
    >>> two = mean_interval([1, 0, 1, 0, 1, 0, 1, 0, 0, 1])
    >>> estimate, low, high, _ = difference(one, two)
    >>> round(estimate, 2), low < 0 < high
    (0.3, True)
    """
    estimate = (one.estimate - two.estimate) * scale
    if one.reason or two.reason:
        return estimate, float("nan"), float("nan"), one.reason or two.reason
    low = np.hypot(one.estimate - one.low, two.high - two.estimate)
    high = np.hypot(one.high - one.estimate, two.estimate - two.low)
    return estimate, estimate - float(low) * scale, estimate + float(high) * scale, ""


def leakage_table(judges: Sequence[Judge], copies: Copies, table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on the published and on the clean test faces of each set, by kind of copy.

    Parameters
    ----------
    judges
        Networks, with all faces that they were not trained on: copies of training faces, too.
    copies
        The copies.
    table
        A row a face of the audit.

    Returns
    -------
    DataFrame
        Accuracies in percent; ``inflation`` is the published accuracy less that without copies;
        ``copies less others`` the difference of the two groups, and ``beyond`` that difference less
        that of a network which saw none of the set (``compared with``).

    Examples
    --------
    >>> from studies.questions.label_audit.copies import example_copies
    >>> copies = example_copies()
    >>> leakage_table([], copies, copies.table).empty  # without a network
    True
    """
    right = {judge.name: _right(judge, table) for judge in judges}
    test = (table["split"] == "test").to_numpy()
    sets = table["set"].to_numpy()
    rows = []
    for kind in (KINDS[1], KINDS[2]):
        groups, leaked = _units(copies.groups(kind), table), copies.leaked(kind)
        for name in dict.fromkeys(sets[test]):
            seeing = [judge for judge in judges if _learned(judge, name, table)]
            others = [judge for judge in judges if judge.trained and judge not in seeing]
            for judge in seeing:
                hits = right[judge.name]
                own = test & (sets == name) & np.isfinite(hits)
                if not (own & leaked).any():
                    continue
                rows.append(
                    {"copies": kind, "set": name, "model": judge.name}
                    | _effect(hits, own, leaked, groups)
                    | _beyond(hits, [(o.name, right[o.name]) for o in others], own, leaked, groups)
                )
    return pd.DataFrame(rows)


def _units(groups: NDArray[np.int64], table: pd.DataFrame) -> NDArray[np.int64]:
    """``(N,)`` numbers of what is independent: groups of copies, persons and sequences joined."""
    keys = [groups.astype(str).tolist()]
    for column in ("subject", "group"):
        if column in table:
            named = zip(table["set"], table[column].astype(str), strict=True)
            keys.append([f"{name}\0{value}" if value else "" for name, value in named])
    return joined(len(table), *map(same_value_pairs, keys))


def _learned(judge: Judge, name: str, table: pd.DataFrame) -> bool:
    """Whether a network was trained on a set's training split, as names say."""
    own = table[table["set"] == name].head(1).assign(split="train")
    return bool(judge.trained) and bool(in_sample(own, judge.trained).any())


def _right(judge: Judge, table: pd.DataFrame) -> NDArray[np.float64]:
    """``(N,)`` whether each face is named rightly; NaN where it was not judged."""
    found = np.full(len(table), np.nan)
    labels = table["emotion"].to_numpy()[judge.rows]
    named = np.array(judge.emotions)[judge.logits.argmax(axis=1)]
    known = np.isin(labels.astype(str), judge.emotions)
    found[judge.rows] = np.where(known, named == labels, np.nan)
    return found


def _effect(
    hits: NDArray[np.float64],
    own: NDArray[np.bool_],
    leaked: NDArray[np.bool_],
    groups: NDArray[np.int64],
) -> dict[str, object]:
    removed, kept = own & leaked, own & ~leaked
    parts = [_mean(hits, mask, groups, (0, 1)) for mask in (removed, kept)]
    share = float(removed.sum() / own.sum())
    gap = difference(parts[0], parts[1], scale=100)
    inflated = difference(parts[0], parts[1], scale=100 * share)
    return {
        "test faces": int(own.sum()),
        "copies of training faces": int(removed.sum()),
        "published": 100 * float(hits[own].mean()),
        "clean": 100 * parts[1].estimate,
        "inflation": inflated[0],
        "inflation low": inflated[1],
        "inflation high": inflated[2],
        "on copies": 100 * parts[0].estimate,
        "copies less others": gap[0],
        "copies less others low": gap[1],
        "copies less others high": gap[2],
    }


def _beyond(
    hits: NDArray[np.float64],
    others: Sequence[tuple[str, NDArray[np.float64]]],
    own: NDArray[np.bool_],
    leaked: NDArray[np.bool_],
    groups: NDArray[np.int64],
) -> dict[str, object]:
    """The difference of copies and others less that of the first network that saw neither."""
    for name, theirs in others:
        both = own & np.isfinite(theirs)
        if not (both & leaked).any() or not (both & ~leaked).any():
            continue
        gained = hits - theirs
        parts = [_mean(gained, mask, groups, (-1, 1)) for mask in (both & leaked, both & ~leaked)]
        found = difference(parts[0], parts[1], scale=100)
        theirs_gap = 100 * float(theirs[both & leaked].mean() - theirs[both & ~leaked].mean())
        return {
            "compared with": name,
            "its copies less others": theirs_gap,
            "beyond": found[0],
            "beyond low": found[1],
            "beyond high": found[2],
        }
    return {"compared with": "", "beyond": np.nan, "beyond low": np.nan, "beyond high": np.nan}


def _mean(
    values: NDArray[np.float64],
    mask: NDArray[np.bool_],
    groups: NDArray[np.int64],
    bounds: tuple[float, float],
) -> Interval:
    return mean_interval(values[mask], clusters=groups[mask].tolist(), bounds=bounds)
