"""Rows of one network: what it names, and how alike its maps stay, under each condition."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fer_xai.attributions import ATTRIBUTIONS, explain
from fer_xai.data.splits import face_groups
from fer_xai.emotions import EMOTIONS
from fer_xai.landmarks import face_regions
from fer_xai.names import slug
from fer_xai.types import Explanation
from metrics.core.registry import METRICS
from metrics.evaluation import evaluate
from studies.engine import store
from studies.engine.description import described
from studies.engine.digests import faces_digests, model_digest
from studies.engine.explained import Explained
from studies.engine.other_persons import other_persons
from studies.engine.shards import BATCH, check_made_of
from studies.questions.conditions.likeness import Likeness, compared
from studies.questions.conditions.sweeps import Sweep, Under

SIZE = 64
"""Side of the maps that are compared, at most, in pixels."""
CHUNK = 64
"""Faces that are explained together; it changes no row. Their images are in memory at a time, or
those of a batch of the network, whatever the number of faces."""
CENTRE = "centre"
"""The control that metrics of a map are held against."""


class Block(NamedTuple):
    """What is kept of some faces under a condition once their images are forgotten.

    Attributes
    ----------
    logits
        ``(n, C)`` of the changed faces.
    points, theta
        As in :class:`~studies.questions.conditions.sweeps.Under`.
    maps
        Small maps ``(n, S, S)`` by method.
    blank
        Which maps are zero everywhere ``(n,)``, by method.
    scores
        Columns of gains by method.

    Examples
    --------
    >>> Block(torch.zeros(1, 2), torch.zeros(1, 68, 2), None, {}, {}, {}).theta is None
    True
    """

    logits: Tensor
    points: Tensor
    theta: Tensor | None
    maps: dict[str, Tensor]
    blank: dict[str, Tensor]
    scores: dict[str, dict[str, NDArray[np.float64]]]


class Measured:
    """One network's rows.

    Images are read some faces at a time. Small maps of all faces are held, a few KiB a face, since
    each is compared with those of all other persons; the table of these likenesses grows with the
    square of the number of faces.

    Parameters
    ----------
    explained
        The network and its faces, with the emotions that are explained.
    methods, metrics
        Names of attributions, and of metrics of faithfulness.
    name
        Name of the network.

    Examples
    --------
    >>> from fer_xai import Predictor, load_model
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> predictor = Predictor(load_model("gimefive", weights="synthetic"), device="cpu")
    >>> explained = Explained(predictor, synthetic_faces(2))
    >>> measured = Measured(explained, name="gimefive", methods=["gradcam"], metrics=[])
    >>> rows = measured.rows(Sweep.parse("grey=100"))
    >>> len(rows), rows["likeness"].round(3).tolist()[:2]  # two faces at two severities
    (4, [1.0, 1.0])
    """

    def __init__(
        self,
        explained: Explained,
        *,
        name: str,
        methods: Sequence[str],
        metrics: Sequence[str],
    ) -> None:
        self.explained, self.name = explained, name
        self.methods, self.metrics = list(methods), list(metrics)
        self.faces, self.predictor = explained.faces, explained.predictor
        persons = face_groups(explained.faces).tolist()
        self.others = other_persons(explained.targets, persons).numpy()

    def shard(self, folder: Path, sweep: Sweep, made_of: dict[str, Any]) -> pd.DataFrame:
        """Rows under one condition, from their shard; made and written first if it is not there.

        Raises
        ------
        InputError
            If the shards are of another model, other faces or other options.
        """
        shards = folder / slug(self.name)
        check_made_of(shards, made_of, write=False, shards="*.parquet")

        def make() -> pd.DataFrame:
            rows = self.rows(sweep)
            check_made_of(shards, made_of, shards="*.parquet")
            return rows

        return store.once_table(shards / f"{slug(sweep.condition)}.parquet", make)

    def made_of(self, sweeps: Sequence[Sweep]) -> dict[str, Any]:
        """Dependencies of the shards (see :func:`~studies.engine.shards.check_made_of`)."""
        return {
            "model": model_digest(self.predictor.model),
            **faces_digests(self.faces, [self.explained.size]),
            "explained": store.array_digest(self.explained.targets.numpy()),
            "methods": {name: described(ATTRIBUTIONS[name]) for name in self.methods},
            "metrics": [described(METRICS[name]) for name in self.metrics],
            "conditions": {sweep.condition: sweep.described() for sweep in sweeps},
            "side": self.explained.size,
            "seed": self.explained.seed,
            "precision": self.predictor.precision,
            "device": self.predictor.device.type,
            BATCH: self.predictor.batch_size,
        }

    def rows(self, sweep: Sweep) -> pd.DataFrame:
        """A row a method, severity and face; the maps of a face explain its clean prediction."""
        labels = sweep.labels(self.explained.size)
        parts = []
        for severity, label in zip(sweep.severities, labels, strict=True):
            blocks = [self._block(sweep, severity, rows) for rows in self._blocks()]
            logits = torch.cat([block.logits for block in blocks])
            facts = {
                "id": self.faces.ids,
                "explained": [EMOTIONS[int(k)] for k in self.explained.targets],
                "condition": sweep.condition,
                "severity": severity,
                "label": label,
                **self._named(logits),
            }
            for method in self.methods:
                alike = self._likeness(method, blocks, sweep)
                scores = {
                    name: np.concatenate([block.scores[method][name] for block in blocks])
                    for name in blocks[0].scores[method]
                }
                parts.append(
                    pd.DataFrame(
                        facts
                        | {
                            "method": method,
                            "likeness": alike.own,
                            "other": alike.other,
                            "lent": alike.lent,
                            "centre": alike.centre,
                            "blank": torch.cat([one.blank[method] for one in blocks]).numpy(),
                        }
                        | scores
                    )
                )
        return pd.concat(parts, ignore_index=True).assign(network=self.name)

    def _blocks(self) -> list[slice]:
        """Rows of faces whose images are in memory at a time: whole batches of the network."""
        n = len(self.faces)
        step = _step(self.predictor.batch_size_for(n))
        return [slice(start, start + step) for start in range(0, n, step)]

    def _block(self, sweep: Sweep, severity: float, rows: slice) -> Block:
        """Some faces under a condition."""
        under = sweep.faces(
            self.faces, severity, rows=rows, side=self.explained.size, seed=self.explained.seed
        )
        made = {method: self.maps(method, under, rows) for method in self.methods}
        return Block(
            logits=self.predictor.logits(under.images),
            points=under.points,
            theta=under.theta,
            maps={method: _small(one.maps) for method, one in made.items()},
            blank={method: one.blank for method, one in made.items()},
            scores={method: self._gains(method, one, under, rows) for method, one in made.items()},
        )

    def _named(self, logits: Tensor) -> dict[str, Any]:
        """What the network names under the condition."""
        model, targets = self.predictor.model, self.explained.targets
        named = model.canonical(logits.argmax(dim=1))
        own = logits.softmax(dim=1).gather(1, model.columns(targets)[:, None])[:, 0]
        return {
            "named": [EMOTIONS[int(k)] for k in named],
            "recognised": (named == self.faces.labels).numpy(),
            "stays": (named == targets).numpy(),
            "probability": own.double().numpy(),
        }

    def maps(self, method: str, under: Under, rows: slice = slice(None)) -> Explanation:
        """Maps of faces under a condition, of the emotion that the clean faces were named.

        Parameters
        ----------
        method
            Name of an attribution.
        under
            Images of some of the faces under the condition.
        rows
            Which faces these are.
        """
        targets, ids = self.explained.targets[rows], self.faces.ids[rows]
        parts = []
        for start in range(0, len(ids), CHUNK):
            some = slice(start, start + CHUNK)
            regions = None
            if ATTRIBUTIONS[method].asks_for_regions:
                regions = face_regions(under.points[some], size=self.explained.size)
            parts.append(
                explain(
                    self.predictor,
                    under.images[some],
                    method=method,
                    targets=targets[some],
                    regions=regions,
                    ids=ids[some],
                    seed=self.explained.seed,
                )
            )
        return Explanation(
            maps=torch.cat([part.defined_maps.cpu() for part in parts]),
            targets=targets,
            logits=torch.cat([part.logits.cpu() for part in parts]),
            emotions=self.predictor.emotions,
            method=method,
            params=parts[0].params,
            ids=tuple(ids),
        )

    @cached_property
    def _clean(self) -> dict[str, Tensor]:
        """Maps ``(N, S, S)`` of the faces as they are, by method."""
        points = torch.from_numpy(self.faces.landmarks_at(self.explained.size))
        parts: dict[str, list[Tensor]] = {name: [] for name in self.methods}
        for rows in self._blocks():
            images = self.explained.images(rows)
            some = Under(images=images, points=points[rows], theta=None)
            for name in self.methods:
                parts[name].append(_small(self.maps(name, some, rows).maps))
        return {name: torch.cat(maps) for name, maps in parts.items()}

    @cached_property
    def _centre(self) -> Explanation:
        """The centre control's map of one face: it is the same for all."""
        return self.explained.control(CENTRE, slice(0, 1))

    def _likeness(self, method: str, blocks: Sequence[Block], sweep: Sweep) -> Likeness:
        maps, points = torch.cat([block.maps[method] for block in blocks]), None
        moves = [block.theta for block in blocks if block.theta is not None]
        if sweep.moves == "landmarks":
            side, scale = maps.shape[-1], maps.shape[-1] / self.explained.size
            before = torch.from_numpy(self.faces.landmarks_at(side))
            after = torch.cat([block.points for block in blocks])
            points = (before, (after + 0.5) * scale - 0.5)
        return compared(
            maps,
            self._clean[method],
            _small(self._centre.maps),
            others=self.others,
            theta=torch.cat(moves) if moves else None,
            points=points,
        )

    def _gains(
        self, method: str, made: Explanation, under: Under, rows: slice
    ) -> dict[str, NDArray[np.float64]]:
        """Scores of the maps on the changed faces, less the centre control's, higher is better."""
        if not self.metrics:
            return {}
        maps = self._centre.maps.expand(len(made), -1, -1)
        centre = dataclasses.replace(made, maps=maps, method=CENTRE)
        frame = evaluate(
            self.predictor,
            under.images,
            {method: made, CENTRE: centre},
            self.metrics,
            ids=range(len(self.faces))[rows],
            seed=self.explained.seed,
            chunk=CHUNK,
        )
        found: dict[str, NDArray[np.float64]] = {}
        for name in self.metrics:
            own = frame[frame["metric"] == name]
            by = {m: own[own["method"] == m]["value"].to_numpy() for m in (method, CENTRE)}
            sign = -1.0 if METRICS[name].higher_is_better is False else 1.0
            found[gain_column(name)] = sign * (by[method] - by[CENTRE]).astype(np.float64)
        return found


def gain_column(metric: str) -> str:
    """Column of a metric's gain over the centre control.

    Examples
    --------
    >>> gain_column("road_combined")
    'road_combined over centre'
    """
    return f"{metric} over {CENTRE}"


def _step(batch: int) -> int:
    """Number of faces of a block: whole batches, of :data:`CHUNK` faces or one batch at most."""
    return batch * max(1, CHUNK // batch)


def _small(maps: Tensor) -> Tensor:
    """Maps ``(N, S, S)`` of at most :data:`SIZE` pixels a side."""
    if maps.shape[-1] <= SIZE:
        return maps
    return F.adaptive_avg_pool2d(maps[:, None], SIZE)[:, 0]
