"""``audit``: metrics of the explanations of any model, as a report, with a verdict."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fer_xai.checks import check_number
from fer_xai.data.splits import face_groups
from fer_xai.errors import InputError
from fer_xai.models import FERModel
from fer_xai.probe import Probe
from fer_xai.types import Faces
from metrics.gate import MIN_NETWORKS
from metrics.random_networks import statistics_of
from metrics.spec import MetricSpec
from studies import gating, store
from studies.registry import QUESTIONS
from studies.report import html, png, write_page
from studies.scoreboard import CHANCE, Scoreboard, TargetRule
from studies.scoreboard_report import COMMON_CAVEATS, Content, content
from studies.scoreboard_tables import held as compared
from studies.scored import CHUNK
from studies.thresholds import Threshold, gated, held, threshold_table, worst_allowed

METHODS = ("gradcam", "saliency", "integrated_gradients", "occlusion")
"""Attributions that nearly every network has."""
METRICS = ("deletion", "insertion", "mu_fidelity", "gini")
"""Metrics that need no landmarks."""
PRIMARY = "insertion"


@dataclass(frozen=True, kw_only=True, eq=False)
class Audit:
    """What an audit found.

    Attributes
    ----------
    frame
        A row a face, method and metric: ``id``, ``emotion``, ``target``, ``model``, ``method``,
        ``metric``, ``value``, ``blank``.
    table
        A row a metric and method: mean with its interval, gain over the centre control.
    tables
        All tables of the report, by name.
    answer
        In a sentence.
    thresholds
        What was asked of methods, the gate's verdicts included.
    facts
        Of the model, faces and settings.
    manifest
        All that it was made with: settings, hashes, versions.
    """

    frame: pd.DataFrame
    table: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    answer: str
    thresholds: tuple[Threshold, ...]
    facts: Mapping[str, str]
    manifest: Mapping[str, Any] = field(repr=False)
    _content: Content = field(repr=False)
    _specs: Mapping[str, MetricSpec] = field(repr=False)
    _caveats: Sequence[str] = field(repr=False)

    @property
    def failures(self) -> tuple[Threshold, ...]:
        """Thresholds that were not reached; an audit without any has passed."""
        return tuple(asked for asked in self.thresholds if not asked.reached)

    @property
    def passed(self) -> bool:
        """Whether every threshold was reached."""
        return not self.failures

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one file without any outside part; returns its path."""
        drawn = [(picture, png(picture.figure)) for picture in self._content.pictures]
        store.write_bytes(Path(path), html(pictures=drawn, **self._page()).encode())
        return Path(path)

    def write(self, folder: Path) -> None:
        """Write rows, tables, figures and the report into a folder."""
        store.write_table(folder / "scores.parquet", self.frame)
        write_page(folder, pictures=self._content.pictures, **self._page())

    def _page(self) -> dict[str, Any]:
        """What a page shows, pictures apart."""
        return {
            "question": QUESTIONS["audit"],
            "answer": self.answer,
            "facts": self.facts,
            "tables": self._content.tables,
            "method": [f"{name}: {spec.reference}." for name, spec in self._specs.items()],
            "caveats": [*self._caveats, *COMMON_CAVEATS],
            "manifest": self.manifest,
        }


