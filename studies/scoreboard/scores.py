"""Scores of many explanations of one model's answers, a chunk of faces at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fer_xai.attributions import ATTRIBUTIONS, CONTROLS, Attribution
from fer_xai.attributions.api import INVERSE
from fer_xai.errors import InputError
from fer_xai.files import REMADE, DamagedFileError, read_json
from fer_xai.inference.predictor import Predictor
from fer_xai.types import Explanation, Faces
from metrics.core.registry import METRICS, MetricSpec
from metrics.evaluation import CHUNK, evaluate
from studies.engine import store
from studies.engine.description import described
from studies.engine.digests import faces_digests, model_digest
from studies.engine.explained import Explained, TargetRule, check_targets
from studies.engine.shards import BATCH, check_made_of
from studies.scoreboard.explainers import explainers

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
"""Control that claims are compared with: it knows the usual place of a face, and nothing else."""
MODEL_FREE = ("random", "signed_random", "uniform", "centre", "edges")
"""Controls that are made of no model's maps, so that metrics may make them again."""
REFUSED = "refused.json"
"""File beside the shards that records which methods refuse the model, and why."""


def _attribution(method: str) -> Attribution:
    return ATTRIBUTIONS[method.removeprefix(INVERSE)]


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
    """Attributions and chance controls, and the metrics that score them.

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
        Seed of everything random.
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

    Examples
    --------
    >>> board = Scoreboard(methods=["gradcam", "lime"], metrics=["deletion", "gini"])
    >>> [spec.name for spec in board.specs]
    ['deletion', 'gini']
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
        check_targets(self.targets)
        if not self.methods:
            raise InputError("Expected at least one attribution to score, got none.")
        if not self.metrics:
            raise InputError("Expected at least one metric to score by, got none.")
        if asked := [spec.name for spec in self.specs if "areas" in spec.needs]:
            raise InputError(
                f"Expected metrics that need no areas of the face, got {', '.join(asked)}: score "
                "these with metrics.evaluate(…, areas=…), or leave them out."
            )

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
        return [name for name in self.methods if _attribution(name).asks_for_regions] + [
            spec.name for spec in self.specs if spec.needs_regions
        ]

    def explained(self, predictor: Predictor, faces: Faces, *, keep: bool = False) -> Explained:
        """Explanations of these faces, with the board's rule for targets and its seed."""
        return Explained(predictor, faces, rule=self.targets, seed=self.seed, keep=keep)

    def scores(
        self,
        explained: Explained,
        *,
        shards: Path | None = None,
        progress: Callable[[int], None] | None = None,
        enough: Callable[[pd.DataFrame], int | None] | None = None,
    ) -> pd.DataFrame:
        """Rows of :func:`metrics.evaluate`, a face, method (controls too) and metric.

        Beside them stand ``blank``, where the map is zero everywhere, so that nothing but the seed
        orders its pixels; ``undefined``, where it is no map (:attr:`Explanation.undefined`); and
        ``completeness_gap``, NaN for methods without a law.

        Parameters
        ----------
        explained
            A network and labelled faces, as :meth:`explained` makes it; with landmarks if anything
            needs regions.
        shards
            Folder in which the rows of each chunk are kept, so that a stopped run goes on.
        progress
            Called with the number of faces done after each chunk.
        enough
            Called with the rows so far after each chunk; answers how many faces to keep, from the
            first on, where no more are needed.

        Raises
        ------
        InputError
            If regions are needed and the faces have no landmarks, every method refuses, or the
            shards are of another model, other faces or other options.
        """
        faces = explained.faces
        if (explained.rule, explained.seed) != (self.targets, self.seed):
            raise InputError(
                f"Expected what is explained by the board's own rule and seed ({self.targets}, "
                f"{self.seed}), got {explained.rule}, {explained.seed}: make it by "
                "board.explained(predictor, faces)."
            )
        if self.needs_regions() and faces.landmarks is None:
            raise InputError(
                f"Expected landmarks for {faces.name}, which the regions of "
                f"{', '.join(self.needs_regions())} are made of: pass a file of landmarks, or "
                "leave these out."
            )
        made_of = {} if shards is None else self.made_of(explained)
        if shards is not None:
            check_made_of(shards, made_of, write=False, shards="*.parquet")
            self._recall_refused(shards)
        parts: list[pd.DataFrame] = []
        kept = None
        for start in range(0, len(faces), self.chunk):
            rows = slice(start, min(start + self.chunk, len(faces)))

            def make(rows: slice = rows) -> pd.DataFrame:
                made = self._chunk(explained, rows)
                if shards is not None:
                    check_made_of(shards, made_of, shards="*.parquet")
                    store.write_json(shards / REFUSED, self.refused)
                return made

            path = None if shards is None else shards / f"{start:06d}.parquet"
            part = make() if path is None else store.once_table(path, make)
            self._ask_why_missing(explained, rows, part)
            parts.append(part)
            if progress is not None:
                progress(rows.stop - rows.start)
            kept = None if enough is None else enough(pd.concat(parts, ignore_index=True))
            if kept is not None:
                break
        found = pd.concat(parts, ignore_index=True)
        if kept is not None:
            found = found[found["id"].isin(faces.ids[:kept])].reset_index(drop=True)
        if self.own_fills or not self.fills_shared:
            return found
        unfair = pd.MultiIndex.from_tuples([pair[:2] for pair in self.fills_shared])
        pairs = pd.MultiIndex.from_frame(found[["method", "metric"]])
        return found[~pairs.isin(unfair)].reset_index(drop=True)

    def _recall_refused(self, shards: Path) -> None:
        """Take up why methods were refused, as recorded; a damaged record is made anew."""
        try:
            recorded = read_json(shards / REFUSED, remedy=REMADE)
        except DamagedFileError:  # or none: see _ask_why_missing
            return
        self.refused.update({name: str(why) for name, why in recorded.items()})

    def _ask_why_missing(self, explained: Explained, rows: slice, part: pd.DataFrame) -> None:
        """Ask methods that have no rows in a shard again, where no reason is recorded.

        Raises
        ------
        InputError
            If one of them refuses no longer, so that the shard is not what would be made now.
        """
        there = set(part["method"])
        for name in self.methods:
            if name in there or name in self.refused:
                continue
            try:
                explained.explanation(name, rows)
            except InputError as refusal:
                self.refused[name] = str(refusal)
                continue
            raise InputError(
                f"Expected rows of {name} in the shard of faces {rows.start} to {rows.stop - 1}, "
                "but it holds none: delete the folder of shards, and the same command begins anew."
            )

    def made_of(self, explained: Explained) -> dict[str, Any]:
        """Dependencies of the rows (see :func:`~studies.engine.shards.check_made_of`)."""
        predictor = explained.predictor
        return {
            "model": model_digest(predictor.model),
            **faces_digests(explained.faces, [predictor.model.size]),
            "methods": {name: described(_attribution(name)) for name in self.methods},
            "controls": list(self.controls),
            "metrics": [described(spec) for spec in self.specs],
            "targets": self.targets,
            "seed": self.seed,
            "chunk": self.chunk,
            "precision": predictor.precision,
            "device": predictor.device.type,
            BATCH: predictor.batch_size,
        }

    def _explanations(self, explained: Explained, rows: slice) -> dict[str, Explanation]:
        """Maps of every method that does not refuse, and of every control."""
        made: dict[str, Explanation] = {}
        for name in self.methods:
            if name in self.refused:
                continue
            try:
                made[name] = explained.explanation(name, rows)
            except InputError as refusal:
                self.refused[name] = str(refusal)
        if not made:
            raise InputError(
                f"Expected a method that can explain {explained.predictor.name}, but all refuse: "
                f"{next(iter(self.refused.values()))}"
            )
        return made | {name: explained.control(name, rows) for name in self.controls}

    def _chunk(self, explained: Explained, rows: slice) -> pd.DataFrame:
        faces = explained.faces.subset(range(rows.start, rows.stop))
        regions = None if explained.regions is None else explained.regions[rows]
        made = self._explanations(explained, rows)
        whole = [spec for spec in self.specs if "explain" not in spec.needs]
        again = [spec for spec in self.specs if "explain" in spec.needs]
        remade = {
            name: one for name, one in made.items() if name in self.methods or name in MODEL_FREE
        }
        parts = [
            evaluate(
                explained.predictor,
                faces,
                some,
                specs,
                regions=regions,
                calibration=explained.calibration,
                explain=explainers(explained, some, faces.ids, regions),
                seed=self.seed,
                chunk=len(faces),
            )
            for some, specs in ((made, whole), (remade, again))
            if specs
        ]
        found = pd.concat(parts, ignore_index=True)
        found = found.drop(columns="undefined", errors="ignore")  # of evaluate, where it tells
        return found.merge(_map_facts(made, faces.ids), on=["method", "id"], how="left")
