"""Do two labels of one photograph agree? Exact intervals, Cohen's κ, entropy of votes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from fer_xai.emotions import EMOTIONS
from studies.questions.label_audit.collected import VOTES
from studies.questions.label_audit.copies import KINDS, Copies, groups_of_pairs


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
                }
            )
    columns = ["copies", "labelled in", "and in", "photographs", "agree", "agree low", "agree high"]
    return pd.DataFrame(rows, columns=[*columns, "κ"])


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
