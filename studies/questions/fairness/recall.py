"""Equalised odds: recall and false alarms of each emotion, by group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fer_xai.emotions import EMOTIONS
from studies.engine.recognised_share import wilson_interval
from studies.questions.fairness.groups import Groups

LEAST_SHOWN = 10
"""Fewest faces of a cell that is shown: of fewer a share says little, and may tell of a person."""


def recall_table(groups: Groups, answers: pd.DataFrame, persons: Sequence[object]) -> pd.DataFrame:
    """A row an attribute, emotion and group: how often it is named where it is shown, and not.

    Equalised odds ask that both shares are the same in all groups (Hardt, Price & Srebro, "Equality
    of opportunity in supervised learning", NeurIPS 2016).

    Parameters
    ----------
    groups
        The groups.
    answers
        ``emotion`` and ``named`` of each face.
    persons
        N labels.

    Returns
    -------
    DataFrame
        Shares of fewer than :data:`LEAST_SHOWN` faces are NaN. Intervals hold one at a time.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> from studies.questions.fairness.groups import groups_of
    >>> faces = synthetic_faces(480)
    >>> groups = groups_of(faces, ["glasses"], persons=faces.persons)
    >>> named = pd.DataFrame({"emotion": faces.table["emotion"], "named": "fear"})
    >>> found = recall_table(groups, named, faces.persons).set_index(["group", "emotion"])
    >>> found.loc[("no", "fear"), ["recall", "false alarms"]].tolist()
    [1.0, 1.0]
    """
    people = np.array(persons, dtype=str)
    shown, named = answers["emotion"].to_numpy(), answers["named"].to_numpy()
    out = []
    for _, size in groups.sizes.iterrows():
        if size["group"] not in set(groups.labels[:, groups.attributes.index(size["attribute"])]):
            continue
        member = groups.member(groups.attributes.index(size["attribute"]), size["group"])
        for emotion in [name for name in EMOTIONS if name in set(shown)]:
            own, other = member & (shown == emotion), member & (shown != emotion)
            row = {
                "attribute": size["attribute"],
                "emotion": emotion,
                "group": size["group"],
                "faces": int(own.sum()),
            }
            shares = dict.fromkeys(("recall", "recall low", "recall high"), float("nan"))
            if own.sum() >= LEAST_SHOWN:
                hits = named[own] == emotion
                low, high, _ = wilson_interval(hits, people[own].tolist())
                shares = {"recall": float(hits.mean()), "recall low": low, "recall high": high}
            alarms = float((named[other] == emotion).mean()) if any(other) else float("nan")
            shares["false alarms"] = alarms if other.sum() >= LEAST_SHOWN else float("nan")
            out.append(row | shares)
    return pd.DataFrame(out).sort_values(["attribute", "emotion"], kind="stable", ignore_index=True)
