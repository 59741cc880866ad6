"""Tables of the transfer study: quality by data set, domains, and what quality tells of errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fer_xai.errors import InputError
from metrics.domains import frechet_distance, prior_shift
from metrics.selective_prediction.beyond_confidence import BeyondConfidence, beyond_confidence
from metrics.selective_prediction.risk_coverage import risk_coverage
from metrics.statistics.intervals import mean_interval
from metrics.statistics.significance import holm
from metrics.statistics.two_samples import mean_difference
from studies.questions.explanation_transfer.measured import INFLUENCE

TOGETHER = "all qualities"
"""Name of the row of all qualities at once."""
GIVEN = "all qualities, given the named emotion"
"""The same where each named emotion has a rate of errors of its own, which is known without an
explanation."""
MOST_UNDEFINED = 0.2
"""Largest share of faces without a quality that is taken among all qualities at once."""
LEAST_NAMED = 10
"""Fewest faces of a named emotion, in each data set, of a difference at equal shares."""
LEVEL = 0.95
FEATURES = 64
"""Principal components of the features, at most, between which distances are measured."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Domain:
    """What was measured of one network on one data set.

    Attributes
    ----------
    model, data
        Names.
    answers
        A row a face: what is named, with which confidence, whether it is right.
    qualities
        A row a face, method and quality.
    features
        ``(N, D)``; None where the network has none.
    refused
        Why a method has no maps, by name.

    Examples
    --------
    >>> Domain(
    ...     model="tiny", data="lab", answers=pd.DataFrame(), qualities=pd.DataFrame(),
    ...     features=None,
    ... ).refused
    {}
    """

    model: str
    data: str
    answers: pd.DataFrame
    qualities: pd.DataFrame
    features: NDArray[np.float32] | None
    refused: Mapping[str, str] = field(default_factory=dict)

    def table(self, method: str, column: str = "gain") -> pd.DataFrame:
        """Faces (rows, in the order of the answers) and qualities (columns) of a method."""
        own = self.qualities[self.qualities["method"] == method]
        wide = own.pivot(index="id", columns="quality", values=column)
        return wide.reindex(self.answers["id"])[list(dict.fromkeys(own["quality"]))]

    @property
    def methods(self) -> list[str]:
        """Methods that have maps."""
        return list(dict.fromkeys(self.qualities["method"]))


def transfer_table(home: Domain, away: Domain, *, comparisons: int) -> pd.DataFrame:
    """Mean gain over the floor of each quality at home and away, and their difference.

    Intervals are made of the influence of each face, whose mean is that of the gains.

    Parameters
    ----------
    home, away
        One network on the data that it was trained on, and on other data.
    comparisons
        Number of differences that are judged together: intervals hold for all of them
        (Bonferroni).

    Examples
    --------
    >>> faces = pd.DataFrame({"id": range(60), "cluster": range(60), "named": "fear"})
    >>> rows = faces[["id"]].assign(method="gradcam", quality="road", value=0.2)
    >>> home, away = (
    ...     Domain(model="tiny", data=name, answers=faces, features=None,
    ...            qualities=rows.assign(
    ...                gain=np.linspace(0, 1, 60) - loss, influence=np.linspace(0, 1, 60) - loss
    ...            ))
    ...     for name, loss in (("lab", 0.0), ("street", 0.25))
    ... )
    >>> found = transfer_table(home, away, comparisons=1)
    >>> found[["home", "away", "difference"]].round(2).to_numpy().tolist()
    [[0.5, 0.25, -0.25]]
    """
    rows = []
    for method in (name for name in home.methods if name in away.methods):
        sides = [
            (one, one.table(method, INFLUENCE), one.table(method, "value")) for one in (home, away)
        ]
        for quality in sides[0][1]:
            if quality not in sides[1][1]:
                continue
            row: dict[str, Any] = {
                "model": home.model,
                "data": away.data,
                "method": method,
                "quality": quality,
            }
            for name, (domain, influence, values) in zip(("home", "away"), sides, strict=True):
                clusters = domain.answers["cluster"].tolist()
                own = mean_interval(influence[quality], clusters=clusters)
                row |= {name: own.estimate, f"{name} low": own.low, f"{name} high": own.high}
                row |= {f"raw {name}": values[quality].mean()}
                row |= {f"undefined {name}": influence[quality].isna().mean()}
            found, p = mean_difference(
                sides[0][1][quality],
                sides[1][1][quality],
                clusters_first=home.answers["cluster"].tolist(),
                clusters_second=away.answers["cluster"].tolist(),
                level=1 - (1 - LEVEL) / comparisons,
            )
            row |= {"difference": found.estimate, "difference low": found.low}
            row |= {"difference high": found.high, "units": found.n}
            row |= {"at equal shares": _at_equal_shares(home, away, method, str(quality))}
            rows.append(row | {"p alone": p, "reason": found.reason})
    return pd.DataFrame(rows)


