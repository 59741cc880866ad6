"""How gains of a family were judged: by t and two resamplings, or by betting."""

from __future__ import annotations

import numpy as np
import pandas as pd

from metrics.statistics.intervals import Interval

BY = "judged by"
"""Column of what a gain's interval and p come from: see :func:`judged_by`."""
JOINT, FLIPS = "t, flips and bootstrap", "t, sign flips"
"""Words for gains of several methods, and for one gain by itself."""
BETTING, UNTESTED = "betting", "not tested"
ALONE = "t, alone"
"""How gains of controls other than the floor are judged: each by itself, without a p."""
MEANING = {
    JOINT: "Student's t corrected for skewness, held against its own under flipped signs and in "
    "bootstrap samples, of which a claim takes both",
    FLIPS: "Student's t corrected for skewness, held against its own under flipped signs",
    BETTING: "the exact test of a bounded mean, for too few or too skewed units (Waudby-Smith & "
    "Ramdas 2024), whose p is held against the same resamples",
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
    ['t, flips and bootstrap', 'betting']
    >>> [judged_by(found) for found in mean_family(gains).intervals]
    ['t, flips and bootstrap', 'not tested']
    >>> judged_by(mean_family(gains[:, :1]).intervals[0])  # a family of one
    't, sign flips'
    """
    if not np.isfinite(found.low):
        return UNTESTED
    if found.scheme.startswith("betting"):
        return BETTING
    return JOINT if found.scheme.endswith("bootstrap") else FLIPS


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
