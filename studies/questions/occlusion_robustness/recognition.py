"""Tables of recognition with the occluders as they are met: calibration, and changed answers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fer_xai.emotions import EMOTIONS
from studies.questions.occlusion_robustness.answers import Answers
from studies.questions.occlusion_robustness.covers import DRAWN, FILL, LOOK, OCCLUDERS


def recognition_table(answers: Mapping[str, Answers]) -> pd.DataFrame:
    """Accuracy, macro recall and calibration with each occluder, in its own size and look.

    Examples
    --------
    >>> recognition_table({}).empty  # without a model
    True
    """
    found = []
    for model, one in answers.items():
        whole = one.clean_scores()
        kinds = [("none", whole)]
        kinds += [
            (name, one.scores("occluder", name, fill=look_of(name), share=None))
            for name in OCCLUDERS
        ]
        for name, scores in kinds:
            found.append(
                {
                    "model": model,
                    "occluder": name,
                    "accuracy": 100 * scores["accuracy"],
                    "macro recall": 100 * scores["macro_recall"],
                    "calibration error": scores["calibration_error"],
                    "overconfidence": scores.get("overconfidence", np.nan),
                    **{
                        f"recall of {emotion}": 100 * recall
                        for emotion, recall in scores.get("recall", {}).items()
                    },
                }
            )
    return pd.DataFrame(found)


def becomes_table(answers: Mapping[str, Answers]) -> pd.DataFrame:
    """Which emotion becomes which: of faces named so as they are, percent named so covered.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     [
    ...         (kind, name, share, "black", 0, "a", True, 0.1, 0.5, *logits)
    ...         for kind, name, share, logits in (
    ...             ("clean", "", float("nan"), (1.0, 0.0)),
    ...             ("occluder", "mouth", float("nan"), (0.0, 1.0)),
    ...             ("patch", "mouth", float("nan"), (1.0, 0.0)),
    ...         )
    ...     ],
    ...     columns=["kind", "name", "share", "fill", "draw", "id", "covered", "hidden", "face",
    ...              "logit fear", "logit anger"],
    ... )
    >>> faces = pd.DataFrame({"id": ["a"], "emotion": ["fear"], "cluster": [0]})
    >>> answers = {"net": Answers(rows, faces)}
    >>> becomes_table(answers)[["occluder", "named", "→ anger"]].values.tolist()
    [['mouth', 'fear', 100.0]]
    """
    found = []
    for model, one in answers.items():
        rows = one.rows
        before = rows[rows["kind"] == "clean"].set_index("id")["named"]
        for name in OCCLUDERS:
            here = rows[(rows["kind"] == "occluder") & rows["share"].isna() & rows["covered"]]
            here = here[(here["name"] == name) & (here["fill"] == look_of(name))]
            counts = pd.crosstab(here["id"].map(before), here["named"]).astype(float)
            for emotion in [emotion for emotion in EMOTIONS if emotion in counts.index]:
                total = float(counts.loc[emotion].to_numpy().sum())
                shares = {
                    to: 100 * counts.loc[emotion].get(to, 0) / total
                    for to in EMOTIONS
                    if to in one.emotions
                }
                row = {"model": model, "occluder": name, "named": emotion, "faces": int(total)}
                found.append(row | {f"→ {to}": share for to, share in shares.items()})
    return pd.DataFrame(found)


def look_of(name: str) -> str:
    """Fill of an occluder as it is met: its own look, or black.

    Examples
    --------
    >>> look_of("hand"), look_of("mouth")
    ('drawn', 'black')
    """
    return LOOK if name in DRAWN else FILL
