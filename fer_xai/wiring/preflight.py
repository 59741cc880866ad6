"""``preflight``: is a model wired as it is declared?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch

from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.types import Faces
from fer_xai.wiring.alternatives import CHECKS
from fer_xai.wiring.finding import Finding
from fer_xai.wiring.labelled import FacesScoring, labelled_findings
from fer_xai.wiring.network import before_use, mirrored, network_findings, one_answer
from fer_xai.wiring.pair_rates import Ints

AT_MOST = 2_400
"""Faces that are looked at."""
LARGEST = 256
"""Pixels a side at which larger faces are read."""
BATCHED = 8
"""Faces by which batches and repetitions are compared."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Preflight:
    """What a preflight found.

    Attributes
    ----------
    findings
        One for each check.
    suggestion
        Arguments of :class:`fer_xai.FERModel` that would repair the wiring; empty where none would.
    name
        Name of the model.
    faces
        Number of faces that were looked at.
    feeding
        Table of the other ways of feeding that were tried.
    pairs
        Table of each two outputs: how well they tell their emotions apart.

    Examples
    --------
    >>> Preflight(findings=(), suggestion={}, name="mine", faces=300).answer
    'mine is wired as declared, as far as 300 faces tell.'
    """

    findings: tuple[Finding, ...]
    suggestion: Mapping[str, Any]
    name: str
    faces: int
    feeding: pd.DataFrame = field(default_factory=pd.DataFrame)
    pairs: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def passed(self) -> bool:
        """Whether no check failed; undecided ones do not count as failed."""
        return not any(one.verdict == "fail" for one in self.findings)

    @property
    def answer(self) -> str:
        """What was found, in a few sentences."""
        failed = [one for one in self.findings if one.verdict == "fail"]
        undecided = [one.check for one in self.findings if one.verdict == "undecided"]
        if failed:
            first = f"{self.name} did not pass: " + " ".join(
                f"{one.check}: {one.sentence}" for one in failed
            )
        elif undecided:
            first = f"No check found {self.name} wired otherwise than declared."
        else:
            first = f"{self.name} is wired as declared, as far as {self.faces:,} faces tell."
        parts = [first]
        if self.suggestion:
            given = ", ".join(f"{key}={value!r}" for key, value in self.suggestion.items())
            parts.append(f"This would repair it: FERModel(…, {given}).")
        if undecided:
            parts.append(f"These {self.faces:,} faces do not decide: {', '.join(undecided)}.")
        return " ".join(parts)

    @property
    def frame(self) -> pd.DataFrame:
        """The findings as a table: ``check``, ``verdict``, ``sentence``."""
        return pd.DataFrame(
            [(one.check, one.verdict, one.sentence) for one in self.findings],
            columns=["check", "verdict", "sentence"],
        )

    def __repr__(self) -> str:
        lines = [f"  {one.verdict:<14} {one.check}: {one.sentence}" for one in self.findings]
        return "\n".join([f"Preflight of {self.name}: {self.answer}", *lines])


