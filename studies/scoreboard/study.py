"""What studies of metrics over methods and models have in common."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from fer_xai.errors import InputError
from fer_xai.models import FERModel
from fer_xai.names import slug
from fer_xai.types import Faces
from metrics.core.registry import MetricSpec
from studies.engine import store
from studies.engine.digests import faces_digests, model_digest
from studies.engine.explained import Explained, TargetRule
from studies.engine.networks import Network
from studies.engine.options import Data, Models, Passes, Progress, Seed, with_landmarks
from studies.engine.study import Run, Study, face_table
from studies.registry import question
from studies.reporting.page import Table, write_page
from studies.scoreboard.report import common_caveats, content
from studies.scoreboard.scores import CHANCE, FLOOR, MODEL_FREE, Scoreboard
from studies.scoreboard.tables import held

CHUNK = 16
"""Faces whose rows are written together: what a run that is stopped loses at most."""


@dataclass(frozen=True, kw_only=True)
class Beyond:
    """What a study finds out about a model beyond scores a face.

    Attributes
    ----------
    said
        A sentence; it is the answer, in place of what the scores say.
    tables
        Tables of the page, before the others.
    gate
        The randomisation gate's verdict, by method.

    Examples
    --------
    >>> Beyond(said="No method passes.", gate={"lime": "fails"}).tables
    ()
    """

    said: str = ""
    tables: Sequence[Table] = ()
    gate: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What was found out about one network."""

    model: str
    rows: pd.DataFrame
    beyond: Beyond


