"""Share of faces that a model recognises, with its interval, beside the prior and chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from metrics.statistics.clusters import cluster_codes
from metrics.statistics.inputs import check_level
from metrics.statistics.intervals import mean_interval
from studies.reporting.page import Table


def wilson_interval(
    hits: NDArray[np.bool_],
    clusters: Sequence[object],
    *,
    level: float = 0.95,
    unit: str = "cluster",
) -> tuple[float, float, str]:
    """Bounds of a share of faces, and how they were made.

    Wilson's interval (J. Amer. Stat. Assoc. 1927) over faces; where faces share a cluster (a
    person, a group of copies) of their effective number, which is the share's binomial variance
    over its variance between clusters (Korn & Graubard, Survey Methodology 1998), with the
    quantiles of Student's t for so many clusters. A share of 0 or 1 shows no variance: there each
    cluster counts once.

    Parameters
    ----------
    hits
        ``(N,)``, one face or more.
    clusters
        N labels; each face is its own where its label is empty, None or NaN.
    level
        Coverage.
    unit
        What a cluster is, for the interval's name.

    Returns
    -------
    low, high, scheme
        Shares in [0, 1], and the interval's name.

    Raises
    ------
    InputError
        For no faces.

    Examples
    --------
    >>> import numpy as np
    >>> low, high, scheme = wilson_interval(np.array([True] * 8 + [False] * 2), range(10))
    >>> round(low, 3), round(high, 3), scheme
    (0.49, 0.943, "Wilson's interval over faces")
    """
    n = len(hits)
    if not n:
        raise InputError("Expected faces to count, got none.")
    check_level(level)
    share, units = float(np.mean(hits)), len(np.unique(cluster_codes(list(clusters), n)))
    count, scheme = float(n), "Wilson's interval over faces"
    if units < n:
        scheme = f"Wilson's interval over the effective number of faces, by {unit}"
        count = float(units)
        found = mean_interval(hits.astype(float), clusters=list(clusters), bounds=(0, 1))
        if 0 < share < 1 and units > 1 and found.standard_error > 0:
            ratio = stats.t.ppf(0.5 + level / 2, n - 1) / stats.t.ppf(0.5 + level / 2, units - 1)
            count = min(share * (1 - share) / found.standard_error**2 * float(ratio) ** 2, n)
    z = float(stats.norm.ppf(0.5 + level / 2))
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) * z / (1 + z**2 / count)
    return max(middle - float(reach), 0.0), min(middle + float(reach), 1.0), scheme


@dataclass(frozen=True, kw_only=True)
class Recognition:
    """Which emotions a model recognises.

    Attributes
    ----------
    model
        Its name.
    right, faces
        Faces recognised, and all.
    low, high, scheme
        95 % interval of the share, and how it was made.
    frequent, prior
        The most frequent emotion among the faces, and its share: who always names it is right so
        often.
    chance
        One over the number of the model's emotions: who guesses is right so often.
    recall
        A row an emotion: ``emotion``, ``faces``, ``recognised``, ``recall`` with ``recall low`` and
        ``recall high``, ``interval`` (how these were made, which may differ between emotions), and
        ``most often named``.
    """

    model: str
    right: int
    faces: int
    low: float
    high: float
    scheme: str
    frequent: str
    prior: float
    chance: float
    recall: pd.DataFrame

    @property
    def share(self) -> float:
        """The share recognised."""
        return self.right / self.faces

    @property
    def above_prior(self) -> bool:
        """Whether the interval lies above the prior and above chance."""
        return self.low > max(self.prior, self.chance)

    @property
    def sentence(self) -> str:
        """The share with its interval, beside the prior."""
        return (
            f"{self.model} recognises {100 * self.share:.1f} % of {self.faces} faces (95 % "
            f"interval {100 * self.low:.1f} to {100 * self.high:.1f} %, {self.scheme}). Naming "
            f"{self.frequent}, the most frequent emotion among them, every time would be right for "
            f"{100 * self.prior:.1f} %, and guessing for {100 * self.chance:.1f} %."
        )

    @property
    def table(self) -> Table:
        """Recall by emotion, with its caption."""
        return Table(
            name="recall",
            frame=self.recall,
            caption="How many faces of each emotion the model recognises, of all faces of that "
            "emotion, and which emotion it names most often there. 95 %: as the column interval "
            "says.",
            leading=True,
        )


def recognition(
    model: str,
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    clusters: Sequence[object],
    *,
    emotions: Sequence[str],
    unit: str = "cluster",
) -> Recognition:
    """Share of faces that a model recognises, and its recall of each emotion.

    Parameters
    ----------
    model
        Its name.
    labels, predicted
        ``(N,)`` canonical emotions (:data:`fer_xai.emotions.EMOTIONS`), true and named.
    clusters
        N labels: persons, or groups of copies.
    emotions
        The model's own.
    unit
        What a cluster is, for the interval's name.

    Raises
    ------
    InputError
        For no faces.

    Examples
    --------
    >>> import numpy as np
    >>> found = recognition("net", np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0]), range(4),
    ...                     emotions=["happiness", "surprise"])
    >>> found.right, found.prior, found.chance, found.above_prior
    (2, 0.5, 0.5, False)
    """
    right = labels == predicted
    low, high, scheme = wilson_interval(right, clusters, unit=unit)
    counts = np.bincount(labels, minlength=len(EMOTIONS))
    groups = np.array([str(cluster) for cluster in clusters])
    rows = []
    for label in np.flatnonzero(counts):
        own = labels == label
        bounds = wilson_interval(right[own], list(groups[own]), unit=unit)
        named = np.bincount(predicted[own], minlength=len(EMOTIONS)).argmax()
        rows.append(
            {
                "emotion": EMOTIONS[label],
                "faces": int(counts[label]),
                "recognised": int(right[own].sum()),
                "recall": float(right[own].mean()),
                "recall low": bounds[0],
                "recall high": bounds[1],
                "interval": bounds[2],
                "most often named": EMOTIONS[named],
            }
        )
    return Recognition(
        model=model,
        right=int(right.sum()),
        faces=len(labels),
        low=low,
        high=high,
        scheme=scheme,
        frequent=EMOTIONS[int(counts.argmax())],
        prior=float(counts.max() / len(labels)),
        chance=1 / len(emotions),
        recall=pd.DataFrame(rows),
    )
