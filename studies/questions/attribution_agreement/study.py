"""Which attributions agree with each other, with exact region Shapley, and with themselves?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor

from fer_xai import explain
from fer_xai.attributions import ATTRIBUTIONS, CONTROLS
from fer_xai.attributions.api import counting_maps
from fer_xai.attributions.shapley import RegionShapley
from fer_xai.checks import check_number, resolve_device
from fer_xai.command import check_folder
from fer_xai.data import load_dataset
from fer_xai.data.splits import face_groups
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import REGIONS, face_regions
from fer_xai.names import slug
from fer_xai.perturb.fills import FILLS
from fer_xai.types import Faces
from metrics.agreement import pixel_agreement
from metrics.core.similarity import region_agreement, region_sums
from studies.engine import store
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.engine.networks import Network, networks
from studies.engine.progress import progress_bar
from studies.engine.settings import settings
from studies.questions.attribution_agreement.report import write_report
from studies.registry import STUDIES

SHAPLEY = "region_shapley"
SIZE = 64
"""Side of the maps that are compared, in pixels."""


@STUDIES.register("attribution_agreement")
@dataclass(frozen=True, kw_only=True)
class AttributionAgreement:
    """Which attributions agree with each other, with exact region Shapley, and with themselves?

    Declared before looking: the Spearman correlation, over facial regions of one face, of what a
    map gives each region with the region's exact Shapley value, averaged over fills that the method
    does not start from itself; in excess of that of the best map that knows nothing of the model
    (noise with and without a sign, uniform, centre, edges), paired by face and fill. Every map
    explains the face's predicted emotion. The correlation between Shapley values of two fills is
    the ceiling that it can be judged against.
    """

    models: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME[=WEIGHTS] …")] = ("gimefive",)
    """Trained models: names, each with a checkpoint's path unless its weights are shipped."""
    methods: tuple[str, ...] = ()
    """Attributions; by default all that a model can be explained by."""
    fills: tuple[str, ...] = ("black", "mean", "blur")
    """What stands in place of a region that is left out of a coalition."""
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
    limit: int = 48
    """At most this many faces with landmarks, with the emotions' shares kept."""
    seed: int = 0
    """Of the sample of faces, of controls and of random methods, which run once more with seed + 1
    to be compared with themselves."""
    skip_bad: bool = False
    """Leave damaged or missing images out, instead of stopping."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    out: Path = Path("results")
    """Results go to OUT/attribution_agreement/<run>."""
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
            For options that do not fit together, data that cannot be used, or a model that every
            method refuses.
        """
        self._check()
        faces = self._faces()
        default = "synthetic" if self.data.startswith("synthetic") else self.source or faces.name
        chosen = networks(self.models, default_weights=default, untrained=0, seed=self.seed)
        config = self.config()
        models = {network.name: network.load(faces) for network in chosen}
        inputs = {
            **faces_digests(faces, [model.size for model in models.values()]),
            "methods": code_digest(ATTRIBUTIONS[name] for name in self.methods or ATTRIBUTIONS),
            "models": {name: model_digest(model) for name, model in models.items()},
        }
        run_id = store.run_id(faces.name, self.source, self.split, store.digest([config, inputs]))
        folder = self.out / "attribution_agreement" / run_id
        manifest = store.open_run(folder, config, inputs)
        started = time.perf_counter()
        with store.nothing_left(folder), progress_bar(shown=self.progress) as bar:
            jobs = [
                _Job(self, network, faces, folder=folder, manifest=manifest, bar=bar)
                for network in chosen
            ]
            for job in jobs:
                job.explain()
            tables = [job.rows() for job in jobs]
        rows = pd.concat(tables, ignore_index=True)
        store.write_table(folder / "scores.parquet", rows)
        store.write_table(
            folder / "faces.parquet",
            faces.table[["id", "emotion", "split", "subject", "source"]].assign(
                cluster=face_groups(faces)
            ),
        )
        write_report(folder, manifest, rows, pd.read_parquet(folder / "faces.parquet"))
        manifest["seconds"] = round(manifest.get("seconds", 0) + time.perf_counter() - started, 1)
        manifest["status"] = "complete"
        store.write_json(folder / "manifest.json", manifest)
        return folder

    def _check(self) -> None:
        check_number("--seed", self.seed, 0, ends=True)
        check_folder(self.out / "attribution_agreement")
        resolve_device(self.device)
        for what, names in (("method", self.methods), ("fill", self.fills)):
            for name in names:
                (ATTRIBUTIONS if what == "method" else FILLS)[name]
                if names.count(name) > 1:
                    raise InputError(f"Expected each {what} once, got {name} twice.")
        if len(self.fills) < 2:
            raise InputError(
                f"Expected two fills or more, got {', '.join(self.fills) or 'none'}: their "
                "agreement is the ceiling."
            )
        if not self.judged():
            raise InputError(
                f"Expected an attribution that can be held against {SHAPLEY}, got "
                f"{', '.join(self.methods)}: add another, or a fill that it does not start from."
            )

    def judged(self) -> list[str]:
        """Attributions that Shapley values can judge, by a fill that they do not start from."""
        return [
            name
            for name in self.methods or ATTRIBUTIONS
            if name != SHAPLEY and not set(self.fills) <= set(ATTRIBUTIONS[name].fills)
        ]

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
            raise InputError(
                f"Expected landmarks for {faces.name}, which regions are made of: pass --landmarks "
                "FILE.csv."
            )
        known = np.isfinite(faces.landmarks_at(SIZE)).all(axis=(1, 2))
        if known.sum() < 3:
            raise InputError(
                f"Expected three faces with landmarks or more, got {known.sum()} of {len(faces)}: "
                "check --landmarks."
            )
        return faces.subset(np.flatnonzero(known)).limit(self.limit, seed=self.seed)