def _at_equal_shares(home: Domain, away: Domain, method: str, quality: str) -> float:
    """Mean over named emotions of the difference of mean gains, each with faces in both sets."""
    means = []
    for domain in (home, away):
        gains = pd.Series(domain.table(method)[quality].to_numpy(), name="gain")
        by = gains.groupby(domain.answers["named"].to_numpy())
        means.append(by.mean()[by.count() >= LEAST_NAMED])
    return float((means[1] - means[0]).mean())


def domain_row(home: Domain, domain: Domain, *, dimensions: int, seed: int) -> dict[str, Any]:
    """Accuracy, confidence and risk of one data set, and how far it is from home.

    Parameters
    ----------
    home
        The network on the data that it was trained on.
    domain
        The network on this data.
    dimensions
        Principal components between which the distance is measured, the same for all data sets.
    seed
        Seed of the random divisions.

    Examples
    --------
    >>> faces = pd.DataFrame({
    ...     "id": range(9), "cluster": range(9), "emotion": "fear", "confidence": 0.5,
    ...     "right": [True] * 8 + [False],
    ... })
    >>> rows = pd.DataFrame({"method": [], "quality": []})
    >>> lab = Domain(model="tiny", data="lab", answers=faces, qualities=rows, features=None)
    >>> found = domain_row(lab, lab, dimensions=0, seed=0)
    >>> round(found["accuracy"], 3), found["prior shift"], round(found["area of confidence"], 3)
    (0.889, 0.0, 0.111)
    """
    answers = domain.answers
    clusters = answers["cluster"].tolist()
    share = mean_interval(answers["right"].astype(float), clusters=clusters, bounds=(0, 1))
    curve = risk_coverage(answers["confidence"], answers["right"])
    row: dict[str, Any] = {
        "model": domain.model,
        "data": domain.data,
        "faces": len(answers),
        "units": share.n,
        "accuracy": share.estimate,
        "accuracy low": share.low,
        "accuracy high": share.high,
        "mean confidence": answers["confidence"].mean(),
        "area of confidence": curve.area,
        "excess area": curve.excess,
        "prior shift": prior_shift(list(home.answers["emotion"]), list(answers["emotion"]))[0],
    }
    row |= dict.fromkeys(("distance", "distance by chance", "p of distance"), np.nan)
    if domain is home or home.features is None or domain.features is None or not dimensions:
        return row
    first, second = _components(home.features, domain.features, dimensions)
    found = frechet_distance(
        first,
        second,
        clusters_a=[f"home {label}" for label in home.answers["cluster"]],
        clusters_b=[f"away {label}" for label in clusters],
        seed=seed,
    )
    row |= {"distance": found.distance, "distance by chance": found.chance}
    return row | {"p of distance": found.p_value}


