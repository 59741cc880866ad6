"""Qualities of explanations of one network on one data set: a row a face, method and quality."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fer_xai.data.splits import face_groups
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.landmarks import emotion_areas
from metrics.alignment.cosine import au_cosine
from metrics.consistency.likeness import emotion_likeness
from metrics.core.registry import METRICS
from studies.engine import store
from studies.engine.explained import Explained
from studies.scoreboard.scores import FLOOR, Scoreboard

SIDE = 64
"""Side of the maps and areas that are compared, in pixels, at most."""
CHUNK = 64
"""Faces that are explained together; it changes no row."""
CONSISTENCY, ALIGNMENT = "consistency", "alignment"
"""Qualities that are made of all faces' maps, and of landmarks."""
INFLUENCE = "influence"
"""Column whose spread over persons gives the error of the mean gain."""


class Measured:
    """One network on one data set, explained at the emotions that it names.

    Parameters
    ----------
    explained
        The network and its faces; predicted targets.
    methods, metrics
        Names of attributions, and of metrics of one map.
    folder
        Folder in which rows are kept.

    Raises
    ------
    InputError
        If true emotions are explained: their maps know the label.

    Examples
    --------
    >>> from fer_xai import Predictor, load_model
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> predictor = Predictor(load_model("gimefive", weights="synthetic"), device="cpu")
    >>> Measured(
    ...     Explained(predictor, synthetic_faces(2), rule="true"), ["gradcam"], [], Path("run")
    ... )
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected explanations of the named emotions, got true ones: ...
    """

    def __init__(
        self, explained: Explained, methods: Sequence[str], metrics: Sequence[str], folder: Path
    ) -> None:
        if explained.rule != "predicted":
            raise InputError(
                f"Expected explanations of the named emotions, got {explained.rule} ones: they "
                "know the label, and tell of errors because they were told."
            )
        self.explained, self.methods, self.folder = explained, list(methods), folder
        self.board = Scoreboard(
            methods=self.methods,
            controls=[FLOOR],
            metrics=list(metrics),
            seed=explained.seed,
            chunk=CHUNK,
        )

    def answers(self) -> pd.DataFrame:
        """A row a face: what is named, with which probability, and whether it is right."""
        logits = self.explained.logits.double()
        named = self.explained.predicted
        return pd.DataFrame(
            {
                "id": self.explained.ids,
                "emotion": [EMOTIONS[int(k)] for k in self.explained.faces.labels],
                "named": [EMOTIONS[int(k)] for k in named],
                "right": (named == self.explained.faces.labels).numpy(),
                "confidence": logits.softmax(dim=1).amax(dim=1).numpy(),
                "cluster": face_groups(self.explained.faces),
            }
        )

    def qualities(self, progress: Callable[[int], None]) -> pd.DataFrame:
        """A row a face, method and quality: its value, the floor's, the gain, and its influence.

        The gain is positive where the explanation is better than the floor, whichever direction
        the quality has. The spread of the influence gives the error of the mean gain: it is the
        gain, but for consistency, of which faces share their maps
        (:class:`~metrics.consistency.likeness.EmotionLikeness`).
        """
        scores = self.board.scores(self.explained, shards=self.folder, progress=progress)
        keys = ["id", "metric"]
        floor = scores[scores["method"] == FLOOR].set_index(keys)["value"].rename("floor")
        own = scores[scores["method"].isin(self.methods)].join(floor, on=keys)
        sign = own["metric"].map(lambda name: -1.0 if METRICS[name].better == "lower" else 1.0)
        rows = own.assign(quality=own["metric"], gain=sign * (own["value"] - own["floor"]))
        rows[INFLUENCE] = rows["gain"]
        columns = ["id", "method", "quality", "value", "floor", "gain", INFLUENCE]
        made_of = store.digest([self.board.made_of(self.explained), self.points_digest, SIDE])

        def make() -> pd.DataFrame:
            return pd.concat([self._of_maps(name) for name in self.explaining], ignore_index=True)

        of_maps = store.once_table(self.folder / "maps" / f"{made_of}.parquet", make)
        return pd.concat([rows[columns], of_maps[columns]], ignore_index=True)

    @property
    def explaining(self) -> list[str]:
        """Methods that do not refuse the network."""
        return [name for name in self.methods if name not in self.board.refused]

    @property
    def points_digest(self) -> str | None:
        """Digest of the landmarks."""
        points = self.explained.faces.landmarks
        return None if points is None else store.array_digest(np.asarray(points))

    def _of_maps(self, method: str) -> pd.DataFrame:
        """Consistency and, where landmarks are known, alignment."""
        maps, floor = self._small(method), self._small(None)
        targets = self.explained.targets
        persons = face_groups(self.explained.faces).tolist()
        likeness = emotion_likeness(maps, targets, persons)
        found = {CONSISTENCY: (likeness.own, likeness.others, likeness.influence)}
        if self.explained.faces.landmarks is not None:
            areas = emotion_areas(
                self.explained.faces.landmarks_at(maps.shape[1]), size=maps.shape[1]
            )
            own, chance = alignment(maps, areas, targets), alignment(floor, areas, targets)
            found[ALIGNMENT] = (own, chance, own - chance)
        return pd.concat(
            pd.DataFrame(
                {
                    "id": self.explained.ids,
                    "method": method,
                    "quality": name,
                    "value": value,
                    "floor": chance,
                    "gain": value - chance,
                    INFLUENCE: influence,
                }
            )
            for name, (value, chance, influence) in found.items()
        )

    def _small(self, method: str | None) -> Tensor:
        """Maps ``(N, S, S)`` of a method or, without one, of the floor."""
        parts = []
        for start in range(0, len(self.explained), CHUNK):
            rows = slice(start, min(start + CHUNK, len(self.explained)))
            made = (
                self.explained.control(FLOOR, rows)
                if method is None
                else self.explained.explanation(method, rows)
            )
            maps = made.defined_maps
            if maps.shape[1] > SIDE:
                maps = nn.functional.interpolate(maps[:, None], size=(SIDE, SIDE), mode="area")[
                    :, 0
                ]
            parts.append(maps)
        return torch.cat(parts)


