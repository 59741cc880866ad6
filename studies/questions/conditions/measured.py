"""Rows of one network: what it names, and how alike its maps stay, under each condition."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
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
"""Faces that are explained together; it changes no row."""
CENTRE = "centre"
"""The control that metrics of a map are held against."""


class Measured:
    """One network's rows.

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
        side, seed = self.explained.size, self.explained.seed
        labels = sweep.labels(side)
        parts = []
        for severity, label in zip(sweep.severities, labels, strict=True):
            under = sweep.faces(self.faces, severity, side=side, seed=seed)
            logits = self.predictor.logits(under.images)
            facts = {
                "id": self.faces.ids,
                "explained": [EMOTIONS[int(k)] for k in self.explained.targets],
                "condition": sweep.condition,
                "severity": severity,
                "label": label,
                **self._named(logits),
            }
            for method in self.methods:
                made = self.maps(method, under)
                alike = self._likeness(method, made, under, sweep)
                scores = self._gains(method, made, under)
                parts.append(
                    pd.DataFrame(
                        facts
                        | {
                            "method": method,
                            "likeness": alike.own,
                            "other": alike.other,
                            "lent": alike.lent,
                            "centre": alike.centre,
                            "blank": made.blank.numpy(),
                        }
                        | scores
                    )
                )
        return pd.concat(parts, ignore_index=True).assign(network=self.name)

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

    def maps(self, method: str, under: Under) -> Explanation:
        """Maps of faces under a condition, of the emotion that the clean faces were named."""
        parts = []
        for start in range(0, len(self.faces), CHUNK):
            rows = slice(start, start + CHUNK)
            regions = None
            if ATTRIBUTIONS[method].asks_for_regions:
                regions = face_regions(under.points[rows], size=self.explained.size)
            parts.append(
                explain(
                    self.predictor,
                    under.images[rows],
                    method=method,
                    targets=self.explained.targets[rows],
                    regions=regions,
                    ids=self.faces.ids[rows],
                    seed=self.explained.seed,
                )
            )
        return Explanation(
            maps=torch.cat([part.defined_maps.cpu() for part in parts]),
            targets=self.explained.targets,
            logits=torch.cat([part.logits.cpu() for part in parts]),
            emotions=self.predictor.emotions,
            method=method,
            params=parts[0].params,
            ids=tuple(self.faces.ids),
        )

    @cached_property
    def _clean(self) -> dict[str, Tensor]:
        """Maps ``(N, S, S)`` of the faces as they are, by method."""
        side = self.explained.size
        points = torch.from_numpy(self.faces.landmarks_at(side))
        whole = Under(images=self.explained.images(), points=points, theta=None)
        return {name: _small(self.maps(name, whole).maps) for name in self.methods}

    @cached_property
    def _centre(self) -> Explanation:
        """The centre control's map of one face: it is the same for all."""
        return self.explained.control(CENTRE, slice(0, 1))

    def _likeness(self, method: str, made: Explanation, under: Under, sweep: Sweep) -> Likeness:
        maps, points = _small(made.maps), None
        if sweep.moves == "landmarks":
            side, scale = maps.shape[-1], maps.shape[-1] / self.explained.size
            before = torch.from_numpy(self.faces.landmarks_at(side))
            points = (before, (under.points + 0.5) * scale - 0.5)
        return compared(
            maps,
            self._clean[method],
            _small(self._centre.maps),
            others=self.others,
            theta=under.theta,
            points=points,
        )

    def _gains(self, method: str, made: Explanation, under: Under) -> dict[str, Any]:
        """Scores of the maps on the changed faces, less the centre control's, higher is better."""
        if not self.metrics:
            return {}
        n = len(self.faces)
        centre = dataclasses.replace(made, maps=self._centre.maps.expand(n, -1, -1), method=CENTRE)
        frame = evaluate(
            self.predictor,
            under.images,
            {method: made, CENTRE: centre},
            self.metrics,
            seed=self.explained.seed,
        )
        found = {}
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


def _small(maps: Tensor) -> Tensor:
    """Maps ``(N, S, S)`` of at most :data:`SIZE` pixels a side."""
    if maps.shape[-1] <= SIZE:
        return maps
    return F.adaptive_avg_pool2d(maps[:, None], SIZE)[:, 0]
