"""Maps that explain nothing: blank, undefined, or in breach of their method's completeness law."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from fer_xai.attributions import ATTRIBUTIONS
from fer_xai.attributions.api import INVERSE
from fer_xai.types import LARGEST_GAP
from studies.reporting.page import Table


def map_table(rows: pd.DataFrame, methods: Sequence[str]) -> Table:
    """One row a method: its blank and undefined maps, and how well they keep its law.

    Parameters
    ----------
    rows
        ``id``, ``method``, ``blank``, ``undefined``, ``completeness_gap``.
    methods
        Attributions, controls apart.

    Examples
    --------
    >>> rows = pd.DataFrame({"id": ["a", "b"], "method": "lime", "blank": [False, True]})
    >>> rows = rows.assign(undefined=False, completeness_gap=np.nan)
    >>> map_table(rows, ["lime"]).frame.loc[0, ["maps", "blank maps", "undefined maps"]].tolist()
    [2, 1, 0]
    """
    each = rows.drop_duplicates(["method", "id"]).set_index("method")
    found = []
    for method in methods:
        own = each.loc[[method]]
        attribution = ATTRIBUTIONS[method.removeprefix(INVERSE)]
        size = own["completeness_gap"].abs()
        lawful = bool(size.notna().any())
        found.append(
            {
                "method": method,
                "maps": len(own),
                "blank maps": int(own["blank"].sum()),
                "undefined maps": int(own["undefined"].sum()),
                "largest gap, %": 100 * float(size.max()) if lawful else np.nan,
                "allowed, %": 100 * attribution.tolerance if lawful else np.nan,
                "maps beyond it": str(int((size > attribution.tolerance).sum())) if lawful else "",
                "adds up to": attribution.law or "",
            }
        )
    return Table(
        name="maps",
        frame=pd.DataFrame(found),
        percent=("largest gap, %", "allowed, %"),
        caption="Maps that explain nothing. Blank: zero everywhere. Undefined: NaN or infinite "
        f"somewhere, or more than {LARGEST_GAP:.0%} off what the map should add up to. Such faces "
        "have no score: they reach no threshold and do not enter the answer. Largest gap: by how "
        "much the sum of a map misses what it should add up to, as a share of that, for methods "
        "with such a law (completeness).",
        leading=True,
    )


def map_sentences(table: Table) -> list[str]:
    """Which methods have blank or undefined maps, and which break their law.

    Examples
    --------
    >>> rows = pd.DataFrame({"id": ["a", "b"], "method": "lime", "blank": False})
    >>> rows = rows.assign(undefined=False, completeness_gap=np.nan)
    >>> map_sentences(map_table(rows, ["lime"]))
    ['No map is blank or undefined.']
    """
    frame = table.frame
    lines = []
    empty = [
        f"{row['method']} {_counted(row)}"
        for _, row in frame.iterrows()
        if row["blank maps"] or row["undefined maps"]
    ]
    if empty:
        lines.append(
            f"Maps that explain nothing: {'; '.join(empty)}. They reach no threshold and do not "
            "enter the answer."
        )
    else:
        lines.append("No map is blank or undefined.")
    broken = [
        f"{row['method']}, off by up to {row['largest gap, %']:.3g} % "
        f"({row['maps beyond it']} of {row['maps']} maps beyond {row['allowed, %']:g} %)"
        for _, row in frame.iterrows()
        if row["maps beyond it"] not in ("", "0")
    ]
    if broken:
        lines.append(
            f"Completeness is broken, maps do not add up to what they should: {'; '.join(broken)}."
        )
    return lines


def _counted(row: pd.Series) -> str:
    kinds: Iterable[str] = ("blank", "undefined")
    counts = [f"{row[f'{kind} maps']} {kind}" for kind in kinds if row[f"{kind} maps"]]
    return f"{' and '.join(counts)} of {row['maps']}"
