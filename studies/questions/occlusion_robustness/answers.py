"""Tables of recognition: what covers cost a network, beside random patches of the same area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from fer_xai.recognition import exact_scores
from studies.engine.recognised_share import wilson_interval
from studies.questions.occlusion_robustness.covers import (
    AREAS,
    FILL,
    FILLS,
    LOOK,
    OCCLUDERS,
)
from studies.questions.occlusion_robustness.families import FamilyMean, family_means

LOGIT = "logit "


class Answers:
    """What one network says of each face, as it is and covered.

    Parameters
    ----------
    rows
        Rows of :meth:`~studies.questions.occlusion_robustness.rows.NetworkRows.answers`.
    faces
        A row a face (:func:`studies.engine.study.face_table`).

    Attributes
    ----------
    rows
        The rows, with ``true``, ``named``, ``right`` and ``confidence``.
    clusters
        Unit of each face, by its id.

    Examples
    --------
    >>> faces = pd.DataFrame({"id": ["a"], "emotion": ["fear"], "cluster": [0]})
    >>> rows = pd.DataFrame({"kind": ["clean"], "id": ["a"], "logit fear": [1.0],
    ...                      "logit anger": [0.0]})
    >>> Answers(rows, faces).rows[["named", "right"]].values.tolist()
    [['fear', True]]
    """

    def __init__(self, rows: pd.DataFrame, faces: pd.DataFrame) -> None:
        columns = [column for column in rows if str(column).startswith(LOGIT)]
        self.emotions = [str(column).removeprefix(LOGIT) for column in columns]
        logits = torch.tensor(rows[columns].to_numpy(dtype=np.float64))
        named = np.array(self.emotions)[logits.argmax(dim=1).numpy()]
        true = rows["id"].map(faces.set_index("id")["emotion"])
        self.logits = logits
        self.rows = rows.assign(
            true=true,
            named=named,
            right=named == true.to_numpy(),
            confidence=logits.softmax(dim=1).amax(dim=1).numpy(),
        ).reset_index(drop=True)
        self.clusters = faces.set_index("id")["cluster"]

    @property
    def clean(self) -> pd.Series:
        """Whether each face is named rightly as it is, by its id."""
        found = self.rows[self.rows["kind"] == "clean"].set_index("id")["right"]
        return found.astype(float)

    def right(
        self, kind: str, *, fill: str = FILL, share: float | None = None, by: str = "name"
    ) -> pd.DataFrame:
        """Whether faces are named rightly: a row a face, a column an occluder.

        NaN where nothing of a face was covered; random patches are averaged over their draws.

        Parameters
        ----------
        kind
            Kind of the cover.
        fill
            Its fill.
        share
            Share that is hidden; the occluder's own size by default.
        by
            Column of the rows that becomes the table's columns.
        """
        here = self._chosen(kind, fill, share)
        here = here.assign(right=here["right"].astype(float).where(here["covered"]))
        return here.pivot_table(index="id", columns=by, values="right", dropna=False)

    def scores(self, kind: str, name: str, *, fill: str, share: float | None) -> dict[str, Any]:
        """Scores of :func:`fer_xai.recognition.exact_scores` over the covered faces."""
        here = self._chosen(kind, fill, share)
        here = here[(here["name"] == name) & here["covered"] & (here["draw"] == 0)]
        return self._scores(here)

    def clean_scores(self) -> dict[str, Any]:
        """The same of the faces as they are."""
        return self._scores(self.rows[self.rows["kind"] == "clean"])

    def _scores(self, here: pd.DataFrame) -> dict[str, Any]:
        if not len(here):
            return dict.fromkeys(("accuracy", "macro_recall", "calibration_error"), np.nan)
        truth = torch.tensor([self.emotions.index(name) for name in here["true"]])
        found = exact_scores(self.logits[here.index.tolist()], truth, emotions=self.emotions)
        return found | {"overconfidence": float((here["confidence"] - here["right"]).mean())}

    def _chosen(self, kind: str, fill: str, share: float | None) -> pd.DataFrame:
        rows = self.rows
        size = rows["share"].isna() if share is None else np.isclose(rows["share"], share)
        return rows[(rows["kind"] == kind) & (rows["fill"] == fill) & size]

    def family(self, table: pd.DataFrame) -> dict[str, FamilyMean]:
        """Means of columns with the simultaneous intervals of one family, in percent.

        Parameters
        ----------
        table
            Differences within [−1, 1]: a row a face.
        """
        return family_means(table, self.clusters, bounds=(-1, 1), counted=True, scale=100)


def occluder_table(answers: Mapping[str, Answers]) -> pd.DataFrame:
    """The endpoint: accuracy lost with each occluder, and beyond a random patch of its area.

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
    >>> occluder_table(answers)[["occluder", "lost", "beyond a patch"]].values.tolist()
    [['mouth', 100.0, 100.0]]
    """
    return _against_patches(answers, fills=(FILL,)).drop(columns="fill")


def fill_table(answers: Mapping[str, Answers]) -> pd.DataFrame:
    """The same under other fills, and with the occluders' own look.

    Examples
    --------
    >>> fill_table({}).empty  # without a model
    True
    """
    return _against_patches(answers, fills=(*FILLS, LOOK))


def _against_patches(answers: Mapping[str, Answers], *, fills: Sequence[str]) -> pd.DataFrame:
    found = []
    for model, one in answers.items():
        for fill in fills:
            own = one.right("occluder", fill=fill)
            patch = one.right("patch", fill=FILL if fill == LOOK else fill)[own.columns]
            own, patch = own.loc[one.clean.index], patch.loc[one.clean.index]
            lost = one.family(own.rsub(one.clean, axis=0))
            beyond = one.family(patch - own)
            shares = _share_of_face(one)
            for name in [name for name in OCCLUDERS if name in own]:
                found.append(
                    {
                        "model": model,
                        "occluder": name,
                        "fill": fill,
                        "faces": int(own[name].notna().sum()),
                        "face hidden": shares.get(name, np.nan),
                        "accuracy": 100 * own[name].mean(),
                        "patch": 100 * patch[name].mean(),
                        **lost[name].named("lost"),
                        **beyond[name].named("beyond a patch"),
                        "p, beyond a patch": beyond[name].p,
                    }
                )
    return pd.DataFrame(found)


def _share_of_face(one: Answers) -> dict[str, float]:
    """Percent of the face that each occluder hides: as much as its random patch."""
    rows = one.rows
    rows = rows[(rows["kind"] == "patch") & rows["share"].isna() & (rows["draw"] == 0)]
    rows = rows[(rows["fill"] == FILL) & rows["covered"]]
    return {
        str(name): 100 * float((part["hidden"] / part["face"]).mean())
        for name, part in rows.groupby("name")
    }


def area_table(answers: Mapping[str, Answers]) -> pd.DataFrame:
    """Accuracy with each occluder in four sizes, beside random patches of the same size.

    Bounds of the accuracy are Wilson's, of the loss those of a family an area.

    Examples
    --------
    >>> area_table({}).empty  # without a model
    True
    """
    found = []
    for model, one in answers.items():
        for share in AREAS:
            own = one.right("occluder", share=share).loc[one.clean.index]
            patch = one.right("patch", share=share)["area"].loc[one.clean.index]
            beyond = one.family(own.rsub(patch, axis=0))
            for name in (*OCCLUDERS, "random patch"):
                column = patch if name == "random patch" else own[name]
                first = one.scores(
                    *(("patch", "area") if name == "random patch" else ("occluder", name)),
                    fill=FILL,
                    share=share,
                )
                row = {
                    "model": model,
                    "occluder": name,
                    "face hidden": 100 * share,
                    "faces": int(column.notna().sum()),
                    **accuracy_with_bounds(column, one.clusters),
                    "macro recall": 100 * first["macro_recall"],
                    "calibration error": first["calibration_error"],
                    "overconfidence": first["overconfidence"],
                }
                if name != "random patch":
                    row |= beyond[name].named("beyond a patch")
                    row["p, beyond a patch"] = beyond[name].p
                found.append(row)
    return pd.DataFrame(found)


def accuracy_with_bounds(right: pd.Series, clusters: pd.Series) -> dict[str, float]:
    """Percent of faces that are named rightly, with Wilson's interval.

    Parameters
    ----------
    right
        1, 0 or, in mean over random patches, between; by the face's id.
    clusters
        Unit of each face, by its id.

    Examples
    --------
    >>> right = pd.Series([1.0] * 8 + [0.0] * 2)
    >>> [round(value) for value in accuracy_with_bounds(right, pd.Series(range(10))).values()]
    [80, 49, 94]
    """
    known = right.dropna()
    if not len(known):
        return dict.fromkeys(("accuracy", "accuracy low", "accuracy high"), np.nan)
    values: NDArray[Any] = known.to_numpy()
    low, high, _ = wilson_interval(values, clusters.loc[known.index].tolist())
    return {"accuracy": 100 * values.mean(), "accuracy low": 100 * low, "accuracy high": 100 * high}
