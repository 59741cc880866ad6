"""Faces that are counted beside the others: those on a list, and those without landmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.data.challenge_lists import ChallengeList
from fer_xai.data.splits import face_groups
from fer_xai.types import Faces
from studies.engine.recognised_share import wilson_interval


def landmarks_known(faces: Faces) -> NDArray[np.bool_]:
    """Bool ``(N,)``: faces whose landmarks are all known.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> landmarks_known(synthetic_faces(2))
    array([ True,  True])
    """
    if faces.landmarks is None:
        return np.zeros(len(faces), dtype=bool)
    return np.asarray(np.isfinite(faces.landmarks).all(axis=(1, 2)))


def lost_table(faces: Faces, right: Mapping[str, NDArray[np.bool_]]) -> pd.DataFrame:
    """Faces without landmarks by emotion, and how many of each kind are recognised.

    Parameters
    ----------
    faces
        All faces.
    right
        Bool ``(N,)`` by the model's name: the faces that it names rightly; may be empty.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> lost_table(synthetic_faces(6), {}).tail(1).values.tolist()
    [['all', 6, 0, 0.0]]
    """
    lost, emotion = ~landmarks_known(faces), faces.table["emotion"].to_numpy()
    found = []
    for name in (*faces.emotions, "all"):
        own = np.ones(len(faces), dtype=bool) if name == "all" else emotion == name
        row = {
            "emotion": name,
            "faces": int(own.sum()),
            "without landmarks": int((own & lost).sum()),
            "share": 100 * float((own & lost).sum() / own.sum()),
        }
        for model, hits in right.items():
            for what, part in (("with", own & ~lost), ("without", own & lost)):
                shown = 100 * float(hits[part].mean()) if part.any() else np.nan
                row[f"{model}: accuracy {what}"] = shown
        found.append(row)
    return pd.DataFrame(found)


def list_table(
    faces: Faces, lists: Sequence[ChallengeList], right: Mapping[str, NDArray[np.bool_]]
) -> pd.DataFrame:
    """Accuracy on the faces of each list beside the rest, each with Wilson's interval.

    Parameters
    ----------
    faces
        All faces.
    lists
        The lists.
    right
        Bool ``(N,)`` by the model's name.

    Raises
    ------
    InputError
        If a list names none of the faces, or calls them by other emotions.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> len(list_table(synthetic_faces(6), [], {}))
    0
    """
    clusters = np.asarray(face_groups(faces))
    found = []
    for one in lists:
        names = one.subset(faces).ids
        listed = np.isin(faces.ids, names)
        kinds = np.array(one.kinds_of(faces))
        groups = {one.file.name: listed}
        groups |= {
            f"{one.file.name}, kind {kind}": listed & (kinds == kind)
            for kind in sorted(set(kinds[listed]) - {""})
        }
        groups[f"not on {one.file.name}"] = ~listed
        for model, hits in right.items():
            for name, part in groups.items():
                if not part.any():
                    continue
                low, high, _ = wilson_interval(hits[part], clusters[part].tolist())
                found.append(
                    {
                        "model": model,
                        "faces of": name,
                        "faces": int(part.sum()),
                        "accuracy": 100 * float(hits[part].mean()),
                        "accuracy low": 100 * low,
                        "accuracy high": 100 * high,
                        "listed, not here": len(one) - len(names)
                        if name == one.file.name
                        else np.nan,
                    }
                )
    return pd.DataFrame(found)


def file_names(paths: Sequence[Path]) -> list[str]:
    """Names of files, for a manifest: what they hold is in its inputs.

    Examples
    --------
    >>> file_names([Path("lists/occlusion.txt")])
    ['occlusion.txt']
    """
    return [path.name for path in paths]
