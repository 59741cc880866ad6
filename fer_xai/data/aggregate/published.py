"""Counts of the published benchmark, to hold an aggregate against (arXiv 2402.15662)."""

from __future__ import annotations

from collections import Counter

import pandas as pd

PUBLISHED: dict[tuple[str, str], int] = {
    ("train", "fer2013"): 23_742,
    ("train", "affectnet"): 21_045,
    ("train", "rafdb"): 9_747,
    ("train", "ckplus"): 309,
    ("train", "tfeid"): 229,
    ("test", "fer2013"): 5_945,
    ("test", "rafdb"): 2_388,
    ("valid", "unknown"): 600,
}
"""Faces by split and source."""


def beside_published(edition: pd.DataFrame) -> pd.DataFrame:
    """Faces by split and source beside the published counts.

    Parameters
    ----------
    edition
        A row a face: ``split`` and ``source``.

    Examples
    --------
    >>> edition = pd.DataFrame({"split": ["test"], "source": ["rafdb"]})
    >>> found = beside_published(edition)
    >>> found[found["source"] == "rafdb"].values.tolist()
    [['train', 'rafdb', 0, 9747], ['test', 'rafdb', 1, 2388]]
    """
    counts = Counter(zip(edition["split"].tolist(), edition["source"].tolist(), strict=True))
    keys = [*PUBLISHED, *(key for key in counts if key not in PUBLISHED)]
    order = {"train": 0, "valid": 1, "test": 2}
    keys.sort(key=lambda key: order.get(key[0], 3))
    rows = [(*key, counts[key], PUBLISHED.get(key, 0)) for key in keys]
    return pd.DataFrame(rows, columns=["split", "source", "faces", "published"])