def _components(
    one: NDArray[np.float32], other: NDArray[np.float32], dimensions: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Principal components of both sets, found in all faces, so that a division changes none."""
    both = np.concatenate([one, other]).astype(np.float64)
    both -= both.mean(axis=0)
    axes = np.linalg.eigh(both.T @ both)[1][:, ::-1][:, :dimensions]
    made = both @ axes
    return made[: len(one)], made[len(one) :]


def dimensions_of(domains: list[Domain]) -> int:
    """Components that every data set has four faces for, at most :data:`FEATURES`.

    Examples
    --------
    >>> faces = pd.DataFrame({"id": range(100)})
    >>> lab = Domain(model="tiny", data="lab", answers=faces, qualities=faces,
    ...              features=np.zeros((100, 512), dtype=np.float32))
    >>> dimensions_of([lab])
    25
    """
    sizes = [one.features.shape for one in domains if one.features is not None]
    if not sizes:
        return 0
    return min(FEATURES, *(n // 4 for n, _ in sizes), *(d for _, d in sizes))


@dataclass(frozen=True, kw_only=True, eq=False)
class Told:
    """What the qualities of one method tell of the errors on one data set.

    Attributes
    ----------
    rows
        A row a quality, and one of all of them.
    together
        The result of all qualities; None where it was refused.

    Examples
    --------
    >>> Told(rows=pd.DataFrame(), together=None).together
    """

    rows: pd.DataFrame
    together: BeyondConfidence | None


def told_of_errors(domain: Domain, method: str, *, seed: int) -> Told:
    """Errors by quality alone, by confidence alone, and by quality beyond confidence.

    Parameters
    ----------
    domain
        One network on one data set.
    method
        Whose explanations.
    seed
        Seed of sign flips and parts.

    Examples
    --------
    >>> faces = pd.DataFrame({"id": range(9), "cluster": range(9), "right": True})
    >>> faces["confidence"], faces["named"] = 0.5, "fear"
    >>> rows = faces[["id"]].assign(method="gradcam", quality="road", gain=0.5)
    >>> lab = Domain(model="tiny", data="lab", answers=faces, qualities=rows, features=None)
    >>> told_of_errors(lab, "gradcam", seed=0).rows["reason"].iloc[0]
    'Expected 80 or more errors, and as many right answers, got 0 errors of 9 faces: ...'
    """
    answers, gains = domain.answers, domain.table(method)
    wrong = ~answers["right"].to_numpy(dtype=bool)
    undefined = gains.isna().mean()
    several = [name for name in map(str, gains) if undefined[name] <= MOST_UNDEFINED]
    asked = {TOGETHER: several, GIVEN: several} if len(several) > 1 else {}
    asked |= {name: [name] for name in map(str, gains)}
    rows, together = [], None
    for name, columns in asked.items():
        values = gains[columns].to_numpy()
        row: dict[str, Any] = {
            "model": domain.model,
            "data": domain.data,
            "method": method,
            "quality": name,
            "of": len(columns),
            "AUROC of quality": _auroc(-values[:, 0], wrong) if len(columns) == 1 else np.nan,
            "AUROC of confidence": _auroc(-answers["confidence"].to_numpy(), wrong),
        }
        try:
            found = beyond_confidence(
                ~wrong,
                answers["confidence"],
                values,
                clusters=answers["cluster"].tolist(),
                groups=answers["named"].tolist() if name == GIVEN else None,
                seed=seed,
            )
        except InputError as refusal:
            row |= {
                "errors": int(wrong.sum()),
                "undefined": float(np.isnan(values).any(axis=1).mean()),
            }
            rows.append(row | {"p alone": np.nan, "reason": str(refusal)})
            continue
        if name == TOGETHER:
            together = found
        row |= {"faces": found.faces, "units": found.units, "errors": found.errors}
        row |= {
            "undefined": found.undefined / len(wrong),
            "likelihood ratio": found.likelihood_ratio,
        }
        row |= {"slope": found.slopes[0] if len(columns) == 1 else np.nan, "p alone": found.p_value}
        row |= {"area by confidence": found.area, "area with quality": found.area_with}
        rows.append(row | {"gain in area": found.gain, "reason": ""})
    return Told(rows=pd.DataFrame(rows), together=together)


def _auroc(scores: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float:
    """How often an error scores above a right answer, ties counting half; NaN is left out."""
    known = np.isfinite(scores)
    bad, good = scores[known & wrong], scores[known & ~wrong]
    if not len(bad) or not len(good):
        return float("nan")
    return float(stats.mannwhitneyu(bad, good).statistic / (len(bad) * len(good)))


def corrected(rows: pd.DataFrame) -> pd.DataFrame:
    """P-values of one model corrected by Holm: all qualities at once, and single ones.

    They are families of their own: that of all qualities at once is the declared one.

    Examples
    --------
    >>> rows = pd.DataFrame({"model": "tiny", "quality": [TOGETHER, "road", "gini"],
    ...                      "p alone": [0.04, 0.01, 0.04]})
    >>> corrected(rows)["p"].tolist()
    [0.04, 0.02, 0.04]
    """
    family = [rows["model"], rows["quality"].where(rows["quality"].isin([TOGETHER, GIVEN]), "")]
    return rows.assign(p=rows.groupby(family)["p alone"].transform(lambda p: holm(p.to_numpy())))
