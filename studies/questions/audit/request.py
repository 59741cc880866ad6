"""Options of an audit, checked once, and the scores and verdicts that answer them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fer_xai.checks import check_count, check_number
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.types import Faces
from metrics.core.registry import MetricSpec
from metrics.randomisation.gate import MIN_NETWORKS
from metrics.randomisation.random_networks import statistics_of
from studies.engine import store
from studies.engine.digests import faces_digests, model_digest
from studies.engine.explained import TargetRule
from studies.engine.in_words import words_table
from studies.engine.recognised_share import Recognition, recognition
from studies.engine.shards import BATCH, batch_sizes
from studies.engine.study import face_table
from studies.engine.units import unit_name, units_of
from studies.questions.audit.report import Audit
from studies.questions.audit.verdicts import verdict, verdict_on, wiring_of
from studies.reporting.formatting import readable
from studies.scoreboard import gate as gating
from studies.scoreboard.degenerate_maps import map_sentences, map_table
from studies.scoreboard.report import common_caveats, content, unit_of
from studies.scoreboard.scores import Scoreboard
from studies.scoreboard.study import CHUNK
from studies.scoreboard.tables import compared_with_floor
from studies.scoreboard.thresholds import (
    On,
    check_on,
    gate_verdicts,
    judged_means,
    threshold_table,
    worst_allowed,
)

METHODS = ("gradcam", "saliency", "integrated_gradients", "occlusion")
"""Attributions that nearly every network has."""
METRICS = ("deletion", "insertion", "mu_fidelity", "gini")
"""Metrics that need no landmarks."""
PRIMARY = "insertion"
"""The metric that the answer speaks of where it is among those asked for."""
COLUMNS = ("id", "emotion", "target", "model", "method", "metric", "value", "blank", "undefined")
"""Columns of an audit's frame."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Options of an audit, checked.

    Attributes
    ----------
    board
        Methods, controls, metrics, the rule for targets and the seed.
    thresholds
        Worst means that are allowed, as they were asked for.
    limits
        The same, by method and metric.
    primary
        Metric that the answer speaks of.
    on
        Whether the worse bound of a mean's interval is held against its threshold, or the mean.
    gate
        Whether the randomisation gate is run too.
    anyway
        Whether thresholds are judged even where the model recognises no more than the prior.
    margin
        Gain over the control below which a method counts as no different; None where none is.
    preflight
        Whether the wiring is looked at first (:func:`fer_xai.preflight`).
    """

    board: Scoreboard
    thresholds: Mapping[str, float]
    limits: Mapping[tuple[str, str], float]
    primary: str
    on: On
    gate: bool
    anyway: bool
    margin: float | None
    preflight: bool = True

    @classmethod
    def of(
        cls,
        *,
        methods: Sequence[str],
        metrics: Sequence[str | MetricSpec],
        controls: Sequence[str],
        targets: TargetRule,
        primary: str | None,
        thresholds: Mapping[str, float],
        on: On,
        gate: bool,
        anyway: bool,
        margin: float | None,
        seed: int,
        preflight: bool = True,
    ) -> Request:
        """Check options (those of :func:`studies.audit`) and resolve their names.

        Raises
        ------
        UnknownNameError, InputError
            For options that cannot be used.
        """
        if margin is not None:
            check_number("margin", margin, 0)
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
        check_on(on)
        limits = worst_allowed(thresholds, specs, methods)
        ours = (
            PRIMARY
            if PRIMARY in specs
            else min(specs, key=lambda name: not compared_with_floor(specs[name]))
        )
        chosen = primary or ours
        if chosen not in specs:
            raise InputError(
                f"Expected the primary metric among {', '.join(specs)}, got {chosen!r}."
            )
        return cls(
            board=board,
            thresholds=dict(thresholds),
            limits=limits,
            primary=chosen,
            on=on,
            gate=gate,
            anyway=anyway,
            margin=margin,
            preflight=preflight,
        )

    @property
    def specs(self) -> dict[str, MetricSpec]:
        """The metrics, by name."""
        return {spec.name: spec for spec in self.board.specs}

    def check_faces(self, model: FERModel | Predictor, faces: Faces) -> None:
        """Refuse faces that no audit can be made on.

        Raises
        ------
        InputError
            For anything but faces, for none, or for a single one to recalibrate BatchNorm on.
        """
        if not isinstance(faces, Faces):
            raise InputError(
                f"Expected Faces, which are labelled, got {type(faces).__name__}: load them with "
                "fer_xai.load_dataset."
            )
        if not len(faces):
            raise InputError("Expected faces to audit the model on, got none.")
        net = model.model if isinstance(model, Predictor) else model
        drawn = self.gate or any("calibration" in spec.needs for spec in self.board.specs)
        if drawn and len(faces) < 2 and statistics_of(net, None):
            raise InputError(
                "Expected two faces or more, on which the BatchNorms of random networks are "
                "recalibrated, got one: take more, or leave the gate and metrics of randomisation "
                "out."
            )

    def answered(
        self,
        predictor: Predictor,
        faces: Faces,
        *,
        shards: Path | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Audit:
        """Score the model's explanations, judge the scores, and make the report.

        Parameters
        ----------
        predictor
            Predictor of the model.
        faces
            Faces that :meth:`check_faces` takes.
        shards
            Folder in which what is done is kept.
        progress
            Called with the number of faces done after each chunk.
        """
        board, specs, name = self.board, self.specs, readable(predictor.name)
        wiring = None
        if self.preflight:
            wiring = wiring_of(predictor, faces, seed=board.seed, shards=shards)
        explained = board.explained(predictor, faces, keep=self.gate)
        rows = board.scores(explained, shards=shards, progress=progress).assign(model=name)
        counted = face_table(faces)
        clusters = pd.Series(counted["cluster"].to_numpy(), index=faces.ids)
        units = units_of(counted)
        recognised = recognition(
            name,
            faces.labels.numpy(),
            explained.predicted.numpy(),
            list(clusters),
            emotions=predictor.emotions,
            unit=unit_name(counted),
        )
        found = gating.gate(explained, board, shards=shards) if self.gate else None
        verdicts = {} if found is None else dict(zip(found["method"], found["gate"], strict=True))
        made = content(
            _of_maps(rows),
            clusters,
            specs,
            methods=board.methods,
            primary=self.primary,
            refused={name: board.refused},
            gates={name: verdicts} if verdicts else None,
            margin=self.margin,
        )
        manifest = self._manifest(predictor, faces, shards)
        wired = wiring is None or wiring.passed
        judged = self.anyway or (recognised.above_prior and wired)
        asked = judged_means(made.methods, self.limits, specs, on=self.on)
        explaining = [method for method in board.methods if method not in board.refused]
        maps = map_table(rows, explaining)
        tables = [recognised.table, *([] if wiring is None else [wiring.table]), maps]
        spoken = words_table(explained, explaining[0], shards=shards) if explaining else None
        tables += [spoken] if spoken is not None else []
        lines = [
            *([] if wiring is None else [wiring.answer]),
            recognised.sentence,
            f"Units: {units}.",
            *verdict_on(recognised, wiring, anyway=self.anyway),
            *map_sentences(maps),
            made.answer,
            *(verdict(asked, on=self.on) if judged else []),
        ]
        if found is not None:
            lines.append(gating.gate_sentence(name, found))
            asked += gate_verdicts(found)
            unit = unit_of(list(clusters))
            tables.append(gating.gate_table(found, unit=unit, networks=MIN_NETWORKS))
        if not judged:
            asked = tuple(dataclasses.replace(one, reached=False, judged=False) for one in asked)
        if asked:
            tables.insert(0, threshold_table(asked))
        made = dataclasses.replace(made, tables=[*tables, *made.tables])
        return Audit(
            frame=rows[list(COLUMNS)],
            table=made.methods,
            tables={table.name: table.frame for table in made.tables},
            answer="\n".join(lines),
            recognised=recognised,
            judged=judged,
            wired=wired,
            thresholds=asked,
            facts=self._facts(predictor, faces, recognised, manifest) | {"units": units},
            _content=made,
            _caveats=[*self._caveats(), *common_caveats(specs.values())],
            manifest=manifest,
            _specs=specs,
        )

    def _manifest(self, predictor: Predictor, faces: Faces, shards: Path | None) -> dict[str, Any]:
        """Settings, digests and versions of an audit."""
        earlier = None if shards is None else batch_sizes(shards)
        return {
            "methods": list(self.board.methods),
            "metrics": list(self.specs),
            "controls": list(self.board.controls),
            "targets": self.board.targets,
            "primary": self.primary,
            "thresholds": dict(self.thresholds),
            "on": self.on,
            "gate": self.gate,
            "anyway": self.anyway,
            **({} if self.margin is None else {"margin": self.margin}),
            "preflight": self.preflight,
            "seed": self.board.seed,
            "model": model_digest(predictor.model),
            **faces_digests(faces, [predictor.model.size]),
            **predictor.settings(),
            **({} if earlier is None else {BATCH: earlier}),
            **store.environment(),
        }

    def _facts(
        self,
        predictor: Predictor,
        faces: Faces,
        recognised: Recognition,
        manifest: Mapping[str, Any],
    ) -> dict[str, str]:
        """The line of facts under the answer."""
        share, low, high = (100 * x for x in (recognised.share, recognised.low, recognised.high))
        return {
            "model": f"{readable(predictor.name)}, {', '.join(predictor.emotions)}",
            "faces": f"{len(faces)} of {faces.name}",
            "recognised": f"{share:.1f} % [{low:.1f}, {high:.1f}]",
            "prior": f"{100 * recognised.prior:.1f} % ({recognised.frequent})",
            "explained": f"the {self.board.targets} emotion's logit",
            "commit": store.made_by(manifest),
        }

    def _caveats(self) -> list[str]:
        """Caveats on scores whose fill is also what a method's maps start from."""
        return [
            f"{metric} fills with {fill}, from which the maps of {method} start: that score "
            "compares them with themselves."
            for method, metric, fill in self.board.fills_shared
        ]


def _of_maps(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in which a face whose map is blank or undefined has no score: it explains nothing."""
    return rows.assign(value=rows["value"].mask(rows["blank"] | rows["undefined"]))
