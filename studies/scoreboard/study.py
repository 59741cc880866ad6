"""Base of studies that score methods and models by metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from fer_xai.models import FERModel
from fer_xai.names import slug
from fer_xai.types import Faces
from metrics.core.registry import MetricSpec
from studies.engine import store
from studies.engine.classes import known_to_all, note
from studies.engine.digests import faces_digests, model_digest
from studies.engine.explained import Explained
from studies.engine.model_options import Models
from studies.engine.networks import Network
from studies.engine.options import Data, Margin, Passes, Progress, Seed, Targets
from studies.engine.points import with_landmarks
from studies.engine.scope import InWords, Limit, Metrics
from studies.engine.shards import BATCH, batch_sizes, last_batch_size, with_earlier
from studies.engine.study import Run, Study, face_table
from studies.engine.units import units_of
from studies.registry import question
from studies.reporting.page import Table, write_page
from studies.scoreboard.report import common_caveats, content
from studies.scoreboard.scores import CHANCE, FLOOR, MODEL_FREE, Scoreboard
from studies.scoreboard.tables import compared_with_floor

CHUNK = 16
"""Faces whose rows are written together: what a run that is stopped loses at most."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Findings of a study about one model, besides the scores of its faces.

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
    >>> Findings(said="No method passes.", gate={"lime": "fails"}).tables
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
    findings: Findings


class _NewFaces:
    """Advances a run's bar by the faces of one network that it has not counted before."""

    def __init__(self, run: Run) -> None:
        self.run, self.now, self.most = run, 0, 0

    def __call__(self, n: int) -> None:
        self.now += n
        new = max(self.now - self.most, 0)
        self.most += new
        self.run.bar.advance(self.run.bar.task_ids[0], new)


