"""``audit``: metrics of the explanations of any model, as a report, with a verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fer_xai.checks import check_count, check_number
from fer_xai.data.splits import face_groups
from fer_xai.errors import InputError
from fer_xai.files import read_json, write_bytes
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.types import Faces
from metrics.core.registry import MetricSpec
from metrics.randomisation.gate import MIN_NETWORKS
from metrics.randomisation.random_networks import statistics_of
from studies.engine import store
from studies.engine.digests import faces_digests, model_digest
from studies.engine.recognition import Recognition, recognition
from studies.registry import question
from studies.reporting.page import html, png, write_page
from studies.scoreboard import gate as gating
from studies.scoreboard.maps import map_sentences, map_table
from studies.scoreboard.report import Content, common_caveats, content
from studies.scoreboard.scores import CHANCE, Scoreboard, TargetRule
from studies.scoreboard.study import CHUNK
from studies.scoreboard.tables import held as compared
from studies.scoreboard.thresholds import (
    Threshold,
    gated,
    held,
    threshold_table,
    worst_allowed,
)

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
        ``metric``, ``value``, and ``blank`` and ``undefined`` of its map.
    table
        A row a metric and method: mean with its interval, gain over the centre control.
    tables
        All tables of the report, by name.
    answer
        In sentences: what the model recognises beside the prior, blank and undefined maps, which
        methods beat the centre control, and the verdicts.
    recognised
        The share of faces that the model recognises, with its interval, the prior and recalls.
    judged
        Whether thresholds were judged: those of a model that recognises no more than the prior are
        not, unless that was asked for.
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
    recognised: Recognition
    judged: bool
    thresholds: tuple[Threshold, ...]
    facts: Mapping[str, str]
    manifest: Mapping[str, Any] = field(repr=False)
    _content: Content = field(repr=False)
    _specs: Mapping[str, MetricSpec] = field(repr=False)
    _caveats: Sequence[str] = field(repr=False)

    @property
    def failures(self) -> tuple[Threshold, ...]:
        """Thresholds that were not reached, or not judged."""
        return tuple(asked for asked in self.thresholds if not asked.reached)

    @property
    def passed(self) -> bool:
        """Whether thresholds can be judged and every one was reached; there may be none."""
        return self.judged and not self.failures

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one file without any outside part; returns its path."""
        drawn = [(picture, png(picture.figure)) for picture in self._content.pictures]
        write_bytes(Path(path), html(pictures=drawn, **self._page()).encode())
        return Path(path)

    def write(self, folder: Path) -> None:
        """Write rows, tables, figures and the report into a folder."""
        store.write_table(folder / "scores.parquet", self.frame)
        write_page(folder, pictures=self._content.pictures, **self._page())

    def _page(self) -> dict[str, Any]:
        """What a page shows, pictures apart."""
        return {
            "question": question("audit"),
            "answer": self.answer,
            "facts": self.facts,
            "tables": self._content.tables,
            "method": [f"{name}: {spec.reference}." for name, spec in self._specs.items()],
            "caveats": [*self._caveats],
            "manifest": self.manifest,
        }


