"""Rows of one network: its answers to covered faces, what regions cost, and what maps do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.attributions import ATTRIBUTIONS
from fer_xai.attributions.api import counting_maps
from fer_xai.data.splits import face_groups
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.inference.lazy import LazyImages
from fer_xai.landmarks import REGIONS, emotion_areas, face_regions
from fer_xai.perturb.occluders.core import Occluded
from metrics.core.score_cache import ScoreCache
from metrics.occlusion.cost import occlusion_cost
from metrics.occlusion.stability import occlusion_stability
from studies.engine import store
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.engine.explained import Explained
from studies.engine.other_persons import other_persons
from studies.engine.shards import BATCH, check_made_of
from studies.questions.occlusion_robustness.covers import (
    DRAWS,
    FILL,
    N_COVERS,
    OCCLUDERS,
    RANDOM_MAP,
    Cover,
    Seen,
    n_grids,
)
from studies.questions.occlusion_robustness.floor import likeness_of_others
from studies.scoreboard.explainers import explainers

CHUNK = 16
"""Faces whose rows are written together; it changes no row."""
BOOK = "emfacs"
"""Codebook that costs are held against."""
Advance = Callable[[int], None]


class NetworkRows:
    """Rows of one network, kept a chunk of faces at a time.

    Parameters
    ----------
    explained
        The network and its faces, whose landmarks are all known.
    methods
        Attributions.
    shards
        Folder in which rows are kept; None keeps none.

    Attributes
    ----------
    refused
        Why a method has no maps for the network, by its name.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> from fer_xai.inference.predictor import Predictor
    >>> from fer_xai.models import load_model
    >>> explained = Explained(Predictor(load_model("gimefive")), synthetic_faces(1))
    >>> NetworkRows(explained, ["gradcam"]).methods
    ('gradcam',)
    """

    def __init__(
        self, explained: Explained, methods: Sequence[str], *, shards: Path | None = None
    ) -> None:
        self.explained, self.methods, self.shards = explained, tuple(methods), shards
        self.predictor = explained.predictor
        self.refused: dict[str, str] = {}
        self._points = explained.faces.landmarks_at(explained.size)
        self._masks: dict[int, NDArray[np.uint8]] = {}

    def answers(self, advance: Advance | None = None) -> pd.DataFrame:
        """Logits of every face as it is and with each cover: a row a face and cover."""
        return self._chunks("answers", self._answers, advance)

    def regions(self, advance: Advance | None = None) -> pd.DataFrame:
        """Probability of the explained emotion that is lost with each region: a row a region.

        Beside it stands the same for a random patch that hides as much of the face, and the share
        of the region's pixels that the codebook gives each emotion.
        """
        return self._chunks("regions", self._regions, advance)

    def maps(self, advance: Advance | None = None) -> pd.DataFrame:
        """Maps before and after each occluder and a patch as large: a row a face and cover.

        ``other`` is the mean likeness of the clean map with those of other persons' faces for
        which the same emotion is explained, outside of the occluder; NaN for patches.
        """
        parts = []
        for method in self.methods:
            if method in self.refused:
                continue
            try:
                found = self._maps_of(method, advance)
            except InputError as refusal:
                self.refused[method] = str(refusal)
                continue
            parts.append(found.assign(method=method))
        if not parts:
            raise InputError(
                f"Expected a method that can explain {self.predictor.name}, but all refuse: "
                f"{next(iter(self.refused.values()))}"
            )
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def made_of(self) -> dict[str, Any]:
        """Dependencies of the rows (see :func:`~studies.engine.shards.check_made_of`)."""
        predictor = self.predictor
        return {
            "model": model_digest(predictor.model),
            **faces_digests(self.explained.faces, [predictor.model.size]),
            "methods": {name: code_digest([ATTRIBUTIONS[name]]) for name in self.methods},
            "targets": self.explained.rule,
            "explained": store.array_digest(self.explained.targets.numpy()),
            "seed": self.explained.seed,
            "precision": predictor.precision,
            "device": predictor.device.type,
            "chunk": CHUNK,
            BATCH: predictor.batch_size,
        }

    def _chunks(
        self, what: str, make: Callable[[slice], pd.DataFrame], advance: Advance | None
    ) -> pd.DataFrame:
        parts = []
        for start in range(0, len(self.explained), CHUNK):
            rows = slice(start, min(start + CHUNK, len(self.explained)))
            if self.shards is None:
                part = make(rows)
            else:
                check_made_of(self.shards, self.made_of, shards="*.parquet")
                path = self.shards / f"{what}-{start:06d}.parquet"
                part = store.once_table(path, lambda rows=rows: make(rows))  # type: ignore[misc]
            parts.append(part)
            if advance is not None:
                advance(rows.stop - rows.start)
        return pd.concat(parts, ignore_index=True)

    def _seen(self, rows: slice) -> Seen:
        return Seen(
            self.explained.images(rows),
            self._points[rows],
            ids=self.explained.ids[rows],
            seed=self.explained.seed,
        )

    def _explanations(self, rows: slice) -> dict[str, Tensor]:
        """Maps ``(B, H, W)`` of every method that does not refuse."""
        found = {}
        for name in self.methods:
            if name in self.refused:
                continue
            try:
                found[name] = self.explained.explanation(name, rows).defined_maps
            except InputError as refusal:
                self.refused[name] = str(refusal)
        return found

    def _random_map(self, rows: slice) -> dict[str, Tensor]:
        """A random map of Grad-CAM's resolution; none where the network has no such maps."""
        try:
            return {RANDOM_MAP: self.explained.control("random", rows).maps}
        except InputError:
            return {}

    def _answers(self, rows: slice) -> pd.DataFrame:
        seen = self._seen(rows)
        none = torch.zeros(len(seen.images), *seen.images.shape[-2:], dtype=torch.bool)
        clean = Cover("clean", "", float("nan"), "", 0), Occluded(seen.images, none)
        maps = self._random_map(rows) | self._explanations(rows)
        covered: list[tuple[Cover, Tensor]] = []

        def images() -> Iterator[Tensor]:
            for cover, one in chain([clean], seen.covers(), seen.grids(maps)):
                covered.append((cover, one.masks.flatten(1).sum(dim=1)))
                yield one.images

        total = (1 + N_COVERS + n_grids(maps)) * len(seen.images)
        logits = self.predictor.logits(LazyImages(images(), total)).split(len(seen.images))
        pixels = seen.face_pixels()
        image = float(none[0].numel())
        names = [f"logit {emotion}" for emotion in self.predictor.emotions]
        parts = []
        for (cover, hidden), own in zip(covered, logits, strict=True):
            frame = pd.DataFrame(own.numpy(), columns=names)
            frame.insert(0, "id", list(seen.ids))
            for place, (name, value) in enumerate(cover._asdict().items()):
                frame.insert(place, name, value)
            shares = {"hidden": hidden.float().numpy() / image, "face": pixels / image}
            parts.append(frame.assign(covered=hidden.numpy() > 0, **shares))
        return pd.concat(parts, ignore_index=True)

    def _regions(self, rows: slice) -> pd.DataFrame:
        seen, explained = self._seen(rows), self.explained
        size = explained.size
        regions = face_regions(self._points[rows], size=size)  # (B, R, H, W)
        patches = [seen.patches_of(regions, draw) for draw in range(DRAWS)]
        cache = ScoreCache(self.predictor, seen.images, ids=seen.ids, seed=seen.seed)
        costs = occlusion_cost(
            cache,
            seen.images,
            None,
            explained.targets[rows],
            torch.cat([regions, *patches], dim=1),
            fill=FILL,
            ids=seen.ids,
            seed=seen.seed,
        ).costs.double()
        own, *others = costs.split(len(REGIONS), dim=1)
        others_mean = torch.stack(others).mean(dim=0)  # NaN off the face
        areas = emotion_areas(self._points[rows], size=size, codebook=BOOK)  # (B, E, H, W)
        flat = regions.flatten(2).double()
        inside = torch.einsum("brp,bep->bre", flat, areas.flatten(2).double())
        book = inside / flat.sum(dim=2, keepdim=True)  # (B, R, E)
        parts = []
        for place, name in enumerate(REGIONS):
            frame = pd.DataFrame(
                {
                    "id": seen.ids,
                    "region": name,
                    "target": [EMOTIONS[target] for target in explained.targets[rows].tolist()],
                    "area": flat[:, place].mean(dim=1).numpy(),
                    "cost": own[:, place].numpy(),
                    "patch": others_mean[:, place].numpy(),
                }
            )
            for column, emotion in enumerate(SIX):
                frame[f"book {emotion}"] = book[:, place, column].numpy()
            parts.append(frame)
        return pd.concat(parts, ignore_index=True)

    def _own_masks(self, rows: slice, seen: Seen) -> Tensor:
        """Masks of occluders and patches, made once for all methods and kept a bit a pixel."""
        shape = (len(seen.images), 2 * len(OCCLUDERS), *seen.images.shape[-2:])
        if rows.start not in self._masks:
            self._masks[rows.start] = np.packbits(seen.own_masks().numpy())
        bits = np.unpackbits(self._masks[rows.start], count=int(np.prod(shape)))
        return torch.from_numpy(bits.view(np.bool_)).reshape(shape)

    @counting_maps()
    def _maps_of(self, method: str, advance: Advance | None) -> pd.DataFrame:
        explained = self.explained
        kept: list[Tensor] = []  # made when the first chunk asks for them
        persons = face_groups(explained.faces).tolist()
        others = other_persons(explained.targets, persons)
        explain = explainers(explained, [method], explained.ids, explained.regions)[method]

        def make(rows: slice) -> pd.DataFrame:
            if not kept:
                kept.append(explained.maps(method, chunk=CHUNK))
            clean, seen = kept[0], self._seen(rows)
            masks = self._own_masks(rows, seen)
            cache = ScoreCache(self.predictor, seen.images, ids=seen.ids, seed=seen.seed)
            found = occlusion_stability(
                cache,
                seen.images,
                clean[rows],
                explained.targets[rows],
                masks,
                explain=explain,
                fill=FILL,
                ids=seen.ids,
                seed=seen.seed,
            )
            floor = likeness_of_others(
                clean,
                torch.arange(len(explained))[rows],
                masks[:, : len(OCCLUDERS)],
                others[rows],
            )
            parts = []
            for place, (kind, name) in enumerate(
                (kind, name) for kind in ("occluder", "patch") for name in OCCLUDERS
            ):
                mask = masks[:, place]
                covered = mask.flatten(1).any(dim=1)
                parts.append(
                    pd.DataFrame(
                        {
                            "id": seen.ids,
                            "kind": kind,
                            "name": name,
                            "covered": covered.numpy(),
                            "stays": found.stays[:, place].numpy(),
                            "likeness": found.likeness[:, place].numpy(),
                            "other": floor[:, place].numpy() if kind == "occluder" else np.nan,
                            "before": found.before[:, place].numpy(),
                            "after": found.after[:, place].numpy(),
                            "area": found.areas[:, place].numpy(),
                        }
                    )
                )
            return pd.concat(parts, ignore_index=True)

        return self._chunks(f"maps-{method}", make, advance)