@dataclass(frozen=True, kw_only=True)
class ScoredStudy(
    Study, Progress, Passes, Seed, Targets, Margin, InWords, Metrics, Limit, Data, Models
):
    """Metrics of attributions and chance controls, for several models, with paired statistics."""

    primary: ClassVar[str]
    how_it_was_done: ClassVar[tuple[str, ...]] = ()
    """Sentences on how this study is done, before those that all studies share."""
    caveats: ClassVar[tuple[str, ...]] = ()
    explains_again: ClassVar[bool] = False
    """Whether :meth:`findings` asks for the maps of the methods once more."""

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

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together or data that cannot be used.
        """
        self.check()
        board = Scoreboard(
            methods=self.methods,
            metrics=self.metrics,
            targets=self.targets,
            seed=self.seed,
            chunk=CHUNK,
        )
        chosen = self.networks_for(self.data_spec)
        taken = known_to_all(self.asked_emotions, chosen)
        faces = self._faces(taken)
        models = {network: network.load(faces) for network in chosen}
        inputs = {
            **faces_digests(faces, [model.size for model in models.values()]),
            "models": {network.name: model_digest(model) for network, model in models.items()},
        }
        with self.opened(inputs, faces.name, self.data_spec.source, self.split) as run:
            note(run.manifest, faces, classes=self.classes, taken=taken)
            run.bar.add_task("faces × models", total=len(faces) * len(models))
            parts = self._scored_alike(models, faces, board, run)
        rows = pd.concat([part.rows for part in parts], ignore_index=True)
        faces = faces.subset(np.flatnonzero(np.isin(faces.ids, rows["id"].unique())))
        run.keep("scores", rows)
        run.keep("faces", face_table(faces))
        answer = self._report(run, faces, board, parts, rows)
        return run.complete(answer, units=units_of(face_table(faces)))

    def _scored_alike(
        self, models: Mapping[Network, FERModel], faces: Faces, board: Scoreboard, run: Run
    ) -> list[_Part]:
        """Rows of all networks, of the same faces.

        Where a rule says how many are enough (:meth:`enough`), the network that needs the most
        decides: the others go on to as many, and on from there until they, too, are known.
        """
        parts: dict[Network, _Part] = {}
        sizes, most = dict.fromkeys(models, -1), 0
        told = {network: _NewFaces(run) for network in models}
        while set(sizes.values()) != {most}:
            for network, model in models.items():
                if sizes[network] != most:
                    parts[network] = self._scored(
                        network, model, faces, board, run, least=most, told=told[network]
                    )
                    sizes[network] = parts[network].rows["id"].nunique()
            most = max(sizes.values())
        return list(parts.values())

    def _scored(
        self,
        network: Network,
        model: FERModel,
        faces: Faces,
        board: Scoreboard,
        run: Run,
        *,
        least: int,
        told: _NewFaces,
    ) -> _Part:
        """Rows of one network, of this many faces or more, and further findings about it."""
        told.now = 0
        known = run.manifest["networks"].get(network.name, {})
        recorded = known.get(BATCH)
        predictor = self.predictor(model, batch_size=last_batch_size(recorded))
        own = dataclasses.replace(board, refused={})
        described = run.manifest["networks"][network.name] = {
            "weights": Path(str(network.weights)).name,
            "refused": own.refused,
            **predictor.settings(),
            BATCH: with_earlier(recorded, predictor.batch_size),
        }
        run.record()
        shards = run.folder / "shards" / slug(network.name)
        explained = own.explained(predictor, faces, keep=self.explains_again)
        rows = own.scores(
            explained,
            shards=shards,
            progress=told,
            enough=self.enough(faces, least=least),
        )
        findings = self.findings(explained, model=network.name, board=own, run=run)
        explaining = [method for method in own.methods if method not in own.refused]
        if explaining:
            by_name = {network.name: explained}
            words = self.words_of(by_name, run.folder, method=explaining[0])
            findings = dataclasses.replace(findings, tables=[*findings.tables, *words])
        described[BATCH] = batch_sizes(shards) or described[BATCH]
        return _Part(model=network.name, rows=rows.assign(model=network.name), findings=findings)

    def findings(
        self, explained: Explained, *, model: str, board: Scoreboard, run: Run
    ) -> Findings:
        """Findings of a study about one model, besides the scores of its faces."""
        del explained, model, board, run
        return Findings()

    def remarks(self, rows: pd.DataFrame, faces: Faces) -> list[str]:
        """Sentences that follow the answer; none by default."""
        del rows, faces
        return []

    def chosen(self, faces: Faces) -> Faces:
        """The faces that are scored, in that order."""
        return faces.limit(self.limit, seed=self.seed)

    def enough(
        self, faces: Faces, *, least: int = 0
    ) -> Callable[[pd.DataFrame], int | None] | None:
        """Rule by which a model's rows are enough before all faces are scored; none by default.

        See :meth:`Scoreboard.scores`. With ``least``, fewer faces than that are never enough.
        """
        del faces, least
        return None

    def _faces(self, emotions: tuple[str, ...]) -> Faces:
        faces = self.load_faces(emotions=emotions)
        return self.chosen(faces if faces.landmarks is None else with_landmarks(faces))

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
        primary = (
            self.primary
            if declared
            else min(specs, key=lambda name: not compared_with_floor(specs[name]))
        )
        made = content(
            rows,
            face_table(faces).set_index("id")["cluster"],
            specs,
            methods=self.methods,
            primary=primary,
            refused={name: facts["refused"] for name, facts in run.manifest["networks"].items()},
            fills_shared=board.fills_shared,
            gates={part.model: part.findings.gate for part in parts if part.findings.gate},
            margin=self.margin,
        )
        said = [part.findings.said for part in parts if part.findings.said]
        if not said:
            said = [made.answer]
            if not declared:
                said += [f"{primary} is not the declared endpoint: {self.primary} was not scored."]
        said += [*run.manifest.get("left out", []), *self.remarks(rows, faces)]
        answer = "\n".join(said)
        more: dict[str, Table] = {}
        for table in (table for part in parts for table in part.findings.tables):
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
        left_out = manifest.get("left out", [])
        return {
            "faces": f"{len(faces)} of {faces.name}"
            + (f" ({self.data_spec.source})" if self.data_spec.source else "")
            + f", {self.split} split",
            "units": units_of(face_table(faces)),
            **({"left out": " ".join(left_out)} if left_out else {}),
            "models": ", ".join(manifest["networks"]),
            "explained": f"the {self.targets} emotion's logit (deletion, ROAD and their like score "
            "its probability)",
            "fer-xai": f"{manifest['versions']['fer-xai']}, commit {store.made_by(manifest)}",
        }

    def _method(self, specs: Mapping[str, MetricSpec]) -> list[str]:
        from_maps = [name for name in CHANCE if name not in MODEL_FREE]
        return [
            *self.how_it_was_done,
            f"Chance controls, all at Grad-CAM's resolution: {_in_words(MODEL_FREE)} do not use "
            f"the model; {_in_words(from_maps)} are made from its own Grad-CAM maps (the face's "
            "cells in random order, the map of a face for which another emotion is explained, the "
            "mean over faces), so they depend on the model but not on where it looks in this face. "
            "Metrics that explain again (randomisation, robustness, occlusion) are compared with "
            "the first group alone, because only these controls can be made again.",
            "On a faithfulness metric, a method is informative only where it beats the controls; "
            f"claims are gains over the {FLOOR} control, paired by face.",
            "Ties are broken by seed. Curves are integrated over exact pixel counts and the "
            "removed fractions. Each distinct image is scored once.",
            *(f"{name}: {spec.reference}." for name, spec in specs.items()),
        ]


def _in_words(names: Iterable[str]) -> str:
    *most, last = (name.replace("_", " ") for name in names)
    return f"{', '.join(most)} and {last}"