class _Job:
    """Maps and rows of one network."""

    def __init__(
        self,
        study: AttributionAgreement,
        network: Network,
        faces: Faces,
        *,
        folder: Path,
        manifest: dict[str, Any],
        bar: Any,
    ) -> None:
        self.study, self.network, self.faces, self.folder = study, network, faces, folder
        self.manifest, self.bar = manifest, bar
        self.regions = face_regions(faces.landmarks_at(SIZE), size=SIZE)
        model = network.load(faces)
        self.predictor = Predictor(model, device=study.device, batch_size=16)
        self.images = faces.pixels(SIZE).float() / 255
        predicted = self.predictor.logits(self.images).argmax(dim=1)
        self.targets = self.predictor.model.canonical(predicted)  # (N,)
        self.described = manifest["networks"].setdefault(
            network.name,
            {"weights": Path(str(network.weights)).name, "methods": {}, "refused": {}},
        )
        right = (self.targets == faces.labels).float().mean()
        self.described["accuracy on these faces"] = round(float(right), 4)

        self.maps: dict[str, Tensor] = {}
        self.again: dict[str, Tensor] = {}
        asked = [m for m in study.methods or ATTRIBUTIONS if m != SHAPLEY]
        self.names = [*asked, *(c for c in CONTROLS if c not in asked)]
        self.task = bar.add_task(f"{network.name}: maps", total=len(self.names) + 1)

    def explain(self) -> None:
        """Maps of methods and controls.

        Raises
        ------
        InputError
            If no method is left that could be judged.
        """
        for name in self.names:
            if name in CONTROLS and not self.maps.keys() & set(self.study.judged()):
                raise InputError(
                    f"Expected an attribution of {self.network.name} that can be held against "
                    f"{SHAPLEY}, but all refuse: {next(iter(self.described['refused'].values()))}"
                )
            found = self._maps(name, self.study.seed)
            if found is not None:
                self.maps[name] = found
                random = name in ("random", "signed_random", "shuffled") or (
                    name in ATTRIBUTIONS and ATTRIBUTIONS[name].random
                )
                if random:
                    second = self._maps(name, self.study.seed + 1)
                    assert second is not None
                    self.again[name] = second
            self.bar.advance(self.task)

    def rows(self) -> pd.DataFrame:
        """One row a face and comparison."""
        shapley = {fill: self._shapley(fill) for fill in self.study.fills}
        self.bar.advance(self.task)
        store.write_json(self.folder / "manifest.json", self.manifest)
        return pd.concat(
            [
                self._with_shapley(self.maps, shapley),
                self._with_each_other(self.maps, shapley),
                self._with_themselves(self.maps, self.again),
            ],
            ignore_index=True,
        )

    def _file(self, name: str) -> Path:
        return self.folder / "maps" / slug(self.network.name) / f"{slug(name)}.npz"

    def _shapley(self, fill: str) -> dict[str, NDArray[Any]]:
        """Exact values ``(N, R)`` and their map, ``(N, SIZE, SIZE)``."""

        @counting_maps()
        def make() -> dict[str, NDArray[Any]]:
            found = explain(
                self.predictor,
                self.images,
                method=RegionShapley(fill=fill),
                targets=self.targets,
                regions=self.regions,
                ids=self.faces.ids,
                seed=self.study.seed,
            )
            assert found.values is not None
            values = torch.where(found.undefined[:, None], torch.nan, found.values)
            return {"maps": found.defined_maps.numpy(), "values": values.numpy()}

        return store.once(self._file(f"{SHAPLEY}-{fill}"), make)

    def _maps(self, name: str, seed: int) -> Tensor | None:
        """Maps ``(N, SIZE, SIZE)``, or None where the method refuses the model."""
        if name in self.described["refused"]:
            return None

        @counting_maps()
        def make() -> dict[str, NDArray[Any]]:
            found = explain(
                self.predictor,
                self.images,
                method=name,
                targets=self.targets,
                regions=self.regions,
                ids=self.faces.ids,
                seed=seed,
            )
            return {"maps": found.defined_maps.numpy()}

        try:
            if name in ATTRIBUTIONS and name not in self.described["methods"]:
                self.described["methods"][name] = {
                    **ATTRIBUTIONS[name].params(self.predictor),
                    "passes": ATTRIBUTIONS[name].passes(self.predictor, regions=len(REGIONS)),
                    "starts from": list(ATTRIBUTIONS[name].fills),
                }
            return torch.from_numpy(store.once(self._file(f"{name}-seed{seed}"), make)["maps"])
        except InputError as refusal:
            self.described["refused"][name] = str(refusal)
            return None

    def _rows(self, kind: str, one: str, two: str, values: NDArray[Any]) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "id": self.faces.ids,
                "model": self.network.name,
                "target": [EMOTIONS[int(t)] for t in self.targets],
                "comparison": kind,
                "attribution": one,
                "with": two,
                "value": values.astype(np.float64),
            }
        )

    def _with_shapley(
        self, maps: dict[str, Tensor], shapley: dict[str, dict[str, NDArray[Any]]]
    ) -> pd.DataFrame:
        parts = []
        values = {fill: torch.from_numpy(found["values"]) for fill, found in shapley.items()}
        there = self.regions.flatten(2).any(dim=2)
        values = {fill: torch.where(there, v, torch.nan) for fill, v in values.items()}
        for one, two in combinations(values, 2):
            agreed = region_agreement(values[one], values[two])
            parts.append(self._rows("fills", one, two, agreed))
        for name, found in maps.items():
            sums = region_sums(found, self.regions)
            own = ATTRIBUTIONS[name].fills if name in ATTRIBUTIONS else ()
            # with its own it would be held against itself, in part
            others = {fill: exact for fill, exact in values.items() if fill not in own}
            for fill, exact in others.items():
                parts.append(self._rows("shapley", name, fill, region_agreement(sums, exact)))
            if not others:
                nothing = np.full(len(self.faces), np.nan)
                parts.append(self._rows("shapley", name, "no other", nothing))
        return pd.concat(parts, ignore_index=True)

    def _with_each_other(
        self, maps: dict[str, Tensor], shapley: dict[str, dict[str, NDArray[Any]]]
    ) -> pd.DataFrame:
        exact = np.mean([found["maps"] for found in shapley.values()], axis=0)
        every = maps | {SHAPLEY: torch.from_numpy(exact)}
        agreed = pixel_agreement(torch.stack(list(every.values()))).numpy()  # (N, M, M)
        names = list(every)
        return pd.concat(
            [
                self._rows("pixels", names[i], names[j], agreed[:, i, j])
                for i, j in combinations(range(len(names)), 2)
            ],
            ignore_index=True,
        )

    def _with_themselves(self, maps: dict[str, Tensor], again: dict[str, Tensor]) -> pd.DataFrame:
        parts = [
            self._rows(
                "seeds",
                name,
                name,
                pixel_agreement(torch.stack([maps[name], second])).numpy()[:, 0, 1],
            )
            for name, second in again.items()
        ]
        empty = self._rows("seeds", "", "", np.zeros(len(self.faces)))[:0]
        return pd.concat([empty, *parts], ignore_index=True) if parts else empty
