"""Faces without landmarks, counted: they are not missing at random."""

from __future__ import annotations

import pandas as pd

from fer_xai.detect.provider import Landmarks
from fer_xai.types import Faces


def missing_table(faces: Faces, landmarks: Landmarks) -> pd.DataFrame:
    """Which faces have no landmarks? By source and emotion, and in all.

    Parameters
    ----------
    faces
        The faces.
    landmarks
        Their landmarks.

    Returns
    -------
    DataFrame
        ``source``, ``emotion``, ``faces``, ``without landmarks`` and their ``share``; the last row
        counts all.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> from fer_xai.detect import locate
    >>> faces = synthetic_faces(4)
    >>> missing_table(faces, locate(faces, provider="synthetic")).tail(1)
      source emotion  faces  without landmarks  share
    4    all     all      4                  0    0.0
    """
    lost = ~landmarks.found
    names = faces.table[["source", "emotion"]].assign(lost=lost)
    names["source"] = names["source"].replace("", faces.name)
    rows = [
        (source, emotion, len(part), int(part["lost"].sum()))
        for source, of_source in names.groupby("source", sort=True)
        for emotion in faces.emotions
        if len(part := of_source[of_source["emotion"] == emotion])
    ]
    rows.append(("all", "all", len(faces), int(lost.sum())))
    table = pd.DataFrame(rows, columns=["source", "emotion", "faces", "without landmarks"])
    return table.assign(share=table["without landmarks"] / table["faces"].clip(lower=1))
