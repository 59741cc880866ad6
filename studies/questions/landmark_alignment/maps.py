"""The work of the alignment study: maps of all targets, scored and kept as shards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.attributions import ATTRIBUTIONS
from fer_xai.attributions.raw_maps import attribute
from fer_xai.data.splits import face_groups
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from fer_xai.models import FERModel
from fer_xai.names import slug
from fer_xai.types import Faces
from metrics.alignment.mass import energy_gain
from studies.engine import store
from studies.engine.digests import model_digest
from studies.engine.explained import MATCHED_TO, TargetRule
from studies.engine.networks import Network
from studies.engine.shards import BATCH, last_batch_size, say_batch_size, with_earlier
from studies.engine.study import Run
from studies.questions.landmark_alignment.areas import SIZE, EmotionAreas, Rows
from studies.questions.landmark_alignment.scores import (
    ceilings,
    on_other_faces,
    own_scores,
    similarities,
    sized,
)

CHUNK = 256
"""Number of faces in a shard."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """Scores of all faces by one method of one network.

    Attributes
    ----------
    likeness
        ``(V, N, C, C)``: maps of all targets against areas of all emotions, by choice.
    scores
        ``(N, M)``: scores of the map of each face's own target.
    gains
        ``(N, R)``: how dense that map is in each facial region, over the image.
    maps
        ``(N, C, h, w)``, at the method's own resolution or at :data:`SIZE`, for trained networks.

    Examples
    --------
    >>> Scored(likeness=torch.ones(1, 1, 2, 2), scores=torch.ones(1, 8), gains=torch.ones(1, 8)
    ... ).maps is None
    True
    """

    likeness: Tensor
    scores: Tensor
    gains: Tensor
    maps: Tensor | None = None


class Job:
    """Maps and scores of the networks of one run.

    Examples
    --------
    >>> from rich.progress import Progress
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> from fer_xai.emotions import SIX
    >>> from studies.questions.landmark_alignment.areas import choices
    >>> faces, asked = synthetic_faces(2), choices("fer_xai", "emfacs", SIX)
    >>> job = Job(
    ...     Run(folder=Path("results"), manifest={"networks": {}}, bar=Progress()),
    ...     faces,
    ...     faces,
    ...     [],
    ...     methods=["gradcam"],
    ...     areas=EmotionAreas(faces.landmarks_at(SIZE), SIX, asked),
    ...     rule="predicted",
    ...     seed=0,
    ...     predictor=lambda model, _: Predictor(model),
    ... )
    >>> job.work(), job.regions.shape
    ({}, torch.Size([2, 8, 64, 64]))
    """

    def __init__(
        self,
        run: Run,
        faces: Faces,
        floor: Faces,
        networks: Sequence[Network],
        *,
        methods: Sequence[str],
        areas: EmotionAreas,
        rule: TargetRule,
        seed: int,
        predictor: Callable[[FERModel, int | None], Predictor],
    ) -> None:
        """A job of a run that has been opened.

        Parameters
        ----------
        run
            Its folder, manifest and progress.
        faces, floor
            Faces that are explained, all with landmarks; faces that calibrate untrained networks.
        networks
            Trained and untrained ones.
        methods
            Attributions; Grad-CAM is among them, since controls imitate it.
        areas
            Areas of all faces.
        rule
            Whether a face's own target is what the trained network names, or its label.
        seed
            Seed of random methods and controls.
        predictor
            Makes a predictor of a model, with the batch size that the manifest has recorded.
        """
        self.run, self.faces, self.floor, self.networks = run, faces, floor, networks
        self.methods, self.areas, self.rule, self.seed = methods, areas, rule, seed
        self.emotions = areas.emotions
        self._predictor = predictor
        self.regions = face_regions(faces.landmarks_at(SIZE), size=SIZE)  # (N, R, SIZE, SIZE)
        self.clusters: list[int] = face_groups(faces).tolist()
        self.labels = torch.tensor([EMOTIONS.index(name) for name in self.emotions])
        self.targets: dict[str, Tensor] = {}  # by architecture: which emotion of these, (N,)

    def described(self, network: Network) -> dict[str, Any]:
        """What the manifest says of a network."""
        found: dict[str, Any] = self.run.manifest["networks"].setdefault(network.name, {})
        return found

    def loaded(self, network: Network) -> Predictor:
        """A predictor of a network, described in the manifest."""
        known = self.described(network)
        before = known.get("predictor", {}).get(BATCH)
        model = network.load(self.floor)
        predictor = self._predictor(model, last_batch_size(before))
        together = with_earlier(before, predictor.batch_size)
        known.update(
            {
                "architecture": network.architecture,
                "weights": network.weights and Path(network.weights).name,
                "seed": None if network.trained else network.seed,
                "sha256": model_digest(model),
                "predictor": predictor.settings() | {BATCH: together},
            }
        )
        known.setdefault("methods", {})
        known.setdefault("refused", {})
        self.run.record()
        if before not in (None, together):
            say_batch_size(self.run.folder, before, predictor.batch_size)
        return predictor

    def columns(self, predictor: Predictor, n: int) -> Tensor:
        """``(n, C)``: output columns of all compared emotions."""
        return predictor.model.columns(self.labels).expand(n, -1)

    def work(self) -> dict[str, dict[str, Scored]]:
        """Scores of every network and method, made or read; by network, then method.

        Raises
        ------
        InputError
            If a network has no Grad-CAM maps.
        """
        found: dict[str, dict[str, Scored]] = {}
        for network in self.networks:
            predictor = None
            if not self._complete(network):
                predictor = self.loaded(network)
            if network.trained:
                self._find_targets(network, predictor)
            task = self.run.bar.add_task(f"{network.name}: methods", total=len(self.methods))
            own: dict[str, Scored] = {}
            for method in self.methods:
                scored = self._method(network, predictor, method)
                if scored is not None:
                    own[method] = scored
                self.run.bar.advance(task)
            found[network.name] = own
        return found

    def _complete(self, network: Network) -> bool:
        known = self.run.manifest["networks"].get(network.name, {})
        methods = [m for m in self.methods if m not in known.get("refused", {})]
        files = [self.file(network, m, start) for m in methods for start in self.starts()]
        if network.trained:
            files.append(self._targets_file(network))
        return bool(known) and all(file.exists() for file in files)

    def starts(self) -> range:
        """Positions of the first face of each shard."""
        return range(0, len(self.faces), CHUNK)

    def file(self, network: Network, method: str, start: int) -> Path:
        """Where a shard lies."""
        folder = self.run.folder / "shards" / slug(network.name)
        return folder / f"{slug(method)}-{start:06d}.npz"

    def _targets_file(self, network: Network) -> Path:
        return self.run.folder / "shards" / slug(network.name) / "logits.npz"

    def _find_targets(self, network: Network, predictor: Predictor | None) -> None:
        def make() -> dict[str, NDArray[Any]]:
            used = predictor or self.loaded(network)
            logits = used.logits(self.faces)[:, self.columns(used, 1)[0]]
            return {"logits": logits.numpy()}

        logits = torch.from_numpy(store.once(self._targets_file(network), make)["logits"])
        predicted = logits.argmax(dim=1)
        shown = (self.faces.labels[:, None] == self.labels).int().argmax(dim=1)
        self.targets[network.architecture] = predicted if self.rule == "predicted" else shown
        right = float((predicted == shown).double().mean())
        self.described(network)["accuracy on these faces"] = round(right, 4)

    def _method(self, network: Network, predictor: Predictor | None, method: str) -> Scored | None:
        known = self.described(network)
        if method in known.get("refused", {}):
            return None

        def make(start: int) -> dict[str, NDArray[Any]]:
            used = predictor or self.loaded(network)
            rows = slice(start, start + CHUNK)
            images = self.faces.pixels(used.model.size, rows)
            made = attribute(
                used,
                images,
                self.columns(used, len(images)),
                method=method,
                ids=self.faces.ids[rows],
                seed=self.seed,
            )
            cells = made.defined_cells.cpu()
            return self.scored(network, cells, rows)

        try:
            if predictor is not None and method not in known["methods"]:
                known["methods"][method] = dict(ATTRIBUTIONS[method].params(predictor))
                self.run.record()
            parts = [
                store.once(self.file(network, method, start), partial(make, start))
                for start in self.starts()
            ]
        except InputError as refusal:
            if method == MATCHED_TO:
                raise
            known.setdefault("refused", {})[method] = str(refusal)
            self.run.record()
            return None
        return joined(parts)

    def scored(self, network: Network, cells: Tensor, rows: Rows) -> dict[str, NDArray[Any]]:
        """Arrays of :class:`Scored`, of maps ``(n, C, h, w)`` of some faces."""
        if max(cells.shape[-2:]) > SIZE:
            cells = sized(cells)
        maps = sized(cells)
        targets = self.targets[network.architecture][rows]
        own = maps[torch.arange(len(maps)), targets]
        regions = self.regions[rows]
        by_region = energy_gain(own, {str(r): regions[:, r] for r in range(regions.shape[1])})
        found = {
            "likeness": similarities(maps, self.areas, rows).numpy(),
            "scores": own_scores(own, self.areas.own(targets, rows), regions).numpy(),
            "gains": torch.stack(list(by_region.values()), dim=1).numpy(),
        }
        return found | ({"maps": cells.numpy()} if network.trained else {})

    def floors(self, network: Network, method: str, scored: Scored) -> Mapping[str, Tensor]:
        """Mean scores ``(N,)`` of a method's maps on other faces' areas, by metric."""
        assert scored.maps is not None
        targets = self.targets[network.architecture]
        file = self.run.folder / "shards" / slug(network.name) / f"{slug(method)}-others.npz"
        maps = sized(scored.maps[torch.arange(len(targets)), targets][:, None])[:, 0]

        def make() -> dict[str, NDArray[Any]]:
            found = on_other_faces(maps, self.areas.own(targets), targets, self.clusters)
            return {name: values.numpy() for name, values in found.items()}

        return {name: torch.from_numpy(v) for name, v in store.once(file, make).items()}

    def ceilings(self, network: Network, matched: Scored) -> dict[str, NDArray[Any]]:
        """The best that maps of Grad-CAM's cells can score ``(N,)``, by metric and ``contrast``."""
        assert matched.maps is not None
        grid = (matched.maps.shape[-2], matched.maps.shape[-1])
        file = self.run.folder / "shards" / slug(network.name) / "ceilings.npz"

        def make() -> dict[str, NDArray[Any]]:
            every = self.areas.of(self.areas.choices[0])
            scores, contrast = ceilings(
                self.areas.own(self.targets[network.architecture]), every, grid
            )
            return {**{n: v.numpy() for n, v in scores.items()}, "contrast": contrast.numpy()}

        return store.once(file, make)


def joined(parts: Sequence[Mapping[str, NDArray[Any]]]) -> Scored:
    """The scores of all faces, from those of chunks.

    Examples
    --------
    >>> part = {"likeness": np.ones((9, 2, 6, 6)), "scores": np.ones((2, 8))}
    >>> joined([part | {"gains": np.ones((2, 8))}] * 3).likeness.shape
    torch.Size([9, 6, 6, 6])
    """

    def of(name: str, axis: int = 0) -> Tensor:
        return torch.from_numpy(np.concatenate([part[name] for part in parts], axis=axis))

    return Scored(
        likeness=of("likeness", 1),
        scores=of("scores"),
        gains=of("gains"),
        maps=of("maps") if "maps" in parts[0] else None,
    )
