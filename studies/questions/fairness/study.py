"""Are faces of some groups recognised, or explained, worse than those of others?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
import tyro

from fer_xai.attributions import ATTRIBUTIONS
from fer_xai.data.joined import joined_faces
from fer_xai.errors import InputError
from fer_xai.models import FERModel
from fer_xai.names import slug
from fer_xai.types import Faces
from metrics import METRICS
from studies.engine.classes import known_to_all, note
from studies.engine.description import sha256
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.engine.domains import check_unseen, training_of
from studies.engine.endpoints import PERSON, TOLD_FROM_ZERO, Endpoint
from studies.engine.explained import Explained
from studies.engine.model_options import Models
from studies.engine.networks import Network
from studies.engine.options import Data, Passes, Progress, Seed
from studies.engine.scope import Limit, Methods, Metrics
from studies.engine.shards import BATCH, batch_sizes, last_batch_size, with_earlier
from studies.engine.study import Run, Study, face_table
from studies.engine.trained import DEFAULTS
from studies.engine.units import units_of
from studies.questions.fairness.gaps import Gaps
from studies.questions.fairness.groups import LEAST_FACES, LEAST_PERSONS, Groups, groups_of
from studies.questions.fairness.recall import recall_table
from studies.questions.fairness.report import Part, write_report
from studies.questions.fairness.rows import NetworkRows, check_metrics
from studies.registry import STUDIES

METRIC_NAMES = ("road", "average_drop")
"""Metrics of explanations by default."""
SPLITS = ("train", "valid", "test")


@STUDIES.register("fairness")
@dataclass(frozen=True, kw_only=True)
class Fairness(Study, Progress, Passes, Seed, Methods, Metrics, Limit, Data, Models):
    """Are faces of some groups recognised, or explained, worse than those of others?

    Faces are grouped by attributes that a data set ships (``--groups race gender age`` of RAF-DB),
    by set (``source``), by what is drawn of built-in faces (``style``, ``skin``, ``glasses``,
    ``beard``, ``grown``), or by a column of a list of one's own (``csv:FILE#keep=COLUMN``). Each
    group is compared with all other faces: see :attr:`endpoint`. Explanations of the named emotion
    are scored over a chance control. Groups that are too small are named, and not compared.

    Examples
    --------
    >>> Fairness(groups=("skin",)).config()["groups"]
    ['skin']
    """

    name: ClassVar[str] = "fairness"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="share of faces recognised in a group less that in all other faces, each the mean "
        "of the recalls of the emotions that both have, at equal weights",
        unit=PERSON,
        family=f"all groups of one model with {LEAST_FACES} faces of {LEAST_PERSONS} persons or "
        "more",
        interval="simultaneous 95 % (Bonferroni) by Newcombe's hybrid of stratified Wilson "
        "intervals, over the effective number of faces; p by permuting groups among persons "
        "within emotions, max-T",
        holds=TOLD_FROM_ZERO,
        sensitivity="shares of all faces, the sample's prior of emotions, recall and false alarms "
        "by emotion, quality of explanations over chance",
    )

    groups: tuple[str, ...] = ("style",)
    """Attributes by which faces are grouped."""
    also: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[SPLIT=]NAME[:ROOT][@SOURCE] …")] = ()
    """Further data sets whose faces are joined, each limited by itself; of another split where it
    is named, as in train=gimefive:ROOT@tfeid."""

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        for what, names in (
            ("method", self.methods_used),
            ("metric", self.metrics_used),
            ("group", self.groups),
        ):
            twice = [name for name in names if list(names).count(name) > 1]
            if twice or not names:
                raise InputError(
                    f"Expected one {what} or more, each once, got {', '.join(names) or 'none'}."
                )
        for name in self.methods_used:
            ATTRIBUTIONS[name]
        check_metrics(self.metrics_used)
        for one in self._sets:
            _ = one.data_spec

    def config(self) -> dict[str, Any]:
        """Options that identify a run, for its manifest and digest."""
        sets = [
            " ".join(filter(None, (one.data_spec.identity, one.data_spec.source, one.split)))
            for one in self._sets[1:]
        ]
        return super().config() | {
            "also": sets,
            "groups": list(self.groups),
            "methods": list(self.methods_used),
            "metrics": list(self.metrics_used),
        }

    @property
    def methods_used(self) -> tuple[str, ...]:
        """The attributions: those that are named, or Grad-CAM alone."""
        return self.methods or ("gradcam",)

    @property
    def metrics_used(self) -> tuple[str, ...]:
        """The metrics of explanations: those that are named, or ROAD and the average drop."""
        return self.metrics or METRIC_NAMES

    @property
    def _sets(self) -> list[Fairness]:
        """The study of each data set alone."""
        found = [dataclasses.replace(self, also=())]
        for text in self.also:
            split, _, data = text.partition("=")
            if split not in SPLITS:
                split, data = self.split, text
            found.append(dataclasses.replace(self, data=data, split=split, source=None, also=()))
        return found

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together, data that cannot be used, or groups of which none
            can be compared.
        """
        self.check()
        taken = known_to_all(self.asked_emotions, self.networks_for(self.data_spec))
        faces = joined_faces(
            [one.load_faces(emotions=taken, limit=self.limit, seed=self.seed) for one in self._sets]
        )
        counted = face_table(faces)
        persons = counted["cluster"].tolist()
        groups = groups_of(faces, self.groups, persons=persons)
        self._check_landmarks(faces)
        unseen = self._unseen()
        models = {network: network.load(faces) for network in self.networks_for(self.data_spec)}
        inputs = {
            **faces_digests(faces, [model.size for model in models.values()]),
            "groups": sha256("\n".join(groups.labels.flatten()).encode()),
            "methods": code_digest(ATTRIBUTIONS[name] for name in self.methods_used),
            "metrics": code_digest(METRICS[name] for name in self.metrics_used),
            "models": {network.name: model_digest(model) for network, model in models.items()},
        }
        with self.opened(inputs, faces.name, self.data_spec.source, self.split) as run:
            note(run.manifest, faces, classes=self.classes, taken=taken)
            run.bar.add_task("faces × models", total=len(faces) * len(models))
            rows = {
                network.name: self._network(run, network, model, faces, persons)
                for network, model in models.items()
            }
            parts = [
                self._judged(
                    name,
                    found,
                    faces,
                    groups,
                    persons=persons,
                    refused=run.manifest["networks"][name]["refused"],
                )
                for name, found in rows.items()
            ]
        for place, kind in enumerate(("answers", "qualities")):
            kept = [found[place].assign(model=name) for name, found in rows.items()]
            run.keep(kind, pd.concat(kept, ignore_index=True))
        run.keep("faces", counted.assign(**dict(zip(self.groups, groups.labels.T, strict=True))))
        answer = write_report(run, parts, groups, counted, caveats=unseen)
        return run.complete(answer, units=units_of(counted))

    def _network(
        self, run: Run, network: Network, model: FERModel, faces: Faces, persons: Sequence[object]
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """What a network names, and the qualities of its explanations."""
        recorded = run.manifest["networks"].get(network.name, {}).get(BATCH)
        predictor = self.predictor(model, batch_size=last_batch_size(recorded))
        explained = Explained(predictor, faces, seed=self.seed, keep=True)
        shards = run.folder / "shards" / slug(network.name)
        made = NetworkRows(
            explained, self.methods_used, self.metrics_used, persons=persons, shards=shards
        )
        described = run.manifest["networks"][network.name] = {
            "weights": Path(str(network.weights)).name,
            "refused": made.board.refused,
            **predictor.settings(),
            BATCH: with_earlier(recorded, predictor.batch_size),
        }
        run.record()
        answers = made.answers()
        scores = made.qualities(lambda n: run.bar.advance(run.bar.task_ids[0], n))
        described[BATCH] = batch_sizes(shards / "scores") or described[BATCH]
        return answers, scores

    def _judged(
        self,
        model: str,
        rows: tuple[pd.DataFrame, pd.DataFrame],
        faces: Faces,
        groups: Groups,
        *,
        persons: Sequence[object],
        refused: dict[str, str],
    ) -> Part:
        """Tables of one network."""
        answers, scores = rows
        right = answers["right"].to_numpy(dtype=bool)
        gaps = Gaps(groups, faces.labels.numpy(), persons, seed=self.seed)
        recognition = gaps.recognition(right, answers["confidence"].to_numpy())
        named = np.unique(answers["named"], return_inverse=True)[1]
        wide = scores.pivot_table(
            index="id", columns=["method", "quality"], values="value", sort=False, dropna=False
        ).loc[faces.ids]
        return Part(
            model=model,
            recognition=recognition,
            worst=gaps.worst(),
            qualities=gaps.qualities(wide, named, right),
            recall=recall_table(groups, answers, persons),
            refused=refused,
        )

    def _unseen(self) -> list[str]:
        """Refuse faces that a network was trained on; sentences where they may have been."""
        found = []
        for network in self.networks_for(self.data_spec):
            weights = str(network.weights)
            training = training_of(network.architecture, weights, records=DEFAULTS.records)
            for one in self._sets:
                found.append(check_unseen(network.name, training, one.data_spec, one.split))
        return [said for said in dict.fromkeys(found) if said]

    def _check_landmarks(self, faces: Faces) -> None:
        asking = [name for name in self.methods_used if ATTRIBUTIONS[name].asks_for_regions]
        if asking and faces.landmarks is None:
            raise InputError(
                f"Expected landmarks for {faces.name}, which the regions of {', '.join(asking)} "
                "are made of: pass --landmarks FILE.csv, or leave these methods out."
            )