def preflight(
    model: FERModel | Predictor,
    faces: Faces,
    *,
    at_most: int = AT_MOST,
    seed: int = 0,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Preflight:
    """Is a model wired as it is declared? Every check comes with its evidence.

    Without labels the network and its answers are looked at. With labels also: the order of the
    outputs, by how well each two of them tell each two emotions apart (after Hand & Till, 2001),
    which no frequent emotion can mask; the order of colours, range, greyscale, size, crop and
    turns, each against what the faces say under other ways of feeding. What one part of the faces
    suggests is tested on another, and each check errs on a model that is wired right in at most one
    case of a hundred (``docs/preflight.md`` has the counts). A model that hardly tells emotions
    apart on these faces proves nothing about its wiring, and the answer says so.

    Parameters
    ----------
    model
        As it would be explained: a :class:`fer_xai.FERModel`, or a predictor of one.
    faces
        A few hundred or more, labelled where possible. Faces of emotions that the model does not
        have are looked at without their label.
    at_most
        Number of faces that are looked at; more are sampled, each emotion by its share.
    seed
        Seed of the sample and of the halves.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``; a predictor keeps its own.
    progress
        Called with the number of ways of feeding done and to do.

    Returns
    -------
    Preflight
        ``passed``, ``answer``, ``findings``, ``suggestion``, ``frame``.

    Raises
    ------
    InputError
        For no faces.

    Examples
    --------
    >>> import fer_xai
    >>> model = fer_xai.load_model("gimefive", weights="synthetic")
    >>> faces = fer_xai.load_dataset("synthetic", limit=24)
    >>> fer_xai.preflight(model, faces).passed
    True
    """
    if not len(faces):
        raise InputError("Expected faces to look at, got none.")
    faces = _sorted(faces.limit(at_most, seed=seed) if len(faces) > at_most else faces, seed=seed)
    early: list[Finding] = []
    if isinstance(model, Predictor):
        predictor = model
    else:
        model, early = before_use(model, faces)
        if any(one.verdict == "fail" and not one.suggestion for one in early):
            return _stopped(model, early, len(faces))
        predictor = Predictor(model, device=device)
    scoring = FacesScoring(predictor, faces)
    rows = np.arange(len(faces), dtype=np.int64)
    logits = scoring((), rows)
    tensor = torch.from_numpy(logits)
    images = scoring.images[: min(BATCHED, len(faces))].float() / 255
    told = {one.check for one in early}
    later = network_findings(predictor, images, tensor)
    findings = [*early, *(one for one in later if one.check not in told)]
    truth = _outputs_of(predictor.emotions, faces)
    known = np.flatnonzero(truth >= 0).astype(np.int64)
    labels = torch.from_numpy(truth[known]) if len(known) == len(faces) else None
    findings.append(one_answer(predictor.model, tensor, labels))
    findings.append(mirrored(tensor, torch.from_numpy(scoring((), rows, mirror=True))))
    suggestion: dict[str, Any] = {}
    for one in findings:
        suggestion |= one.suggestion
    finite = bool(np.isfinite(logits).all())
    tables: dict[str, pd.DataFrame] = {}
    if len(known) and finite:
        labels_told = labelled_findings(
            scoring,
            faces,
            known=known,
            truth=truth[known],
            seed=seed,
            suggestion=suggestion,
            progress=progress,
        )
        findings += labels_told.findings
        tables = {"feeding": labels_told.feeding, "pairs": labels_told.pairs}
    else:
        why = "The logits are not finite." if not finite else "No face has a label of the model's."
        findings += [
            Finding(check=check, verdict="not applicable", sentence=why)
            for check in ("recognition", *CHECKS, "order of the outputs")
        ]
    return Preflight(
        findings=tuple(findings),
        suggestion=suggestion,
        name=predictor.name,
        faces=len(faces),
        **tables,
    )


def _stopped(model: FERModel, early: Sequence[Finding], faces: int) -> Preflight:
    """What is said of a network whose answers cannot be used at all."""
    why = "The network's answers cannot be used."
    left = ("recognition", *CHECKS, "order of the outputs")
    rest = [Finding(check=check, verdict="not applicable", sentence=why) for check in left]
    return Preflight(findings=(*early, *rest), suggestion={}, name=model.name, faces=faces)


def _sorted(faces: Faces, *, seed: int) -> Faces:
    """Faces in an order of their names alone."""
    keys = [hashlib.sha256(f"{seed}:{name}".encode()).hexdigest() for name in faces.ids]
    return faces.subset(np.argsort(keys, kind="stable"))


def _outputs_of(emotions: Sequence[str], faces: Faces) -> Ints:
    """Output of each face's true emotion; −1 where it has none."""
    places = {EMOTIONS.index(name): at for at, name in enumerate(emotions)}
    return np.array([places.get(int(label), -1) for label in faces.labels], dtype=np.int64)