def audit(
    model: FERModel | Predictor,
    faces: Faces,
    *,
    methods: Sequence[str] = METHODS,
    metrics: Sequence[str | MetricSpec] = METRICS,
    controls: Sequence[str] = CHANCE,
    targets: TargetRule = "predicted",
    primary: str | None = None,
    thresholds: Mapping[str, float] | None = None,
    gate: bool = False,
    anyway: bool = False,
    seed: int = 0,
    shards: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Audit:
    """Can the explanations of a model be trusted? Metrics of its attributions beside chance.

    Parameters
    ----------
    model
        Any network, as a :class:`fer_xai.FERModel` (its emotions may be in an order of their own),
        or a predictor of one.
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
        Worst mean that is allowed, by metric, or by ``method:metric`` for one method alone. Faces
        whose map is blank or undefined have no score, and a mean over less than half of the faces
        reaches none.
    gate
        Whether the randomisation gate is run too (:func:`metrics.randomisation_gate`, ten random
        networks: it takes as long as ten explanations of each face and method); a method that does
        not pass is a failure.
    anyway
        Whether thresholds are judged even where the model recognises no more than the prior: where
        the 95 % interval of the share of faces that it recognises does not lie above the share of
        the most frequent emotion and above one over the number of its emotions. Its explanations
        say little then: it may be fed in another way than it was trained, or read in another order
        of emotions.
    seed
        Of everything random.
    shards
        Folder of this audit alone, in which what is done is kept, so that a stopped one goes on;
        one of another model, other faces or other options is refused.
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
    >>> model = fer_xai.load_model("gimefive", weights="synthetic")
    >>> faces = fer_xai.load_dataset("synthetic", limit=6)
    >>> report = audit(model, faces, methods=["gradcam"], metrics=["average_drop"],
    ...                controls=["centre"], thresholds={"average_drop": 1.0})
    >>> report.passed, len(report.frame)
    (True, 12)
    """
    board, limits, chosen = prepared(
        methods=methods,
        metrics=metrics,
        controls=controls,
        targets=targets,
        primary=primary,
        thresholds=thresholds or {},
        seed=seed,
    )
    specs = {spec.name: spec for spec in board.specs}
    check_faces(model, faces, board, gate=gate)
    device = str(getattr(model, "device", "auto"))
    predictor = model if isinstance(model, Predictor) else Predictor(model, device=device)
    rows = _scores(board, predictor, faces, shards, progress).assign(model=predictor.name)
    clusters = pd.Series(face_groups(faces), index=faces.ids)
    predicted = predictor.model.canonical(
        predictor.logits(faces.pixels(predictor.model.size)).argmax(dim=1)
    )
    recognised = recognition(
        predictor.name,
        faces.labels.numpy(),
        predicted.numpy(),
        list(clusters),
        emotions=predictor.emotions,
    )
    judged = anyway or recognised.above_prior
    refused = {predictor.name: board.refused}
    found = gating.gate(predictor, faces, board, shards=shards) if gate else None
    verdicts = {} if found is None else dict(zip(found["method"], found["gate"], strict=True))
    made = content(
        _of_maps(rows),
        clusters,
        specs,
        methods=methods,
        primary=chosen,
        refused=refused,
        gates={predictor.name: verdicts} if verdicts else None,
    )
    manifest = {
        "methods": list(methods),
        "metrics": list(specs),
        "controls": list(controls),
        "targets": targets,
        "primary": chosen,
        "thresholds": dict(thresholds or {}),
        "gate": gate,
        "anyway": anyway,
        "seed": seed,
        "model": model_digest(predictor.model),
        **faces_digests(faces, [predictor.model.size]),
        **predictor.settings(),
        **store.environment(),
    }
    facts = {
        "model": f"{predictor.name}, {', '.join(predictor.emotions)}",
        "faces": f"{len(faces)} of {faces.name}",
        "recognised": (
            f"{100 * recognised.share:.1f} % "
            f"[{100 * recognised.low:.1f}, {100 * recognised.high:.1f}]"
        ),
        "prior": f"{100 * recognised.prior:.1f} % ({recognised.frequent})",
        "explained": f"the {targets} emotion's logit",
        "commit": store.made_by(manifest),
    }
    asked = held(made.methods, limits, specs)
    maps = map_table(rows, [name for name in methods if name not in board.refused])
    tables = [recognised.table, maps]
    lines = [recognised.sentence, *_verdict_on(recognised, anyway=anyway), *map_sentences(maps)]
    lines += [made.answer, *(_verdict(asked) if judged else [])]
    if found is not None:
        lines.append(gating.gate_sentence(predictor.name, found))
        asked += gated(found)
        tables.append(gating.gate_table(found, faces=len(faces), networks=MIN_NETWORKS))
    if not judged:
        asked = tuple(dataclasses.replace(one, reached=False, judged=False) for one in asked)
    if asked:
        tables.insert(0, threshold_table(asked))
    made = dataclasses.replace(made, tables=[*tables, *made.tables])
    return Audit(
        frame=rows[
            ["id", "emotion", "target", "model", "method", "metric", "value", "blank", "undefined"]
        ],
        table=made.methods,
        tables={table.name: table.frame for table in made.tables},
        answer="\n".join(lines),
        recognised=recognised,
        judged=judged,
        thresholds=asked,
        facts=facts,
        _content=made,
        _caveats=[
            f"{metric} fills with {fill}, from which the maps of {method} start: that score holds "
            "them against themselves."
            for method, metric, fill in board.fills_shared
        ]
        + common_caveats(specs.values()),
        manifest=manifest,
        _specs=specs,
    )


def _of_maps(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in which a face whose map is blank or undefined has no score: it explains nothing."""
    return rows.assign(value=rows["value"].mask(rows["blank"] | rows["undefined"]))


def _verdict_on(recognised: Recognition, *, anyway: bool) -> list[str]:
    """What follows for the verdict from what a model recognises; nothing where it recognises."""
    if recognised.above_prior:
        return []
    bar = max(recognised.prior, recognised.chance)
    why = f"the interval of the share recognised does not lie above {100 * bar:.1f} %"
    if anyway:
        return [f"Judged anyway: {why}."]
    return [
        f"Not judged: {why}, so that the model is not shown to recognise emotions here, and what "
        "explains it is worth little. Check its size, the range of pixel values, the "
        "normalisation, the order of colour channels and of emotions, and that faces stand "
        "upright; take more faces; or judge it all the same (--anyway, anyway=True)."
    ]


def _verdict(asked: Sequence[Threshold]) -> list[str]:
    """How many thresholds were reached; nothing where none was asked."""
    failed = sum(not one.reached for one in asked)
    if not asked:
        return []
    if not failed:
        return ["Every threshold was reached."]
    were = "was" if len(asked) == 1 else "were"
    return [
        f"{failed} of {len(asked)} threshold{'' if len(asked) == 1 else 's'} {were} not reached."
    ]


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
    check_count("seed", seed, low=0)
    for what, names in (("methods", methods), ("metrics", metrics), ("controls", controls)):
        if isinstance(names, str):
            raise InputError(f"Expected a list of {what}, got one name: pass [{names!r}].")
    board = Scoreboard(
        methods=methods,
        controls=controls,
        metrics=metrics,
        targets=targets,
        seed=seed,
        chunk=CHUNK,
        own_fills=True,
    )
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
    model: FERModel | Predictor, faces: Faces, board: Scoreboard, *, gate: bool = False
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
    net = model.model if isinstance(model, Predictor) else model
    drawn = gate or any("calibration" in spec.needs for spec in board.specs)
    if drawn and len(faces) < 2 and statistics_of(net, None):
        raise InputError(
            "Expected two faces or more, on which the BatchNorms of random networks are "
            "recalibrated, got one: take more, or leave the gate and metrics of randomisation out."
        )


def _scores(
    board: Scoreboard,
    predictor: Predictor,
    faces: Faces,
    shards: Path | None,
    progress: Callable[[int], None] | None,
) -> pd.DataFrame:
    """Rows of the board; what it refuses is kept beside them."""
    kept = None if shards is None else shards / "refused.json"
    if kept is not None and kept.exists():
        board.refused.update(read_json(kept, remedy=f"delete {shards}"))

    def done(n: int) -> None:
        if kept is not None:
            store.write_json(kept, board.refused)
        if progress is not None:
            progress(n)

    return board.scores(predictor, faces, shards=shards, progress=done)
