"""Rows of one network: what it names each face, and how good its explanation is, over chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.landmarks import emotion_areas
from fer_xai.landmarks.codebooks import find_codebook
from metrics import METRICS
from metrics.consistency.likeness import emotion_likeness
from metrics.core.registry import MetricSpec
from studies.engine import store
from studies.engine.explained import Explained
from studies.engine.shards import check_made_of
from studies.scoreboard.scores import FLOOR, Scoreboard
from studies.scoreboard.tables import sign

CHUNK = 32
"""Faces whose rows are written together: what a run that is stopped loses at most."""
SIDE = 16
"""Side of the maps whose likeness is taken, in pixels."""
AREA_SIDE = 64
"""Side of the maps that are held against areas of action units."""
ALIGNMENT, LIKENESS = "au_cosine", "likeness"
CODEBOOK = "emfacs"
MEANS = {
    ALIGNMENT: f"cosine with the area of the named emotion's action units ({CODEBOOK})",
    LIKENESS: "mean Pearson correlation with the maps of other persons' faces that are named the "
    "same emotion, less that with the maps of the other emotions",
}
"""Words for the qualities that are not among the metrics."""


class NetworkRows:
    """Rows of one network, kept as shards.

    Parameters
    ----------
    explained
        The network and its faces; the emotion that it names is explained.
    methods, metrics
        Names of attributions, and of metrics of faithfulness.
    persons
        N labels.
    shards
        Folder in which they are kept.

    Attributes
    ----------
    board
        Methods, metrics and the control.

    Examples
    --------
    >>> import tempfile
    >>> from fer_xai import Predictor, load_model
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(2)
    >>> predictor = Predictor(load_model("gimefive", weights="synthetic"), device="cpu")
    >>> with tempfile.TemporaryDirectory() as place:
    ...     rows = NetworkRows(
    ...         Explained(predictor, faces), ["gradcam"], ["average_drop"], persons=faces.persons,
    ...         shards=Path(place),
    ...     )
    ...     rows.answers()["right"].tolist(), rows.qualities()["quality"].unique().tolist()
    ([True, True], ['average_drop', 'au_cosine', 'likeness'])
    """

    def __init__(
        self,
        explained: Explained,
        methods: Sequence[str],
        metrics: Sequence[str],
        *,
        persons: Sequence[object],
        shards: Path,
    ) -> None:
        self.explained, self.persons, self.shards = explained, persons, shards
        self.board = Scoreboard(
            methods=methods,
            controls=(FLOOR,),
            metrics=metrics,
            targets=explained.rule,
            seed=explained.seed,
            chunk=CHUNK,
        )

    def answers(self) -> pd.DataFrame:
        """A row a face: its emotion, the one that is named, whether it is right, and how surely."""

        def make() -> dict[str, NDArray[np.float32]]:
            return {"logits": self.explained.logits.cpu().numpy()}

        logits = torch.from_numpy(store.once(self.shards / "answers.npz", make)["logits"])
        faces = self.explained.faces
        return pd.DataFrame(
            {
                "id": faces.ids,
                "emotion": list(faces.table["emotion"]),
                "named": [EMOTIONS[int(k)] for k in self.explained.predicted],
                "right": (self.explained.predicted == faces.labels).numpy(),
                "confidence": logits.softmax(dim=1).amax(dim=1).double().numpy(),
            }
        )

    def qualities(self, advance: Callable[[int], None] = lambda _: None) -> pd.DataFrame:
        """A row a face, method and quality: the score less the control's, so that more is better.

        Parameters
        ----------
        advance
            Called with the number of faces done.
        """
        scored = self.board.scores(self.explained, shards=self.shards / "scores", progress=advance)
        parts = [_over_control(scored, spec) for spec in self.board.specs]
        for method in self.board.methods:
            if method not in self.board.refused:
                parts.append(self._of_maps(method))
        return pd.concat(parts, ignore_index=True)

    def _of_maps(self, method: str) -> pd.DataFrame:
        """Alignment and likeness, from small maps that are kept."""
        folder = self.shards / "maps"
        made_of = self.board.made_of(self.explained)
        check_made_of(folder, made_of, write=False, shards="*.npz")
        parts = []
        for start in range(0, len(self.explained), CHUNK):
            rows = slice(start, min(start + CHUNK, len(self.explained)))

            def make(rows: slice = rows) -> dict[str, NDArray[np.float32]]:
                found = self._small(method, rows)
                check_made_of(folder, made_of, shards="*.npz")
                return found

            parts.append(store.once(folder / f"{method}-{start:06d}.npz", make))
        maps = torch.from_numpy(np.concatenate([part["maps"] for part in parts]))
        likeness = emotion_likeness(maps, self.explained.targets, self.persons)
        found = {ALIGNMENT: np.concatenate([part[ALIGNMENT] for part in parts])}
        if self.explained.faces.landmarks is None:
            del found[ALIGNMENT]
        found[LIKENESS] = likeness.gain
        return pd.concat(
            [
                pd.DataFrame(
                    {"id": self.explained.ids, "method": method, "quality": name, "value": values}
                )
                for name, values in found.items()
            ],
            ignore_index=True,
        )

    def _small(self, method: str, rows: slice) -> dict[str, NDArray[np.float32]]:
        """Small maps of some faces, and their alignment less that of the control."""
        own = self.explained.explanation(method, rows).defined_maps[:, None].float().cpu()
        control = self.explained.control(FLOOR, rows).maps[:, None].float().cpu()
        areas = self._areas(rows)
        gain = np.full(len(own), np.nan, dtype=np.float32)
        if areas is not None:
            fn = METRICS[ALIGNMENT].fn
            score, floor = (
                fn(F.interpolate(maps, (AREA_SIDE, AREA_SIDE), mode="bilinear")[:, 0], areas)
                for maps in (own, control)
            )
            gain = (score - floor).numpy().astype(np.float32)
        return {"maps": F.adaptive_avg_pool2d(own, SIDE)[:, 0].numpy(), ALIGNMENT: gain}

    def _areas(self, rows: slice) -> Tensor | None:
        """Bool ``(n, 64, 64)``: where the named emotion shows; all false where it is unknown."""
        faces = self.explained.faces
        if faces.landmarks is None:
            return None
        targets = self.explained.targets[rows]
        known = tuple(name for name in EMOTIONS if name in find_codebook(CODEBOOK))
        areas = emotion_areas(
            faces.landmarks_at(AREA_SIDE)[rows], size=AREA_SIDE, emotions=known, codebook=CODEBOOK
        )
        place = torch.tensor([known.index(e) if e in known else -1 for e in EMOTIONS])[targets]
        own = areas[torch.arange(len(areas)), place.clamp(min=0)]
        return own & (place >= 0)[:, None, None]


def _over_control(scored: pd.DataFrame, spec: MetricSpec) -> pd.DataFrame:
    """Scores of methods less those of the control, turned so that more is better."""
    own = scored[scored["metric"] == spec.name]
    floor = own[own["method"] == FLOOR].set_index("id")["value"]
    rest = own[own["method"] != FLOOR]
    gain = sign(spec) * (rest["value"].to_numpy() - floor.loc[rest["id"]].to_numpy())
    return pd.DataFrame(
        {"id": rest["id"].to_numpy(), "method": rest["method"].to_numpy(), "quality": spec.name}
    ).assign(value=gain)


def check_metrics(names: Sequence[str]) -> None:
    """Refuse metrics that need more than a map and the network, or have no better direction.

    Raises
    ------
    InputError
        For such a metric.

    Examples
    --------
    >>> check_metrics(["road"])
    >>> check_metrics(["gini"])
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected metrics of faithfulness, of a map and the network alone, ...
    """
    needs = {"model", "images", "maps", "targets", "ids", "seed"}
    for name in names:
        spec = METRICS[name]
        if spec.family != "faithfulness" or set(spec.needs) - needs:
            raise InputError(
                "Expected metrics of faithfulness, of a map and the network alone, got "
                f"{name}: leave it out."
            )
