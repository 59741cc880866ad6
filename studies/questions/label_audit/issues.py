"""Labels that are probably wrong: confident learning from out-of-sample predictions (cleanlab).

Confident learning (Northcutt, Jiang & Chuang, JAIR 2021) counts, for each pair of emotions, faces
labelled with one that a network takes for the other as confidently as it takes faces of the other,
and names so many, those it is most sure of. What it names are candidates: where the network is
wrong, a right label is named. So some labels are changed at random, and it is told how many of
those are found beside how many of all are named.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.data.duplicates.candidates import labels_extra
from studies.questions.label_audit.agreement import share_interval
from studies.questions.label_audit.judges import Judge

LEAST_FACES = 60
"""Fewest faces that labels are judged by."""
LEAST_OF_EMOTION = 5
"""Fewest faces of an emotion that is judged."""
PLANTED_SHARE = 0.02
"""Share of the labels that are changed at random, to see how many of them are found."""
LEAST_PLANTED = 20
"""Fewest labels that are changed."""


def label_issues(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which labels are probably wrong, and the probability of each label.

    Parameters
    ----------
    labels
        ``(N,)`` columns of the labels, each of which occurs.
    probabilities
        ``(N, K)`` out-of-sample predictions.

    Raises
    ------
    InputError
        If cleanlab is not installed.

    Examples
    --------
    >>> labels = np.array([0, 1] * 20)
    >>> probabilities = np.where(np.eye(2)[labels] > 0, 0.9, 0.1)
    >>> labels[0] = 1  # it is a 0, as all can see
    >>> np.flatnonzero(label_issues(labels, probabilities)[0]).tolist()
    [0]
    """
    labels_extra("cleanlab")
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_self_confidence_for_each_label

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of few examples, which the table shows
        found = find_label_issues(labels=labels, pred_probs=probabilities, n_jobs=1)
    quality = get_self_confidence_for_each_label(labels=labels, pred_probs=probabilities)
    return np.asarray(found, dtype=bool), np.asarray(quality, dtype=np.float64)


