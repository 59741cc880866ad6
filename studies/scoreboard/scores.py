"""Scores of many explanations of one model's answers, a chunk of faces at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from torch import Tensor

from fer_xai.attributions import (
    ATTRIBUTIONS,
    CONTROLS,
    Attribution,
    Setting,
    attribute,
    control_maps,
    explain,
    native_maps,
    upsample,
)
from fer_xai.attributions.api import counting_maps
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from fer_xai.perturb.skin import skin_fill
from fer_xai.types import Explanation, Faces
from metrics.core.registry import METRICS, Explain, MetricSpec
from metrics.evaluation import CHUNK, calibration_images, evaluate
from studies.engine import store
from studies.engine.digests import described, faces_digests, model_digest

TargetRule = Literal["predicted", "true"]
CHANCE = (
    "random",
    "signed_random",
    "shuffled",
    "other_face_other_emotion",
    "average",
    "uniform",
    "centre",
    "edges",
)
"""Controls that stand beside the methods, all of Grad-CAM's resolution."""
FLOOR = "centre"
"""The control that a claim is held against: it knows where faces are, and nothing else."""
REMADE = ("random", "signed_random", "uniform", "centre", "edges")
"""Controls that are made of no model's maps, so that metrics may make them again."""
_INVERSE = "inverse:"


def _attribution(method: str) -> Attribution:
    return ATTRIBUTIONS[method.removeprefix(_INVERSE)]


def _check_once(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"Expected each {what} once, got {', '.join(twice)} several times: name it once."
        )