@dataclass(frozen=True, kw_only=True)
class ScoredStudy(Study, Progress, Passes, Seed, Data, Models):
    """Metrics of attributions and chance controls, for several models, with paired statistics."""

    primary: ClassVar[str]
    told: ClassVar[tuple[str, ...]] = ()
    """How it was done, beyond what is common to all."""
    caveats: ClassVar[tuple[str, ...]] = ()
    explains_again: ClassVar[bool] = False
    """Whether :meth:`beyond` asks for the maps of the methods once more."""

    methods: tuple[str, ...] = (
        "gradcam",
        "gradcam++",
        "layercam",
        "eigencam",
        "saliency",
        "input_x_gradient",
        "integrated_gradients",
        "smoothgrad",
        "guided_backprop",
        "lrp",
        "occlusion",
        "region_shapley",
    )
    """Attributions."""
    metrics: tuple[str, ...] = ()
    """Names of metrics."""
    limit: int = 128
    """At most this many faces with landmarks, with the emotions' shares kept."""
    targets: TargetRule = "predicted"
    """Which emotion of a face is explained."""
    margin: float | None = None
    """Gain over the centre control below which a method counts as no different, declared now."""

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together or data that cannot be used.
        """
        self.check()
        if self.margin is not None and not 0 < self.margin < math.inf:
            raise InputError(
                f"Expected --margin above 0, in units of the score, got {self.margin}."
            )
        board = Scoreboard(
            methods=self.methods,
            metrics=self.metrics,
            targets=self.targets,
            seed=self.seed,
            chunk=CHUNK,
        )
        faces = self._faces()
        models = {network: network.load(faces) for network in self.networks_for(self.data_spec)}
        inputs = {
            **faces_digests(faces, [model.size for model in models.values()]),
            "models": {network.name: model_digest(model) for network, model in models.items()},
        }
        with self.opened(inputs, faces.name, self.data_spec.source, self.split) as run:
            run.bar.add_task("faces", total=len(faces) * len(models))
            parts = [
                self._scored(network, model, faces, board, run) for network, model in models.items()
            ]
        rows = pd.concat([part.rows for part in parts], ignore_index=True)
        run.keep("scores", rows)
        run.keep("faces", face_table(faces))
        return run.complete(self._report(run, faces, board, parts, rows))

    def _scored(
        self, network: Network, model: FERModel, faces: Faces, board: Scoreboard, run: Run
    ) -> _Part:
        """Rows of one network, and what the study finds out beyond them."""
        known = run.manifest["networks"].get(network.name, {})
        predictor = self.predictor(model, batch_size=known.get("batch_size"))
        own = dataclasses.replace(board, refused=dict(known.get("refused", {})))
        run.manifest["networks"][network.name] = {
            "weights": Path(str(network.weights)).name,
            "refused": own.refused,
            **predictor.settings(),
        }
        run.record()

        def advance(n: int) -> None:
            run.bar.advance(run.bar.task_ids[0], n)
            run.record()  # with what was refused meanwhile

        explained = own.explained(predictor, faces, keep=self.explains_again)
        rows = own.scores(
            explained, shards=run.folder / "shards" / slug(network.name), progress=advance
        )
        beyond = self.beyond(explained, model=network.name, board=own, run=run)
        return _Part(model=network.name, rows=rows.assign(model=network.name), beyond=beyond)

    def beyond(self, explained: Explained, *, model: str, board: Scoreboard, run: Run) -> Beyond:
        """What a study finds out about a model beyond scores a face."""
        del explained, model, board, run
        return Beyond()

    def _faces(self) -> Faces:
        faces = self.load_faces()
        known = faces if faces.landmarks is None else with_landmarks(faces)
        return known.limit(self.limit, seed=self.seed)

    def _report(
        self,
        run: Run,
        faces: Faces,
        board: Scoreboard,
        parts: Sequence[_Part],
        rows: pd.DataFrame,
    ) -> str:
        """Write tables, figures and the page; returns the answer."""
        specs = {spec.name: spec for spec in board.specs}
        declared = self.primary in specs
        primary = self.primary if declared else min(specs, key=lambda name: not held(specs[name]))
        made = content(
            rows,
            face_table(faces).set_index("id")["cluster"],
            specs,
            methods=self.methods,
            primary=primary,
            refused={name: facts["refused"] for name, facts in run.manifest["networks"].items()},
            fills_shared=board.fills_shared,
            gates={part.model: part.beyond.gate for part in parts if part.beyond.gate},
            margin=self.margin,
        )
        said = [part.beyond.said for part in parts if part.beyond.said]
        if not said:
            said = [made.answer]
            if not declared:
                said += [f"{primary} is not the declared endpoint: {self.primary} was not scored."]
        answer = "\n".join(said)
        more: dict[str, Table] = {}
        for table in (table for part in parts for table in part.beyond.tables):
            before = [more[table.name].frame] if table.name in more else []
            frame = pd.concat([*before, table.frame], ignore_index=True)
            more[table.name] = dataclasses.replace(table, frame=frame)
        write_page(
            run.folder,
            question=question(self.name),
            answer=answer,
            facts=self._facts(faces, run.manifest),
            tables=[*more.values(), *made.tables],
            pictures=made.pictures,
            method=self._method(specs),
            caveats=[*self.caveats, *common_caveats(specs.values())],
            manifest=run.manifest,
        )
        return answer

    def _facts(self, faces: Faces, manifest: dict[str, Any]) -> dict[str, str]:
        return {
            "faces": f"{len(faces)} of {faces.name}"
            + (f" ({self.data_spec.source})" if self.data_spec.source else "")
            + f", {self.split} split",
            "models": ", ".join(manifest["networks"]),
            "explained": f"the {self.targets} emotion's logit (deletion, ROAD and their like score "
            "its probability)",
            "fer-xai": f"{manifest['versions']['fer-xai']}, commit {store.made_by(manifest)}",
        }

    def _method(self, specs: Mapping[str, MetricSpec]) -> list[str]:
        return [
            *self.told,
            f"Chance controls, all at Grad-CAM's resolution: {_spoken(MODEL_FREE)} know nothing of "
            f"the model; {_spoken(name for name in CHANCE if name not in MODEL_FREE)} are made of "
            "its own Grad-CAM maps (the face's cells in another order, the map of a face that "
            "another emotion is explained of, the mean over faces), and so know the model but not "
            "where it looks in this face. Metrics that must explain again (of randomisation and "
            "robustness) have only the former, which can be made again.",
            "By a metric of faithfulness a method says something only where it beats them; claims "
            f"are gains over the {FLOOR} control, paired by face.",
            "Ties are broken by seed, curves run over exact counts of pixels and the fractions "
            "that were taken, each distinct image is scored once.",
            *(f"{name}: {spec.reference}." for name, spec in specs.items()),
        ]


def _spoken(names: Iterable[str]) -> str:
    *most, last = (name.replace("_", " ") for name in names)
    return f"{', '.join(most)} and {last}"