def alignment(maps: Tensor, areas: Tensor, targets: Tensor) -> NDArray[np.float64]:
    """How much more a map lies on its own emotion's area than on those of the others.

    The cosine with the area of the explained emotion's action units, less the mean cosine with the
    areas of the other emotions.

    Parameters
    ----------
    maps
        ``(N, S, S)``.
    areas
        Bool ``(N, 6, S, S)``, in the order of :data:`fer_xai.emotions.SIX`.
    targets
        ``(N,)`` explained emotions; one that is none of the six has no area.

    Returns
    -------
    ndarray
        ``(N,)``; NaN for a face without landmarks or of another emotion, or a map without a
        positive value.

    Examples
    --------
    >>> areas = torch.zeros(1, 6, 2, 2, dtype=torch.bool)
    >>> areas[0, 0, 0], areas[0, 1:, 1] = True, True
    >>> alignment(areas[:, 0].float(), areas, torch.tensor([0])).round(3).tolist()
    [1.0]
    """
    cosines = torch.stack([au_cosine(maps, area) for area in areas.unbind(dim=1)], dim=1)
    place = torch.tensor([SIX.index(name) if name in SIX else -1 for name in EMOTIONS])[targets]
    own = cosines.gather(1, place.clamp(min=0)[:, None])[:, 0]
    others = (cosines.sum(dim=1) - own) / (len(SIX) - 1)
    return torch.where(place >= 0, own - others, torch.nan).double().numpy()


def penultimate(explained: Explained) -> NDArray[np.float32]:
    """Features ``(N, D)`` of all faces: the inputs of the layer that gives the logits.

    Raises
    ------
    InputError
        If the network does not end in a linear layer.

    Examples
    --------
    >>> from fer_xai import Predictor, load_model
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> predictor = Predictor(load_model("gimefive", weights="synthetic"), device="cpu")
    >>> penultimate(Explained(predictor, synthetic_faces(2))).shape
    (2, 1024)
    """
    model = explained.predictor.model
    heads = [
        module
        for module in model.net.modules()
        if isinstance(module, nn.Linear) and module.out_features == len(model.emotions)
    ]
    if not heads:
        raise InputError(
            f"Expected a network that ends in a linear layer of {len(model.emotions)} outputs, "
            f"whose inputs are its features, but {model.name} has none."
        )
    kept: list[Any] = []
    handle = heads[-1].register_forward_pre_hook(
        lambda _, given: kept.append(given[0].float().cpu())
    )
    parts = []
    try:
        with torch.inference_mode():
            for start in range(0, len(explained), CHUNK):
                rows = slice(start, start + CHUNK)
                model(explained.predictor.to_device(explained.images(rows)))
                parts.append(kept[-1].flatten(1))
                kept.clear()
    finally:
        handle.remove()
    return torch.cat(parts).numpy()
