"""What an audit says before its scores: how the model is wired, and whether it is judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fer_xai.files import read_json
from fer_xai.inference.predictor import Predictor
from fer_xai.types import Faces
from fer_xai.wiring.preflight import preflight
from studies.engine import store
from studies.engine.recognised_share import Recognition
from studies.reporting.page import Table
from studies.scoreboard.thresholds import On, Threshold

KEPT = "preflight.json"
"""File of a preflight that was made, among what a stopped audit goes on with."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Wiring:
    """What a preflight found, as an audit shows it.

    Attributes
    ----------
    passed
        Whether the model is wired as declared, as far as the faces tell. That it recognises no
        more than chance is the audit's own question.
    answer
        In sentences.
    table
        The checks.

    Examples
    --------
    >>> none = Table(name="preflight", caption="", frame=pd.DataFrame())
    >>> Wiring(passed=True, answer="Wired as declared.", table=none).passed
    True
    """

    passed: bool
    answer: str
    table: Table


def wiring_of(
    predictor: Predictor, faces: Faces, *, seed: int, shards: Path | None = None
) -> Wiring:
    """Look at a model's wiring, or read what was found before.

    Parameters
    ----------
    predictor
        Predictor of the model.
    faces
        The faces of the audit.
    seed
        The audit's.
    shards
        Folder in which what was found is kept.

    Examples
    --------
    >>> wiring_of.__name__  # see the tests of the audit
    'wiring_of'
    """
    place = None if shards is None else shards / KEPT
    if place is not None and place.exists():
        found = read_json(place, remedy="delete it, and the same command makes it anew")
    else:
        seen = preflight(predictor, faces, seed=seed)
        rest = tuple(one for one in seen.findings if one.check != "recognition")
        seen = dataclasses.replace(seen, findings=rest)
        found = {
            "passed": seen.passed,
            "answer": seen.answer,
            "checks": seen.frame.to_dict("records"),
        }
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            store.write_json(place, found)
    return Wiring(
        passed=bool(found["passed"]),
        answer=f"Preflight: {found['answer']}",
        table=Table(
            name="preflight",
            caption="Whether the model is wired as declared. An undecided check does not fail.",
            frame=pd.DataFrame(found["checks"]),
        ),
    )


def verdict_on(recognised: Recognition, wiring: Wiring | None, *, anyway: bool) -> list[str]:
    """Sentences on a model that no threshold is judged of; none for other models.

    Parameters
    ----------
    recognised
        The share that the model recognises.
    wiring
        What the preflight found, if there was one.
    anyway
        Whether thresholds are judged all the same.

    Examples
    --------
    >>> verdict_on.__name__  # see the tests of the audit
    'verdict_on'
    """
    reasons, advice = [], []
    if wiring is not None and not wiring.passed:
        reasons.append("the model is not wired as declared")
        advice.append("Repair the wiring")
    if not recognised.above_prior:
        bar = max(recognised.prior, recognised.chance)
        reasons.append(
            f"the interval of the share recognised does not lie above {100 * bar:.1f} %, so that "
            "the model is not shown to recognise emotions here, and what explains it is worth "
            "little"
        )
        advice.append(
            "Check its size, the range of pixel values, the normalisation, the order of colour "
            "channels and of emotions, and that faces stand upright; take more faces"
        )
    if not reasons:
        return []
    why = "; ".join(reasons)
    if anyway:
        return [f"Judged anyway: {why}."]
    return [
        f"Not judged: {why}. {'; '.join(advice)}; or judge it all the same (--anyway, anyway=True)."
    ]


def verdict(asked: Sequence[Threshold], *, on: On) -> list[str]:
    """By what thresholds were judged and how many were reached; nothing where none was asked.

    Examples
    --------
    >>> verdict([], on="bound")
    []
    """
    if not asked:
        return []
    by = "the worse bound of its 95 % interval" if on == "bound" else "its estimate alone"
    failed = sum(not one.reached for one in asked)
    said = "Every threshold was reached."
    if failed:
        s, were = ("", "was") if len(asked) == 1 else ("s", "were")
        said = f"{failed} of {len(asked)} threshold{s} {were} not reached."
    return [f"Each mean is judged by {by}. {said}"]
