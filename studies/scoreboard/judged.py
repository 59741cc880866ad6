"""How gains of a family were judged: by t and sign flips, or by betting."""

from __future__ import annotations

import numpy as np
import pandas as pd

from metrics.statistics.intervals import Interval

BY = "judged by"
"""Column of what a gain's interval and p come from: see :func:`judged_by`."""
FLIPS, BETTING, UNTESTED = "t, sign flips", "betting", "not tested"
ALONE = "t, alone"
"""How gains of controls other than the floor are judged: each by itself, without a p."""
MEANING = {
    FLIPS: "Student's t corrected for skewness, held against its own under flipped signs",
    BETTING: "the exact test of a bounded mean, for too few or too skewed units (Waudby-Smith & "
    "Ramdas 2024), whose p is held against the same flips",
    ALONE: "Student's t of this gain by itself",
    UNTESTED: "neither, since the score has no bounds or the units are fewer than five",
}


def judged_by(found: Interval) -> str:
    """How a gain of a family was judged, by its interval.

    Examples
    --------
    >>> from metrics.statistics.families import mean_family
    >>> gains = np.random.default_rng(0).uniform(-0.5, 1, size=(80, 2))
    >>> gains[4:, 1] = 0.0  # too skewed for a t statistic
    >>> [judged_by(found) for found in mean_family(gains, bounds=(-1, 1)).intervals]
    ['t, sign flips', 'betting']
    >>> [judged_by(found) for found in mean_family(gains).intervals]
    ['t, sign flips', 'not tested']
    """
    if not np.isfinite(found.low):
        return UNTESTED
    return BETTING if found.scheme.startswith("betting") else FLIPS


def meaning_of(table: pd.DataFrame) -> str:
    """A sentence for a caption on the words that stand in a table's column :data:`BY`.

    Examples
    --------
    >>> meaning_of(pd.DataFrame({BY: ["t, alone", ""]}))
    "Judged by: t, alone is Student's t of this gain by itself. "
    """
    there = set(table[BY]) if BY in table else set()
    said = "; ".join(f"{name} is {meaning}" for name, meaning in MEANING.items() if name in there)
    return f"{BY.capitalize()}: {said}. " if said else ""
