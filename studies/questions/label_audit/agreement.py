"""Do two labels of one photograph agree? Exact intervals, Cohen's κ, entropy of votes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from fer_xai.emotions import EMOTIONS
from studies.questions.label_audit.collected import VOTES
from studies.questions.label_audit.copies import KINDS, Copies, groups_of_pairs

LEAST_PAIRS, LEAST_DISAGREEMENTS = 100, 2
"""Fewest pairs and disagreements of an interval of κ: below, it was not seen to cover."""


def share_interval(hits: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Bounds of a share by Clopper and Pearson (Biometrika 1934); NaN for no units.

    Examples
    --------
    >>> low, high = share_interval(0, 100)
    >>> low, round(high, 4)
    (0.0, 0.0362)
    """
    if not n:
        return float("nan"), float("nan")
    found = stats.binomtest(hits, n).proportion_ci(confidence_level=level, method="exact")
    return float(found.low), float(found.high)


def cohens_kappa(pairs: list[tuple[str, str]]) -> float:
    """Agreement of two labels beyond chance (Cohen, Educ. Psychol. Meas. 1960).

    NaN where chance alone would always agree, since one label is the only one.

    Examples
    --------
    >>> cohens_kappa([("a", "a"), ("b", "b"), ("a", "b"), ("b", "a")])
    0.0
    """
    one, two = (np.array(side) for side in zip(*pairs, strict=True))
    observed = float((one == two).mean())
    chance = sum(float((one == name).mean() * (two == name).mean()) for name in set(one))
    return (observed - chance) / (1 - chance) if chance < 1 else float("nan")


def kappa_interval(pairs: list[tuple[str, str]], *, level: float = 0.95) -> tuple[float, float]:
    """Bounds of Cohen's κ over independent pairs; NaN for fewer than 100 pairs or 2 disagreements.

    The standard error is that of Fleiss, Cohen and Everitt (Psychol. Bull. 1969, eq. 13), taken for
    log(1 − κ), since κ itself is skewed near 1. Simulated with six emotions and κ from .3 to .95,
    these intervals cover .94 to .96 from 100 pairs on; of 50 pairs they covered as little as .90.

    Parameters
    ----------
    pairs
        Two labels a photograph; of one group of copies one pair.
    level
        Level of confidence.

    Examples
    --------
    >>> pairs = [("a", "a")] * 40 + [("b", "b")] * 40 + [("a", "b")] * 10 + [("b", "a")] * 10
    >>> low, high = kappa_interval(pairs)
    >>> round(cohens_kappa(pairs), 2), round(low, 2), round(high, 2)
    (0.6, 0.41, 0.73)
    """
    disagreements = sum(one != two for one, two in pairs)
    if len(pairs) < LEAST_PAIRS or disagreements < LEAST_DISAGREEMENTS:
        return float("nan"), float("nan")
    names = {
        name: place for place, name in enumerate(sorted({one for pair in pairs for one in pair}))
    }
    shares = np.zeros((len(names), len(names)))
    for one, two in pairs:
        shares[names[one], names[two]] += 1 / len(pairs)
    rows, columns, same = shares.sum(axis=1), shares.sum(axis=0), np.diag(shares)
    chance = float(rows @ columns)
    if chance >= 1:
        return float("nan"), float("nan")
    kappa = (float(same.sum()) - chance) / (1 - chance)
    agreeing = same @ (1 - (rows + columns) * (1 - kappa)) ** 2
    weighted = shares * (columns[:, None] + rows[None, :]) ** 2
    other = (1 - kappa) ** 2 * (weighted.sum() - np.trace(weighted))
    variance = agreeing + other - (kappa - chance * (1 - kappa)) ** 2
    error = np.sqrt(max(float(variance), 0.0) / len(pairs)) / (1 - chance)
    reach = stats.norm.ppf((1 + level) / 2) * error / (1 - kappa)
    return float(1 - (1 - kappa) * np.exp(reach)), float(1 - (1 - kappa) * np.exp(-reach))


def agreement_table(copies: Copies) -> pd.DataFrame:
    """Photographs that were labelled twice, by kind of copy and by the two places.

    Examples
    --------
    >>> from studies.questions.label_audit.copies import example_copies
    >>> copies = example_copies()
    >>> agreement_table(copies)[["copies", "photographs", "agree"]].values.tolist()
    [['identical pixels', 1, 0.0], ['near-copies', 1, 0.0]]
    """
    rows = []
    for kind in KINDS[1:]:
        for one, two, pairs in groups_of_pairs(
            copies.table, copies.groups(kind), copies.prints.pixels
        ):
            same = sum(first == second for first, second in pairs)
            low, high = share_interval(same, len(pairs))
            bounds = kappa_interval(pairs)
            rows.append(
                {
                    "copies": kind,
                    "labelled in": one,
                    "and in": two,
                    "photographs": len(pairs),
                    "agree": 100 * same / len(pairs),
                    "agree low": 100 * low,
                    "agree high": 100 * high,
                    "κ": cohens_kappa(pairs),
                    "κ low": bounds[0],
                    "κ high": bounds[1],
                }
            )
    columns = ["copies", "labelled in", "and in", "photographs", "agree", "agree low", "agree high"]
    return pd.DataFrame(rows, columns=[*columns, "κ", "κ low", "κ high"])


def entropy_table(table: pd.DataFrame) -> pd.DataFrame:
    """Entropy of annotators' votes by set and label, in bits; empty without votes.

    Votes for no emotion count as a choice of their own. Faces without votes are left out.

    Examples
    --------
    >>> faces = pd.DataFrame({"set": "ferplus", "emotion": ["fear"], "votes_fear": [5],
    ...                       "votes_surprise": [5]})
    >>> entropy_table(faces).astype(object).values.tolist()
    [['ferplus', 'fear', 1, 1.0, 50.0]]
    """
    columns = [column for column in table.columns if str(column).startswith(VOTES)]
    names = ["set", "label", "faces", "entropy of votes, bits", "most voted, %"]
    if not columns:
        return pd.DataFrame(columns=names)
    votes = table[columns].to_numpy(dtype=np.float64, na_value=0.0)
    totals = votes.sum(axis=1)
    shares = votes / np.where(totals > 0, totals, np.nan)[:, None]
    bits = stats.entropy(np.nan_to_num(shares, nan=1.0), base=2, axis=1)
    told = pd.DataFrame(
        {"set": table["set"], "label": table["emotion"], "bits": bits, "top": shares.max(axis=1)}
    )[totals > 0]
    rows = [
        [name, emotion, len(own), float(own["bits"].mean()), 100 * float(own["top"].mean())]
        for (name, emotion), own in told.groupby(["set", "label"], sort=False)
    ]
    rows.sort(key=lambda row: (row[0], EMOTIONS.index(row[1])))
    return pd.DataFrame(rows, columns=names)
