"""What studies of metrics over methods and models have in common."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
import tyro
from rich.progress import Progress

from fer_xai.checks import check_count, check_number
from fer_xai.command import check_folder, terminal
from fer_xai.data import load_dataset
from fer_xai.data.splits import face_groups
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.names import slug
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.digests import faces_digests, model_digest
from studies.engine.networks import Network, networks
from studies.engine.progress import progress_bar
from studies.engine.settings import settings
from studies.reporting.page import Table, write_page
from studies.scoreboard.report import common_caveats, content
from studies.scoreboard.scores import CHANCE, FLOOR, REMADE, Scoreboard
from studies.scoreboard.tables import held

CHUNK = 16
"""Faces whose rows are written together: what a run that is stopped loses at most."""
SIZE = 64
"""Side at which landmarks and fingerprints are taken, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Beyond:
    """What a study finds out about a model beyond scores a face.

    Attributes
    ----------
    said
        A sentence; it is the answer, in place of what the scores say.
    tables
        Of the page, before the others.
    gate
        The randomisation gate's verdict, by method.
    """

    said: str = ""
    tables: Sequence[Table] = ()
    gate: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Of one network."""

    rows: pd.DataFrame
    beyond: Beyond


@dataclass(frozen=True, kw_only=True)
class ScoredStudy:
    """Metrics of attributions and chance controls, for several models, with paired statistics."""

    name: ClassVar[str]
    question: ClassVar[str]
    primary: ClassVar[str]
    told: ClassVar[tuple[str, ...]] = ()
    """How it was done, beyond what is common to all."""
    caveats: ClassVar[tuple[str, ...]] = ()

    models: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME[=WEIGHTS] …")] = ("gimefive",)
    """Trained models: names, each with a checkpoint's path unless its weights are shipped."""
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
    data: str = "synthetic"
    """Dataset, as NAME or NAME:ROOT."""
    split: str = "test"
    """train, valid or test."""
    source: str | None = None
    """Of a benchmark, only the faces of this source dataset."""
    landmarks: Path | None = None
    """CSV[.gz] of 68 points a face; built-in faces bring their own."""
    landmarks_size: int | None = None
    """Side of the images the landmarks were measured on, if it is not that of the faces."""
    limit: int = 128
    """At most this many faces with landmarks, with the emotions' shares kept."""
    targets: Literal["predicted", "true"] = "predicted"
    """Which emotion of a face is explained."""
    seed: int = 0
    """Of the sample of faces, of controls, ties, fills and random methods."""
    skip_bad: bool = False
    """Leave damaged or missing images out, instead of stopping."""
    batch_size: int | None = None
    """Images a pass; by default found by a short measurement, and kept when a run is continued."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the forward pass."""
    out: Path = Path("results")
    """Results go to OUT/<study>/<run>."""
    progress: bool = True
    """Show progress bars."""

    def config(self) -> dict[str, Any]:
        """The settings that results depend on; files are told apart by content."""
        return settings(self)

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together or data that cannot be used.
        """
        self._check()
        board = Scoreboard(
            methods=self.methods,
            metrics=self.metrics,
            targets=self.targets,
            seed=self.seed,
            chunk=CHUNK,
        )
        specs = {spec.name: spec for spec in board.specs}
        faces = self._faces()
        default = "synthetic" if self.data.startswith("synthetic") else self.source or faces.name
        chosen = networks(self.models, default_weights=default, untrained=0, seed=self.seed)
        models = {network.name: network.load(faces) for network in chosen}
        inputs = {
            **faces_digests(faces, [model.size for model in models.values()]),
            "models": {name: model_digest(model) for name, model in models.items()},
        }
        config = self.config()
        run_id = store.run_id(faces.name, self.source, self.split, store.digest([config, inputs]))
        folder = self.out / self.name / run_id
        manifest = store.open_run(folder, config, inputs)
        started = time.perf_counter()
        with store.nothing_left(folder), progress_bar(shown=self.progress) as bar:
            bar.add_task("faces", total=len(faces) * len(chosen))
            parts_of = [
                self._scored(network, faces, board, folder=folder, manifest=manifest, bar=bar)
                for network in chosen
            ]
        rows = pd.concat([part.rows for part in parts_of], ignore_index=True)
        store.write_table(folder / "scores.parquet", rows)
        people = faces.table[["id", "emotion", "split", "subject", "source"]]
        people = people.assign(cluster=face_groups(faces))
        store.write_table(folder / "faces.parquet", people)
        manifest["seconds"] = round(manifest.get("seconds", 0) + time.perf_counter() - started, 1)
        manifest["status"] = "complete"
        declared = self.primary in specs
        primary = self.primary if declared else min(specs, key=lambda name: not held(specs[name]))
        made = content(
            rows,
            people.set_index("id")["cluster"],
            specs,
            methods=self.methods,
            primary=primary,
            refused={name: facts["refused"] for name, facts in manifest["networks"].items()},
            fills_shared=board.fills_shared,
            gates={
                n.name: p.beyond.gate
                for n, p in zip(chosen, parts_of, strict=True)
                if p.beyond.gate
            },
        )
        said = [part.beyond.said for part in parts_of if part.beyond.said]
        if not said:
            said = [made.answer]
            if not declared:
                said += [f"{primary} is not the declared endpoint: {self.primary} was not scored."]
        answer = "\n".join(said)
        more: dict[str, Table] = {}
        for table in (table for part in parts_of for table in part.beyond.tables):
            before = [more[table.name].frame] if table.name in more else []
            frame = pd.concat([*before, table.frame], ignore_index=True)
            more[table.name] = dataclasses.replace(table, frame=frame)
        write_page(
            folder,
            question=self.question,
            answer=answer,
            facts=self._facts(faces, manifest),
            tables=[*more.values(), *made.tables],
            pictures=made.pictures,
            method=self._method(specs),
            caveats=[*self.caveats, *common_caveats(specs.values())],
            manifest=manifest,
        )
        store.write_json(folder / "manifest.json", manifest)
        console = terminal()
        console.print(answer, style="bold")
        console.print(f"Report: {folder / 'report.html'}")
        return folder

    def _scored(
        self,
        network: Network,
        faces: Faces,
        board: Scoreboard,
        *,
        folder: Path,
        manifest: dict[str, Any],
        bar: Progress,
    ) -> _Part:
        """Rows of one network, and what the study finds out beyond them."""
        known = manifest["networks"].get(network.name, {})
        predictor = Predictor(
            network.load(faces),
            device=self.device,
            precision=self.precision,
            batch_size=self.batch_size or known.get("batch_size"),
        )
        own = dataclasses.replace(board, refused=dict(known.get("refused", {})))
        facts = {
            "weights": Path(str(network.weights)).name,
            "refused": own.refused,
            **predictor.settings(),
        }
        manifest["networks"][network.name] = facts
        store.write_json(folder / "manifest.json", manifest)

        def advance(n: int) -> None:
            bar.advance(bar.task_ids[0], n)
            store.write_json(folder / "manifest.json", manifest)  # with what was refused meanwhile

        rows = own.scores(
            predictor, faces, shards=folder / "shards" / slug(network.name), progress=advance
        )
        beyond = self.beyond(
            predictor, faces, model=network.name, board=own, folder=folder, bar=bar
        )
        return _Part(rows=rows.assign(model=network.name), beyond=beyond)

    def beyond(
        self,
        predictor: Predictor,
        faces: Faces,
        *,
        model: str,
        board: Scoreboard,
        folder: Path,
        bar: Progress,
    ) -> Beyond:
        """What a study finds out about a model beyond scores a face."""
        del predictor, faces, model, board, folder, bar
        return Beyond()

    def _check(self) -> None:
        """Options that can be judged before anything is read or computed."""
        if self.batch_size is not None:
            check_count("--batch-size", self.batch_size)
        check_number("--seed", self.seed, 0, ends=True)
        check_folder(self.out / self.name)

    def _faces(self) -> Faces:
        faces = load_dataset(
            self.data,
            split=self.split,
            source=self.source,
            landmarks=self.landmarks,
            landmarks_size=self.landmarks_size,
            emotions=SIX,
            skip_bad=self.skip_bad,
        )
        if faces.landmarks is None:
            return faces.limit(self.limit, seed=self.seed)
        known = np.isfinite(faces.landmarks_at(SIZE)).all(axis=(1, 2))
        if not known.any():
            raise InputError(
                f"Expected faces with landmarks, got none of {len(faces)}: check --landmarks."
            )
        return faces.subset(np.flatnonzero(known)).limit(self.limit, seed=self.seed)

    def _facts(self, faces: Faces, manifest: dict[str, Any]) -> dict[str, str]:
        return {
            "faces": f"{len(faces)} of {faces.name}"
            + (f" ({self.source})" if self.source else "")
            + f", {self.split} split",
            "models": ", ".join(manifest["networks"]),
            "explained": f"the {self.targets} emotion's logit (deletion, ROAD and their like score "
            "its probability)",
            "fer-xai": f"{manifest['versions']['fer-xai']}, commit {store.made_by(manifest)}",
        }

    def _method(self, specs: dict[str, Any]) -> list[str]:
        return [
            *self.told,
            f"Chance controls, all at Grad-CAM's resolution: {_spoken(REMADE)} know nothing of the "
            f"model; {_spoken(name for name in CHANCE if name not in REMADE)} are made of its own "
            "Grad-CAM maps (the face's cells in another order, the map of a face that another "
            "emotion is explained of, the mean over faces), and so know the model but not where it "
            "looks in this face. Metrics that must explain again (of randomisation and robustness) "
            "have only the former, which can be made again.",
            "By a metric of faithfulness a method says something only where it beats them; claims "
            f"are gains over the {FLOOR} control, paired by face.",
            "Ties are broken by seed, curves run over exact counts of pixels and the fractions "
            "that were taken, each distinct image is scored once.",
            *(f"{name}: {spec.reference}." for name, spec in specs.items()),
        ]


def _spoken(names: Iterable[str]) -> str:
    *most, last = (name.replace("_", " ") for name in names)
    return f"{', '.join(most)} and {last}"