def audit(
    model: FERModel | Probe,
    faces: Faces,
    *,
    methods: Sequence[str] = METHODS,
    metrics: Sequence[str | MetricSpec] = METRICS,
    controls: Sequence[str] = CHANCE,
    targets: TargetRule = "predicted",
    primary: str | None = None,
    thresholds: Mapping[str, float] | None = None,
    gate: bool = False,
    seed: int = 0,
    shards: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Audit:
    """Can the explanations of a model be trusted? Metrics of its attributions beside chance.

    Parameters
    ----------
    model
        Any network, as a :class:`fer_xai.FERModel` (its emotions may be in an order of their own),
        or a probe of one.
    faces
        Labelled; with landmarks for metrics and methods over facial regions.
    methods
        Attributions (:data:`fer_xai.attributions.ATTRIBUTIONS`).
    metrics
        Names of :data:`metrics.METRICS`, or specs of your own.
    controls
        Chance controls that stand beside them.
    targets
        Whether the predicted emotion is explained, or the true one.
    primary
        Metric that the answer speaks of: insertion where it is among them, else the first that is
        held against the centre control.
    thresholds
        Worst mean that is allowed, by metric, or by ``method:metric`` for one method alone. One
        over less than half of the faces reaches none.
    gate
        Whether the randomisation gate is run too (:func:`metrics.randomisation_gate`, ten random
        networks: it takes as long as ten explanations of each face and method); a method that does
        not pass is a failure.
    seed
        Of everything random.
    shards
        Folder of this audit alone, in which what is done is kept, so that a stopped one goes on.
    progress
        Called with the number of faces done after each chunk.

    Returns
    -------
    Audit
        ``frame``, ``tables``, ``failures`` and ``to_html(path)``.

    Raises
    ------
    UnknownNameError, InputError
        For unknown names, faces without what is needed, a negative seed, a threshold of something
        that is not scored or that no direction is better of.

    Examples
    --------
    >>> import fer_xai
    >>> from studies import audit
    >>> model, faces = fer_xai.load_model("gimefive"), fer_xai.load_dataset("synthetic", limit=3)
    >>> report = audit(model, faces, methods=["gradcam"], metrics=["average_drop"],
    ...                controls=["centre"], thresholds={"average_drop": 1.0})
    >>> report.passed, len(report.frame)
    (True, 6)
    """
    board, limits, chosen = prepared(
        methods=methods, metrics=metrics, controls=controls, targets=targets, primary=primary,
        thresholds=thresholds or {}, seed=seed,
    )  # fmt: skip
    specs = {spec.name: spec for spec in board.specs}
    check_faces(model, faces, board, gate=gate)
    device = str(getattr(model, "device", "auto"))
    probe = model if isinstance(model, Probe) else Probe(model, device=device)
    rows = _scores(board, probe, faces, shards, progress).assign(model=probe.name)
    clusters = pd.Series(face_groups(faces), index=faces.ids)
    refused = {probe.name: board.refused}
    found = gating.gate(probe, faces, board, shards=shards) if gate else None
    verdicts = {} if found is None else dict(zip(found["method"], found["gate"], strict=True))
    made = content(
        rows, clusters, specs, methods=methods, primary=chosen, refused=refused,
        gates={probe.name: verdicts} if verdicts else None,
    )  # fmt: skip
    predicted = probe.model.canonical(probe.logits(faces.pixels(probe.model.size)).argmax(dim=1))
    right = (predicted == faces.labels).float().mean()
    manifest = {
        "methods": list(methods),
        "metrics": list(specs),
        "controls": list(controls),
        "targets": targets,
        "primary": chosen,
        "thresholds": dict(thresholds or {}),
        "gate": gate,
        "seed": seed,
        "weights": store.state_digest(probe.model),
        "faces": faces.fingerprint(probe.model.size),
        **probe.settings(),
        **store.environment(),
    }
    facts = {
        "model": f"{probe.name}, {', '.join(probe.emotions)}",
        "faces": f"{len(faces)} of {faces.name}, of which {float(right):.1%} are recognised",
        "explained": f"the {targets} emotion's logit",
        "commit": store.made_by(manifest),
    }
    asked = held(made.methods, limits, specs)
    failed = sum(not one.reached for one in asked)
    verdict = "" if not limits else (
        "\nEvery threshold was reached." if not failed else
        f"\n{failed} of {len(limits)} thresholds were not reached."
    )  # fmt: skip
    if found is not None:
        verdict += f"\n{gating.gate_sentence(probe.name, found)}"
        asked += gated(found)
        shown = gating.gate_table(found, faces=len(faces), networks=MIN_NETWORKS)
        made = dataclasses.replace(made, tables=[shown, *made.tables])
    if asked:
        made = dataclasses.replace(made, tables=[threshold_table(asked), *made.tables])
    return Audit(
        frame=rows[["id", "emotion", "target", "model", "method", "metric", "value", "blank"]],
        table=made.methods,
        tables={table.name: table.frame for table in made.tables},
        answer=made.answer + verdict,
        thresholds=asked,
        facts=facts,
        _content=made,
        _caveats=[
            f"{metric} fills with {fill}, from which the maps of {method} start: that score holds "
            "them against themselves."
            for method, metric, fill in board.fills_shared
        ],
        manifest=manifest,
        _specs=specs,
    )


def prepared(
    *,
    methods: Sequence[str],
    metrics: Sequence[str | MetricSpec],
    controls: Sequence[str],
    targets: TargetRule,
    primary: str | None,
    thresholds: Mapping[str, float],
    seed: int,
) -> tuple[Scoreboard, dict[tuple[str, str], float], str]:
    """The board, limits by method and metric, and the primary metric, of options of an audit.

    Raises
    ------
    UnknownNameError, InputError
        For options that cannot be used.
    """
    check_number("seed", seed, 0, ends=True)
    for what, names in (("methods", methods), ("metrics", metrics), ("controls", controls)):
        if isinstance(names, str):
            raise InputError(f"Expected a list of {what}, got one name: pass [{names!r}].")
    board = Scoreboard(
        methods=methods, controls=controls, metrics=metrics, targets=targets, seed=seed,
        chunk=CHUNK, own_fills=True,
    )  # fmt: skip
    specs = {spec.name: spec for spec in board.specs}
    limits = worst_allowed(thresholds, specs, methods)
    if not specs:
        raise InputError("Expected at least one metric, got none.")
    ours = PRIMARY if PRIMARY in specs else min(specs, key=lambda name: not compared(specs[name]))
    chosen = primary or ours
    if chosen not in specs:
        raise InputError(f"Expected the primary metric among {', '.join(specs)}, got {chosen!r}.")
    return board, limits, chosen


def check_faces(
    model: FERModel | Probe, faces: Faces, board: Scoreboard, *, gate: bool = False
) -> None:
    """Faces that an audit can be made on.

    Raises
    ------
    InputError
        For anything else, none, or a single one to recalibrate BatchNorm on.
    """
    if not isinstance(faces, Faces):
        raise InputError(
            f"Expected Faces, which are labelled, got {type(faces).__name__}: load them with "
            "fer_xai.load_dataset."
        )
    if not len(faces):
        raise InputError("Expected faces to audit the model on, got none.")
    net = model.model if isinstance(model, Probe) else model
    drawn = gate or any("calibration" in spec.needs for spec in board.specs)
    if drawn and len(faces) < 2 and statistics_of(net, None):
        raise InputError(
            "Expected two faces or more, on which the BatchNorms of random networks are "
            "recalibrated, got one: take more, or leave the gate and metrics of randomisation out."
        )


def _scores(
    board: Scoreboard,
    probe: Probe,
    faces: Faces,
    shards: Path | None,
    progress: Callable[[int], None] | None,
) -> pd.DataFrame:
    """Rows of the board; what it refuses is kept beside them."""
    kept = None if shards is None else shards / "refused.json"
    if kept is not None and kept.exists():
        board.refused.update(json.loads(kept.read_text()))

    def done(n: int) -> None:
        if kept is not None:
            store.write_json(kept, board.refused)
        if progress is not None:
            progress(n)

    return board.scores(probe, faces, shards=shards, progress=done)