def judged_labels(
    judge: Judge, table: pd.DataFrame, *, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What a judge says of the labels of each set and split.

    Parameters
    ----------
    judge
        Out-of-sample predictions.
    table
        A row a face of the audit: ``face``, ``set``, ``split`` and ``emotion``.
    seed
        Seed of the labels that are changed.

    Returns
    -------
    summary, rows
        A row a set and split; a row a judged face.

    Examples
    --------
    >>> table = pd.DataFrame({"face": [str(i) for i in range(80)], "set": "s", "split": "test",
    ...                       "emotion": ["fear", "anger"] * 40})
    >>> logits = np.where(np.eye(2)[[0, 1] * 40] > 0, 4.0, 0.0)
    >>> judge = Judge(name="net", trained="", emotions=("fear", "anger"), rows=np.arange(80),
    ...               logits=logits, copied=np.zeros(80, bool))
    >>> summary, rows = judged_labels(judge, table, seed=0)
    >>> summary[["faces", "named", "changed", "changed named"]].values.tolist()
    [[80.0, 0.0, 20.0, 100.0]]
    """
    told = table.iloc[judge.rows].reset_index(drop=True)
    probabilities = judge.probabilities
    column = {name: index for index, name in enumerate(judge.emotions)}
    summaries, parts = [], []
    for (name, split), own in told.groupby(["set", "split"], sort=False):
        known = own[own["emotion"].isin(judge.emotions)]
        counts = known["emotion"].value_counts()
        emotions = [one for one in judge.emotions if counts.get(one, 0) >= LEAST_OF_EMOTION]
        known = known[known["emotion"].isin(emotions)]
        row = {"judge": judge.name, "set": name, "split": split, "faces": len(known)}
        if len(known) < LEAST_FACES or len(emotions) < 2:
            reason = f"fewer than {LEAST_FACES} faces, or of one emotion"
            summaries.append(row | {"not judged because": reason})
            continue
        kept = probabilities[known.index][:, [column[one] for one in emotions]]
        kept = kept / kept.sum(axis=1, keepdims=True)
        labels = np.array([emotions.index(one) for one in known["emotion"]], dtype=np.int64)
        named, quality = label_issues(labels, kept)
        guess = kept.argmax(axis=1)
        parts.append(
            known[["face", "set", "split", "emotion"]].assign(
                judge=judge.name,
                predicted=np.array(emotions)[guess],
                confidence=quality,
                named=named,
            )
        )
        summaries.append(
            row
            | {
                "not judged because": "",
                "recognised": 100 * float((guess == labels).mean()),
                "named": int(named.sum()),
                "named, %": 100 * float(named.mean()),
                **_planted(labels, kept, seed=seed),
            }
        )
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return pd.DataFrame(summaries), rows


def _planted(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], *, seed: int
) -> dict[str, float]:
    """How many labels that were changed at random are named."""
    rng = np.random.default_rng(seed)
    many = min(max(LEAST_PLANTED, round(PLANTED_SHARE * len(labels))), len(labels) // 4)
    places = np.sort(rng.choice(len(labels), size=many, replace=False))
    changed = labels.copy()
    classes = probabilities.shape[1]
    changed[places] = (labels[places] + rng.integers(1, classes, size=many)) % classes
    named, _ = label_issues(changed, probabilities)
    hits = int(named[places].sum())
    low, high = share_interval(hits, many)
    rest = np.ones(len(labels), dtype=bool)
    rest[places] = False
    return {
        "changed": many,
        "changed named": 100 * hits / many,
        "changed named low": 100 * low,
        "changed named high": 100 * high,
        "others named, %": 100 * float(named[rest].mean()),
    }


def issues_by_emotion(rows: pd.DataFrame, emotions: Sequence[str]) -> pd.DataFrame:
    """Named labels by judge, set and label, and what the network takes them for.

    Examples
    --------
    >>> rows = pd.DataFrame({"judge": "net", "set": "s", "emotion": ["fear", "fear"],
    ...                      "predicted": ["surprise", "fear"], "named": [True, False]})
    >>> issues_by_emotion(rows, ["surprise", "fear"]).astype(object).values.tolist()
    [['net', 's', 'fear', 2, 1, 50.0, 'surprise']]
    """
    names = ["judge", "set", "label", "faces", "named", "named, %", "most often taken for"]
    if not len(rows):
        return pd.DataFrame(columns=names)
    found = []
    for key, own in rows.groupby(["judge", "set", "emotion"], sort=False):
        judge, name, emotion = (str(one) for one in key)
        taken = own[own["named"]]["predicted"]
        most = str(taken.mode().iloc[0]) if len(taken) else ""
        share = 100 * len(taken) / len(own)
        found.append([judge, name, emotion, len(own), len(taken), share, most])
    order = {emotion: place for place, emotion in enumerate(emotions)}
    found.sort(key=lambda row: (str(row[0]), str(row[1]), order[str(row[2])]))
    return pd.DataFrame(found, columns=names)


def named_together(rows: pd.DataFrame) -> pd.DataFrame:
    """How many labels several judges name as probably wrong, of the faces that all of them judged.

    Parameters
    ----------
    rows
        A row a judge and face, as :func:`judged_labels` returns them.

    Returns
    -------
    DataFrame
        A row a set, split and number of judges; empty where no two judges have judged a split.

    Examples
    --------
    >>> rows = pd.DataFrame({"judge": list("aabb"), "face": list("xyxy"), "set": "s", "split": "t",
    ...                      "predicted": "fear", "named": [True, False, True, True]})
    >>> named_together(rows)[["faces", "judges", "named by at least", "labels"]].values.tolist()
    [[2, 2, 1, 2], [2, 2, 2, 1]]
    """
    names = ["set", "split", "faces", "judges", "named by at least", "labels", "labels, %"]
    names += ["taken for one emotion"]
    found = []
    for key, own in rows.groupby(["set", "split"], sort=False) if len(rows) else ():
        judges = own["judge"].nunique()
        faces = own.groupby("face", sort=False).agg(
            judges=("judge", "nunique"), named=("named", "sum"), guesses=("predicted", "nunique")
        )
        faces = faces[faces["judges"] == judges]
        for least in range(1, judges + 1) if judges > 1 and len(faces) else ():
            taken = faces[faces["named"] >= least]
            share = 100 * len(taken) / len(faces)
            one = int((taken["guesses"] == 1).sum())
            found.append([*map(str, key), len(faces), judges, least, len(taken), share, one])
    return pd.DataFrame(found, columns=names)
