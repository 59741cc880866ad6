"""Are Grad-CAM maps consistent across faces of one emotion?"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from rich.console import Console

from fer_xai.attributions import ATTRIBUTIONS, native_maps
from fer_xai.checks import resolve_device
from fer_xai.data import load_dataset
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.probe import Probe
from fer_xai.types import Faces
from studies import store
from studies.consistency_job import MATCHED_TO, Job, Run, move_names
from studies.consistency_report import write_report
from studies.consistency_scores import SIZE
from studies.networks import Network, networks
from studies.progress import progress_bar
from studies.registry import STUDIES


@STUDIES.register("gradcam_consistency")
@dataclass(frozen=True, kw_only=True)
class GradcamConsistency:
    """Are Grad-CAM maps consistent across faces of one emotion?

    Primary endpoint, declared before looking: the AUC with which the similarity (Pearson) of two
    registered maps tells pairs of faces with one emotion from pairs with two, all maps explaining
    the same target, averaged over targets with emotions weighing equally, in excess of untrained
    networks of the same architecture.
    """

    models: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME[=WEIGHTS] …")] = (
        "gimefive",
        "resnet18",
    )
    """Trained models: names, each with a checkpoint's path unless its weights are shipped."""
    methods: tuple[str, ...] = ("gradcam", "gradcam_paper")
    """Attributions; Grad-CAM itself is always among them, since controls imitate it."""
    data: str = "synthetic"
    """Dataset, as NAME or NAME:ROOT."""
    split: str = "test"
    """train, valid or test."""
    source: str | None = None
    """Of a benchmark, only the faces of this source dataset."""
    landmarks: Path | None = None
    """CSV[.gz] of 68 points a face; built-in faces bring their own."""
    registration: Literal["similarity", "affine", "none"] = "similarity"
    """How maps are brought to the canonical face."""
    limit: int | None = None
    """At most this many faces, with the emotions' shares kept."""
    untrained: int = 5
    """Untrained networks an architecture."""
    moved: int = 128
    """Faces on which self-consistency is measured (a seeded sample)."""
    seed: int = 0
    """Of samples, controls, permutations and untrained networks."""
    skip_bad: bool = False
    """Leave damaged or missing images out and list them, instead of stopping."""
    batch_size: int | None = None
    """Images a pass; found by a short measurement if not given."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the forward pass."""
    out: Path = Path("results")
    """Results go to OUT/gradcam_consistency/<run>."""
    dry_run: bool = False
    """Only say what would run, in how many passes and how long."""
    progress: bool = True
    """Show progress bars."""

    def config(self) -> dict[str, Any]:
        """The settings that results depend on."""
        ignored = {"out", "dry_run", "progress", "device", "batch_size"}
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ignored
        }

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together or data that cannot be used.
        """
        self._check()
        faces = self._faces()
        floor = _calibration_faces(self, faces)
        default = "synthetic" if self.data.startswith("synthetic") else self.source or faces.name
        chosen = networks(self.models, default_weights=default, untrained=self.untrained)
        for network in chosen:
            if network.trained:  # a checkpoint that does not fit is told of before anything is made
                network.load(floor)
        if self.dry_run:
            self._say_plan(faces, floor, chosen)
            return Path()
        config = self.config()
        folder = self.out / "gradcam_consistency" / self._run_id(faces, config)
        manifest = store.open_run(folder, config, faces.fingerprint(SIZE))
        manifest["skipped"] = list(faces.skipped)
        started = time.perf_counter()
        with progress_bar(shown=self.progress) as bar:
            job = Job(
                self,
                run=Run(
                    faces=faces, floor=floor, networks=chosen, folder=folder, manifest=manifest
                ),
                bar=bar,
            )
            job.make_maps()
            rows, sets = job.score()
        seconds = time.perf_counter() - started
        write_report(folder, manifest, rows, sets)
        manifest["seconds"] = round(manifest.get("seconds", 0) + seconds, 1)
        manifest["status"] = "complete"
        store.write_json(folder / "manifest.json", manifest)
        return folder

    def _check(self) -> None:
        resolve_device(self.device)
        for method in self.methods:
            ATTRIBUTIONS[method]
        if self.untrained < 2:
            raise InputError(
                f"Expected at least 2 untrained networks (5 or more are advised), got "
                f"{self.untrained}: the primary endpoint is an excess over them."
            )
        if self.moved < 0:
            raise InputError(f"Expected a number of moved faces of at least 0, got {self.moved}.")

    def _faces(self) -> Faces:
        faces = load_dataset(
            self.data, split=self.split, source=self.source, landmarks=self.landmarks,
            emotions=SIX, skip_bad=self.skip_bad, limit=self.limit, seed=self.seed,
        )  # fmt: skip
        if len(faces.emotions) < 2:
            raise InputError(
                f"Expected faces of at least two emotions, got {', '.join(faces.emotions)}."
            )
        if faces.landmarks is None and self.registration != "none":
            raise InputError(
                f"Expected landmarks for {faces.name}: pass --landmarks FILE.csv, or compare "
                "unregistered maps with --registration none."
            )
        return faces

    def _run_id(self, faces: Faces, config: dict[str, Any]) -> str:
        parts = [faces.name, self.source, self.split]
        return "-".join([part for part in parts if part] + [store.digest(config)])

    def _say_plan(self, faces: Faces, floor: Faces, chosen: list[Network]) -> None:
        total = 0.0
        console = Console()
        console.print(f"{len(faces)} faces of {faces.name}: {', '.join(faces.emotions)}")
        rates: dict[str, float] = {}
        for network in chosen:
            if network.architecture not in rates:
                probe = Probe(network.load(floor.limit(64)), device=self.device,
                              precision=self.precision, batch_size=self.batch_size)  # fmt: skip
                images = faces.pixels(probe.model.size)[:64]
                columns = torch.arange(len(probe.emotions)).expand(len(images), -1)
                native_maps(probe, images, columns, method=MATCHED_TO)
                begun = time.perf_counter()
                native_maps(probe, images, columns, method=MATCHED_TO)
                rates[network.architecture] = (time.perf_counter() - begun) / len(images)
            passes = self._passes(network, len(faces))
            seconds = passes * rates[network.architecture]
            total += seconds
            console.print(f"  {network.name}: {passes} passes, about {seconds:.0f} s")
        scoring = 0.02 * len(faces) * len(chosen) * len(faces) / 1000
        console.print(f"Maps about {total:.0f} s, scores about {scoring:.0f} s. Nothing was run.")

    def _passes(self, network: Network, n: int) -> int:
        methods = len(self.methods_of(network))
        moves = len(move_names()) if network.trained or network.seed == 0 else 0
        return n * methods + min(self.moved, n) * moves

    def methods_of(self, network: Network) -> list[str]:
        """Untrained networks get Grad-CAM alone, trained ones every method."""
        if not network.trained:
            return [MATCHED_TO]
        return list(dict.fromkeys([MATCHED_TO, *self.methods]))


def _calibration_faces(study: GradcamConsistency, faces: Faces) -> Faces:
    """Training faces of the same data, for the untrained networks' BatchNorm statistics."""
    try:
        return load_dataset(
            study.data, split="train", source=study.source, emotions=SIX, limit=512, seed=study.seed
        )
    except InputError:
        return faces.limit(512, seed=study.seed)  # a dataset without a training split
