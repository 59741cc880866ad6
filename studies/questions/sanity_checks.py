"""Do attributions depend on what the model has learned, and are they stable?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pandas as pd
import torch
import tyro

from fer_xai.checks import check_number
from fer_xai.data.splits import face_groups
from fer_xai.errors import InputError
from fer_xai.models import FERModel
from fer_xai.models.checkpoints import file_digest
from fer_xai.names import slug
from metrics.randomisation.data_randomisation import model_contrast
from metrics.randomisation.gate import GRID, MARGIN, MIN_NETWORKS, on_grid
from metrics.randomisation.moved_maps import moved_copies
from metrics.statistics.intervals import mean_interval
from studies.engine.endpoints import PERSON, Endpoint
from studies.engine.explained import Explained
from studies.engine.specs import ModelSpec
from studies.engine.study import Run
from studies.registry import STUDIES
from studies.reporting.page import Table
from studies.scoreboard.gate import gate, gate_sentence, gate_table, methods_of_gate
from studies.scoreboard.report import unit_of
from studies.scoreboard.scores import Scoreboard
from studies.scoreboard.study import Findings, ScoredStudy

MOVES = 20
"""Moved copies of a map, for chance."""


@STUDIES.register("sanity_checks")
@dataclass(frozen=True, kw_only=True)
class SanityChecks(ScoredStudy):
    """Do attributions depend on what the model has learned, and are they stable?

    The randomisation gate holds each face's map against the maps that wholly random networks give
    of it, on one grid for all methods: see :attr:`endpoint`. Only a method that passes gets a rank.
    """

    name: ClassVar[str] = "sanity_checks"
    explains_again: ClassVar[bool] = True
    primary: ClassVar[str] = "mprt_last"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="mean Spearman correlation of a face's map with the maps that wholly random "
        f"networks give of it, all averaged over the same {GRID}×{GRID} cells",
        unit=f"{PERSON}; and a random network",
        family="each method of each model by itself",
        interval="95 %, for new faces and new random networks",
        holds="a method passes where the interval lies below the margin (--gate-margin), is "
        "stopped where it lies above, and is undecided between",
        sensitivity="the same with random networks' maps of other faces",
    )
    how_it_was_done: ClassVar[tuple[str, ...]] = (
        "Random networks have every parameter drawn anew, and BatchNorm statistics taken from the "
        "faces. All maps are compared on one grid, so that no method passes or is stopped for its "
        "resolution. Maps of which half of the variance ignores the network have a likeness of "
        "about .5.",
    )
    caveats: ClassVar[tuple[str, ...]] = (
        "The gate is no score: noise that is drawn anew for each network passes it, and so does a "
        "method that depends on the weights and on nothing else that matters. The random controls "
        "are drawn by the face's name, are the same for every network, and are stopped. Nor is "
        "passing proof of independence: the likeness that is left stands in the table. What is "
        "alike only in details smaller than a cell is not seen.",
    )

    metrics: tuple[str, ...] = (
        "mprt",
        "mprt_last",
        "emprt",
        "random_logit",
        "sensitivity_max",
        "sensitivity_mean",
        "gini",
        "entropy",
        "effective_complexity",
        "total_variation",
    )
    """Names of metrics."""
    limit: int = 24
    """At most this many faces with landmarks, with the emotions' shares kept."""
    networks: int = 10
    """Number of wholly random networks that the gate compares with."""
    gate_margin: float = MARGIN
    """Largest likeness with random networks that passes the gate."""
    random_labels: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=WEIGHTS …")] = ()
    """Models trained on permuted labels (training.run --permute-labels), whose maps are held
    against those of the trained ones."""

    def findings(
        self, explained: Explained, *, model: str, board: Scoreboard, run: Run
    ) -> Findings:
        """The gate, a method at a time; controls whose verdict is known stand beside them."""
        task = run.bar.add_task(f"{model}: gate", total=len(methods_of_gate(board)))
        frame = gate(
            explained,
            board,
            networks=self.networks,
            margin=self.gate_margin,
            shards=run.folder / "shards" / slug(model),
            progress=lambda: run.bar.advance(task),
        ).assign(model=model)
        return Findings(
            said=gate_sentence(model, frame),
            tables=[
                gate_table(
                    frame,
                    unit=unit_of(face_groups(explained.faces).tolist()),
                    networks=self.networks,
                    margin=self.gate_margin,
                ),
                *self._data_randomisation(explained, model=model, board=board),
            ],
            gate=dict(zip(frame["method"], frame["gate"], strict=True)),
        )

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        if self.networks < MIN_NETWORKS:
            raise InputError(
                f"Expected --networks of at least {MIN_NETWORKS}, got {self.networks}: fewer say "
                "little about chance."
            )
        check_number("--gate-margin", self.gate_margin, 0, 1)
        for name, path in self._random_label_weights().items():
            self._with_weights(name, path)

    def _with_weights(self, name: str, path: str) -> FERModel:
        """A model of the study with other weights."""
        told = next((one.convention for one in self.model_specs if one.name == name), None)
        return ModelSpec(name, path, told).load()

    def config(self) -> dict[str, Any]:
        """Options that identify a run, for its manifest and digest."""
        digests = [
            f"{name}={file_digest(Path(path))}"
            for name, path in self._random_label_weights().items()
        ]
        return super().config() | {"random_labels": digests}

    def _random_label_weights(self) -> dict[str, str]:
        """Weights of networks trained on permuted labels, by model."""
        found: dict[str, str] = {}
        models = [spec.name for spec in self.model_specs]
        for text in self.random_labels:
            spec = ModelSpec.parse(text)
            if spec.weights is None or not Path(spec.weights).is_file():
                raise InputError(
                    f"Expected --random-labels NAME=WEIGHTS, with a file of weights, got {text!r}."
                )
            if spec.name not in models or spec.name in found:
                raise InputError(
                    f"Expected --random-labels once of each of {', '.join(models)} at most, got "
                    f"{text!r}: name a model of --models, trained on permuted labels."
                )
            found[spec.name] = spec.weights
        return found

    def _data_randomisation(
        self, explained: Explained, *, model: str, board: Scoreboard
    ) -> list[Table]:
        """Likeness of each method's maps with those of a network trained on permuted labels."""
        path = self._random_label_weights().get(model)
        if path is None:
            return []
        faces, predictor = explained.faces, explained.predictor
        other = self.predictor(self._with_weights(model, path), batch_size=predictor.batch_size)
        both = (explained, explained.seen_by(other))
        clusters = face_groups(faces).tolist()
        names = [(self.seed, face, "moved") for face in faces.ids]
        rows = []
        for name in (m for m in self.methods if m not in board.refused):
            one, two = (on_grid(network.maps(name, chunk=board.chunk)) for network in both)
            alike = model_contrast(one, two)
            found = mean_interval(alike, clusters=clusters, bounds=(-1, 1))
            chance = torch.stack(
                [model_contrast(one, moved) for moved in moved_copies(two, names, draws=MOVES)]
            )
            rows.append(
                {
                    "model": model,
                    "method": name,
                    "similarity": found.estimate,
                    "similarity low": found.low,
                    "similarity high": found.high,
                    "moved": float(chance.nanmean()),
                    "undefined": float(alike.isnan().float().mean()),
                }
            )
        return [
            Table(
                name="data_randomisation",
                frame=pd.DataFrame(rows).sort_values("similarity"),
                caption="Mean Spearman of each face's map with that of a network of the same "
                "architecture trained on permuted labels, both averaged over the gate's "
                f"{GRID}×{GRID} cells; lower is better. Moved: the mean with "
                f"{MOVES} copies of that network's map, moved and mirrored: what the method's "
                "smoothness has by chance. Undefined: share of faces without a similarity, since a "
                "map is blank or undefined. 95 % intervals. Unit: "
                f"{unit_of(clusters)}.",
            )
        ]
