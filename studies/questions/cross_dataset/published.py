"""Accuracies on unseen data sets that others have published, under protocols of their own.

Y. Zhang, X. Zheng, C. Liang, J. Hu, W. Deng, "Generalizable Facial Expression Recognition" (CAFE),
ECCV 2024, arXiv 2408.10614, table 1: networks trained on RAF-DB's seven emotions.
"""

from __future__ import annotations

import pandas as pd

SOURCE = "Zhang et al., Generalizable Facial Expression Recognition, ECCV 2024 (arXiv 2408.10614)"
TRAINED_ON = "RAF-DB"
ROWS = {
    "SCN": {"FER+": 58.4, "AffectNet (7)": 42.9, "SFEW": 44.9},
    "EAC": {"FER+": 54.4, "AffectNet (7)": 43.9, "SFEW": 43.4},
    "CAFE": {"FER+": 73.2, "AffectNet (7)": 45.9, "SFEW": 52.9},
}
"""Percent of the test faces named rightly, by method and data set."""


def published() -> pd.DataFrame:
    """The published figures as a table, a row a method.

    Examples
    --------
    >>> published().set_index("method").loc["CAFE", ["FER+", "SFEW"]].tolist()
    [73.2, 52.9]
    """
    rows = [{"method": name, "trained on": TRAINED_ON, **row} for name, row in ROWS.items()]
    return pd.DataFrame(rows)
