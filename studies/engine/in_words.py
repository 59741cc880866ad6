"""Maps in words, for the pages of studies."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fer_xai import describe
from fer_xai.names import slug
from studies.engine import store
from studies.engine.explained import Explained
from studies.reporting.page import Table

LOOKED_AT = 16
"""Faces at most whose maps are looked at, the mean of which is one of the floors."""


def words_table(explained: Explained, method: str, *, shards: Path | None = None) -> Table | None:
    """Where a method's maps of a few faces lie, in words; None without landmarks.

    The first face of each emotion, of the first faces of the run, the mean of whose maps is one
    of the floors.

    Parameters
    ----------
    explained
        The network and its faces.
    method
        An attribution that does not refuse the network.
    shards
        Folder in which the words are kept, so that a run that goes on makes no map again.

    Examples
    --------
    >>> from fer_xai import load_model
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> from fer_xai.inference.predictor import Predictor
    >>> predictor = Predictor(load_model("gimefive", weights="synthetic"), device="cpu")
    >>> words_table(Explained(predictor, synthetic_faces(2)), "gradcam").frame["emotion"].tolist()
    ['happiness', 'surprise']
    """
    if explained.faces.landmarks is None:
        return None
    rows = slice(0, min(LOOKED_AT, len(explained)))

    def make() -> pd.DataFrame:
        found = describe(
            explained.explanation(method, rows),
            explained.faces.landmarks_at(explained.size)[rows],
            images=explained.images(rows),
            model=explained.predictor,
            seed=explained.seed,
        )
        table = explained.faces.table[rows][["id", "emotion"]].assign(method=method)
        return table.assign(**{"in words": [str(one) for one in found]})

    path = None if shards is None else shards / f"words-{slug(method)}.parquet"
    every = make() if path is None else store.once_table(path, make)
    shown = every.drop_duplicates("emotion")
    return Table(
        name="in_words",
        frame=shown.reset_index(drop=True),
        caption=f"Where the {method} maps of a few faces lie: the first face of each emotion. "
        "An area is spoken of if it holds half as much again of the map's positive values as its "
        "share of the image, as a map of the centre, and as the mean map of the other "
        f"{rows.stop - 1} faces looked at would give it, and if covering it (by a blur) costs more "
        "than each of 19 patches as large elsewhere on the face, as one area in 20 does by chance. "
        "Single faces are illustrations, not evidence.",
    )