def _map_facts(made: Mapping[str, Explanation], ids: Sequence[str]) -> pd.DataFrame:
    """A row a method and face: whether its map is blank or undefined, and its completeness gap."""
    parts = []
    for name, one in made.items():
        gap = one.completeness_gap
        parts.append(
            pd.DataFrame(
                {
                    "method": name,
                    "id": list(ids),
                    "blank": one.blank.tolist(),
                    "undefined": one.undefined.tolist(),
                    "completeness_gap": [math.nan] * len(one) if gap is None else gap.tolist(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True, kw_only=True)
class Scoreboard:
    """What is scored: attributions and chance controls, by which metrics.

    Attributes
    ----------
    methods
        Names of :data:`fer_xai.attributions.ATTRIBUTIONS`, also with ``inverse:`` before them.
    controls
        Names of :data:`fer_xai.attributions.CONTROLS`.
    metrics
        Names of :data:`metrics.METRICS`, or specs.
    targets
        Whether the predicted emotion is explained, or the true one.
    seed
        Of everything random.
    chunk
        Faces at a time; it changes no score.
    own_fills
        Whether a method is scored also by metrics that remove pixels with a fill its maps start
        from, which holds a map against itself.
    refused
        Filled in: why a method has no maps for the model, by name.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown name, one that is given twice, no methods or no metrics, other targets.
    """

    methods: Sequence[str]
    controls: Sequence[str] = CHANCE
    metrics: Sequence[str | MetricSpec]
    targets: TargetRule = "predicted"
    seed: int = 0
    chunk: int = CHUNK
    own_fills: bool = False
    refused: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.methods:
            _attribution(name)
        for name in self.controls:
            CONTROLS[name]
        _check_once("method", self.methods)
        _check_once("control", self.controls)
        _check_once("metric", [spec.name for spec in self.specs])
        if self.targets not in ("predicted", "true"):
            raise InputError(f"Expected targets predicted or true, got {self.targets!r}.")
        if not self.methods:
            raise InputError("Expected at least one attribution to score, got none.")
        if not self.metrics:
            raise InputError("Expected at least one metric to score by, got none.")

    @property
    def specs(self) -> list[MetricSpec]:
        """The metrics' facts."""
        return [METRICS[m] if isinstance(m, str) else m for m in self.metrics]

    @property
    def fills_shared(self) -> list[tuple[str, str, str]]:
        """Method, metric and fill, wherever a method's maps start from what a metric fills with."""
        return [
            (method, spec.name, spec.fill)
            for method in self.methods
            for spec in self.specs
            if spec.fill is not None and spec.fill in _attribution(method).fills
        ]

    def needs_regions(self) -> list[str]:
        """Methods and metrics that ask for facial regions."""
        return [name for name in self.methods if _attribution(name).needs_regions] + [
            spec.name
            for spec in self.specs
            if "regions" in spec.needs or spec.options.get("fill") == "skin"
        ]

    def scores(
        self,
        predictor: Predictor,
        faces: Faces,
        *,
        shards: Path | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> pd.DataFrame:
        """Rows of :func:`metrics.evaluate`, a face, method (controls too) and metric.

        Beside them stand ``blank``, where the map is zero everywhere, so that nothing but the seed
        orders its pixels; ``undefined``, where it is no map (:attr:`Explanation.undefined`); and
        ``completeness_gap``, NaN for methods without a law.

        Parameters
        ----------
        predictor
            Of the model.
        faces
            Labelled; with landmarks if anything needs regions.
        shards
            Folder in which the rows of each chunk are kept, so that a stopped run goes on.
        progress
            Called with the number of faces done after each chunk.

        Raises
        ------
        InputError
            If regions are needed and the faces have no landmarks, every method refuses, or the
            shards are of another model, other faces or other options.
        """
        size = predictor.model.size
        if self.needs_regions() and faces.landmarks is None:
            raise InputError(
                f"Expected landmarks for {faces.name}, which the regions of "
                f"{', '.join(self.needs_regions())} are made of: pass a file of landmarks, or "
                "leave these out."
            )
        made_of = {} if shards is None else self.made_of(predictor, faces)
        if shards is not None:
            store.claim(shards, made_of, write=False, shards="*.parquet")
        setting = self._setting(predictor, faces, size)
        parts = []
        for start in range(0, len(faces), self.chunk):
            rows = slice(start, min(start + self.chunk, len(faces)))

            def make(rows: slice = rows) -> pd.DataFrame:
                made = self._chunk(
                    predictor, faces.subset(range(rows.start, rows.stop)), setting, rows
                )
                if shards is not None:
                    store.claim(shards, made_of, shards="*.parquet")
                return made

            path = None if shards is None else shards / f"{start:06d}.parquet"
            parts.append(make() if path is None else store.once_table(path, make))
            if progress is not None:
                progress(rows.stop - rows.start)
        found = pd.concat(parts, ignore_index=True)
        if self.own_fills or not self.fills_shared:
            return found
        unfair = pd.MultiIndex.from_tuples([pair[:2] for pair in self.fills_shared])
        pairs = pd.MultiIndex.from_frame(found[["method", "metric"]])
        return found[~pairs.isin(unfair)].reset_index(drop=True)

    def made_of(self, predictor: Predictor, faces: Faces) -> dict[str, Any]:
        """Dependencies of the rows (see :func:`~studies.engine.store.claim`)."""
        return {
            "model": model_digest(predictor.model),
            **faces_digests(faces, [predictor.model.size]),
            "methods": {name: described(_attribution(name)) for name in self.methods},
            "controls": list(self.controls),
            "metrics": [described(spec) for spec in self.specs],
            "targets": self.targets,
            "seed": self.seed,
            "chunk": self.chunk,
            "precision": predictor.precision,
            "device": predictor.device.type,
        }

    def _setting(self, predictor: Predictor, faces: Faces, size: int) -> Setting:
        """What controls look at: Grad-CAM's cells of all faces, and what each explains."""
        pixels = faces.pixels(size)
        if self.targets == "true":
            targets = faces.labels
        else:
            targets = predictor.model.canonical(predictor.logits(pixels).argmax(dim=1))
        columns = predictor.model.columns(targets)[:, None]
        cells = native_maps(predictor, pixels.float() / 255, columns, method="gradcam")
        return Setting(
            maps=cells.cpu(), labels=targets, ids=faces.ids, pixels=pixels, seed=self.seed
        )

    @counting_maps()
    def _chunk(
        self, predictor: Predictor, faces: Faces, setting: Setting, rows: slice
    ) -> pd.DataFrame:
        size = predictor.model.size
        images, targets = setting.pixels[rows].float() / 255, setting.labels[rows]
        regions = None
        if faces.landmarks is not None:
            regions = face_regions(faces.landmarks_at(size), size=size)
        made: dict[str, Explanation] = {}
        for name in self.methods:
            if name in self.refused:
                continue
            try:
                made[name] = explain(
                    predictor,
                    images,
                    method=name,
                    targets=targets,
                    regions=regions,
                    ids=faces.ids,
                    seed=self.seed,
                )
            except InputError as refusal:
                self.refused[name] = str(refusal)
        if not made:
            raise InputError(
                f"Expected a method that can explain {predictor.name}, but all refuse: "
                f"{next(iter(self.refused.values()))}"
            )
        pattern = next(iter(made.values()))
        for name in self.controls:
            full = upsample(control_maps(name, setting)[rows], size=(size, size))[:, 0]
            made[name] = Explanation(
                maps=full,
                targets=targets,
                logits=pattern.logits,
                emotions=pattern.emotions,
                method=name,
                params={"seed": self.seed},
            )
        whole = [spec for spec in self.specs if "explain" not in spec.needs]
        again = [spec for spec in self.specs if "explain" in spec.needs]
        calibration = calibration_images(
            setting.ids, lambda chosen: setting.pixels[chosen].float() / 255
        )
        remade = {name: one for name, one in made.items() if name in self.methods or name in REMADE}
        fills = {} if regions is None else {"skin": skin_fill(images, regions)}
        parts = [
            evaluate(
                predictor,
                faces,
                some,
                specs,
                regions=regions,
                fills=fills,
                calibration=calibration,
                explain=self.explainers(predictor, faces, regions, some),
                seed=self.seed,
                chunk=len(faces),
            )
            for some, specs in ((made, whole), (remade, again))
            if specs
        ]
        found = pd.concat(parts, ignore_index=True)
        found = found.drop(columns="undefined", errors="ignore")  # of evaluate, where it tells
        return found.merge(_map_facts(made, faces.ids), on=["method", "id"], how="left")

    def explainers(
        self, predictor: Predictor, faces: Faces, regions: Tensor | None, made: Iterable[str]
    ) -> dict[str, Explain]:
        """What makes each method's maps of these faces again, of changed images or models.

        ``regions`` are the faces' own.
        """
        place = {name: index for index, name in enumerate(faces.ids)}

        @lru_cache(maxsize=1)
        def predictor_of(model: Any) -> Predictor:
            if model is predictor.model:
                return predictor
            return Predictor(
                model,
                device=str(predictor.device),
                precision=predictor.precision,
                batch_size=predictor.batch_size,
            )

        def maker(name: str) -> Explain:
            @counting_maps()
            def make(model: Any, images: Tensor, targets: Tensor, ids: Sequence[str]) -> Tensor:
                own = predictor_of(model)
                parts = None if regions is None else regions[[place[face] for face in ids]]
                if name not in ATTRIBUTIONS:
                    return explain(
                        own,
                        images,
                        method=name,
                        targets=targets,
                        regions=parts,
                        ids=ids,
                        seed=self.seed,
                    ).defined_maps
                cells = attribute(  # as explain, without a pass for the logits
                    own,
                    images,
                    own.model.columns(targets)[:, None],
                    method=name,
                    regions=parts,
                    ids=ids,
                    seed=self.seed,
                ).defined_cells
                return upsample(cells, size=tuple(images.shape[-2:]))[:, 0]

            return make

        return {name: maker(name) for name in made}
