"""Further columns of a table of faces: what data sets say of a face besides its emotion.

=====================================  =========================================================
column                                 what it holds
=====================================  =========================================================
``race``, ``gender``, ``age``          a person's, in the words of the data set; "" where unknown
``label``                              the label as the data set writes it, where it is no emotion
``action_units``                       numbers of action units, ``1+2+L14``; "" for none
``votes_<emotion>``                    number of annotators for each emotion of
                                       :data:`fer_xai.emotions.EMOTIONS`
``votes_unknown``, ``votes_no_face``   number of annotators for neither
``valence``, ``arousal``               numbers from −1 to 1; NaN where they were not annotated
=====================================  =========================================================
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Faces

VOTES: tuple[str, ...] = tuple(f"votes_{emotion}" for emotion in EMOTIONS)
"""Columns of votes, in the canonical order of emotions."""


def with_attributes(faces: Faces, columns: Mapping[str, Any]) -> Faces:
    """The faces with further columns in their table, one value a face.

    Raises
    ------
    InputError
        If a column is one of :data:`fer_xai.types.COLUMNS`, or of another length.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = with_attributes(synthetic_faces(2), {"age": ["20-39", ""]})
    >>> faces.subset([1]).table["age"].tolist()
    ['']
    """
    for name, values in columns.items():
        if name in COLUMNS or len(values) != len(faces):
            raise InputError(
                f"Expected an attribute of another name than {', '.join(COLUMNS)} with "
                f"{len(faces)} values, got {name!r} with {len(values)}."
            )
    if not columns:
        return faces
    return dataclasses.replace(faces, table=faces.table.assign(**dict(columns)))


def soft_labels(faces: Faces) -> NDArray[np.float64]:
    """Share of the votes for each emotion, ``(N, 8)`` in the order of canonical emotions.

    Votes for no emotion ("unknown", "no face") are left out. Rows add up to 1; a face without a
    vote for an emotion is NaN.

    Raises
    ------
    InputError
        If the data set tells no votes.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> votes = {name: [0] for name in VOTES} | {"votes_fear": [6], "votes_surprise": [2]}
    >>> soft_labels(with_attributes(synthetic_faces(1), votes)).round(2).tolist()
    [[0.0, 0.25, 0.0, 0.0, 0.0, 0.75, 0.0, 0.0]]
    """
    missing = [name for name in VOTES if name not in faces.table.columns]
    if missing:
        raise InputError(
            f"Expected faces with votes ({', '.join(VOTES)}) for soft labels, but {faces.name} "
            "tells none: FER+ does."
        )
    votes = faces.table[list(VOTES)].to_numpy(dtype=np.float64)  # (N, 8)
    sums = votes.sum(axis=1, keepdims=True)
    return np.divide(votes, sums, out=np.full_like(votes, np.nan), where=sums > 0)
