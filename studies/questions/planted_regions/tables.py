"""Tables of the planted regions: what is found, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from fer_xai.attributions import CONTROLS
from studies.questions.planted_regions.plants import PLANTS


def share_interval(share: float, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Bounds of a share over ``n`` faces by Clopper & Pearson (Biometrika 1934).

    A share need not be of whole faces: the regions of a face are taken to be found or missed
    together (effective sample size; Korn & Graubard, Survey Methodology 1998), which is the wider.

    Examples
    --------
    >>> [round(bound, 3) for bound in share_interval(1.0, 6)]  # never surer than six faces allow
    [0.541, 1.0]
    """
    if not n:
        return np.nan, np.nan
    hits, tail = share * n, (1 - level) / 2
    low = beta.ppf(tail, hits, n - hits + 1) if share > 0 else 0.0
    high = beta.ppf(1 - tail, hits + 1, n - hits) if share < 1 else 1.0
    return float(low), float(high)


def found_table(rows: pd.DataFrame) -> pd.DataFrame:
    """One row an attribution: how often each plant is found, with intervals over faces; nothing
    where the maps of more than half of the marked faces are undefined.

    Examples
    --------
    >>> one = {"attribution": "lrp", "plant": "one mark", "share": 1.0}
    >>> rows = pd.DataFrame([one | {"face": f, "found": f != "d"} for f in "abcd"])
    >>> found_table(rows)["one mark"].tolist()
    [75.0]
    """
    out = []
    for name, own in rows.groupby("attribution", sort=False):
        row: dict[str, Any] = {"attribution": name, "control": name in CONTROLS}
        for plant in PLANTS:
            part = own[own["plant"] == plant]
            known = part.dropna(subset="found")
            if 2 * len(known) < len(part):
                known = known.iloc[:0]
            share = known["found"].mean()
            low, high = share_interval(share, known["face"].nunique())
            row |= {plant: 100 * share, f"{plant} low": 100 * low, f"{plant} high": 100 * high}
        row["share given to the mark"] = own.loc[own["plant"] == "one mark", "share"].mean()
        out.append(row)
    table = pd.DataFrame(out)
    order = ["control", *PLANTS, "share given to the mark"]
    return table.sort_values(order, ascending=[True, *[False] * (len(order) - 1)]).reset_index(
        drop=True
    )


def refused_table(manifest: dict[str, Any], rows: pd.DataFrame) -> pd.DataFrame:
    """Why a method says nothing of a plant, or not of all faces: it has no rules for the network,
    or undefined maps.
    """
    reasons = [(*key.split(", ", 1), reason) for key, reason in manifest["refused"].items()]
    reasons += [
        (
            name,
            plant,
            "Its maps are undefined for every face."
            if lost == len(own)
            else f"Its maps are undefined for {lost} of {len(own)} marked faces.",
        )
        for (name, plant), own in rows.groupby(["attribution", "plant"], sort=False)
        if (lost := int(own["found"].isna().sum()))
    ]
    return pd.DataFrame(reasons, columns=["attribution", "plant", "reason"])
