"""The work of the consistency study: maps a network, kept as shards, then scores.

Every file is written once and read back, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.attributions import ATTRIBUTIONS, CONTROLS, ControlInputs, control_maps, native_maps
from fer_xai.checks import name_or_unknown
from fer_xai.data.splits import face_groups
from fer_xai.files import read_arrays, write_arrays
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions, register
from fer_xai.landmarks.registration import Kind
from fer_xai.models import FERModel
from fer_xai.names import slug
from fer_xai.perturb.moves import moves
from fer_xai.types import Faces, undefined_maps
from studies.engine import store
from studies.engine.digests import model_digest
from studies.engine.networks import Network
from studies.engine.shards import BATCH, last_batch_size, say_batch_size, with_earlier
from studies.engine.study import Run, face_table
from studies.questions.gradcam_consistency.inputs import FaceSet, NetworkMaps
from studies.questions.gradcam_consistency.scores import MATCHED_TO, Scorer
from studies.questions.gradcam_consistency.shared import Shared, defined_maps, shared_emotions
from studies.scoreboard.consistency import SIZE

CHUNK = 256
"""Faces a shard of maps."""


def move_names() -> list[str]:
    """Names of the moves, the same for every cell size."""
    return [move.name for move in moves(0.25)]


class Job:
    """One run: maps first, then scores a network and method, each kept as a shard."""

    def __init__(
        self,
        run: Run,
        faces: Faces,
        floor: Faces,
        networks: Sequence[Network],
        *,
        methods: Mapping[str, Sequence[str]],
        targets: tuple[int, ...],
        registration: Kind,
        n_moved: int,
        seed: int,
        predictor: Callable[[FERModel, int | None], Predictor],
    ) -> None:
        """A job of a run that has been opened.

        Parameters
        ----------
        run
            Its folder, manifest and progress.
        faces, floor
            Faces that are explained, and faces that calibrate untrained networks.
        networks
            Trained and untrained ones.
        methods
            Attributions of each network, by the network's name.
        targets
            Emotions that are explained of each face, and that networks are compared over.
        registration
            How maps are brought to the canonical face.
        n_moved
            Number of faces on which self-consistency is measured.
        seed
            Seed of samples, controls and permutations.
        predictor
            Makes a predictor of a model, with the batch size that the manifest has recorded.
        """
        self.run, self.faces, self.floor, self.networks = run, faces, floor, networks
        self.folder, self.manifest, self.bar = run.folder, run.manifest, run.bar
        self.methods, self.n_moved, self.seed = methods, n_moved, seed
        self._predictor = predictor
        self._shared: dict[tuple[str, str], dict[str, Shared]] = {}
        points = faces.landmarks_at(SIZE)
        sample = faces.limit(max(1, n_moved), seed=seed)
        position = {face: index for index, face in enumerate(faces.ids)}
        self.face_set = FaceSet(
            ids=faces.ids,
            labels=faces.labels,
            targets=targets,
            emotions=tuple(faces.emotions),
            clusters=face_groups(faces),
            blocks=[name_or_unknown(group) for group in faces.table["group"]],
            regions=face_regions(points, size=SIZE),
            registration=register(points, size=SIZE, kind=registration),
            unregistered=register(points, size=SIZE, kind="none"),
            moved=np.array([position[face] for face in sample.ids]),
            seed=seed,
        )

    # -- maps ---------------------------------------------------------------------------------

    def make_maps(self) -> None:
        """Maps of every network by every method, for all targets; and of moved faces."""
        for network in self.networks:
            todo = [path for path in self._map_files(network) if not path.exists()]
            known = self.manifest["networks"].get(network.name, {})
            if not todo and known:
                continue
            model = network.load(self.floor)
            before = known.get("predictor", {}).get(BATCH)
            predictor = self._predictor(model, last_batch_size(before))
            self._record(network, model, predictor, before)
            task = self.bar.add_task(f"maps of {network.name}", total=self._faces_to_map(network))
            for method in self.methods[network.name]:
                for start in range(0, len(self.faces), CHUNK):
                    self._map_shard(network, predictor, method, start)
                    self.bar.advance(task, min(CHUNK, len(self.faces) - start))
                if self.is_moved(network, method):
                    for move in moves(self._cell(network)):
                        self._moved_shard(network, predictor, method, move.name)
                        self.bar.advance(task, len(self.face_set.moved))

    def _faces_to_map(self, network: Network) -> int:
        methods = self.methods[network.name]
        moved = sum(self.is_moved(network, method) for method in methods) * len(move_names())
        return len(self.faces) * len(methods) + len(self.face_set.moved) * moved

    def is_moved(self, network: Network, method: str) -> bool:
        """Whether self-consistency is measured: for trained networks and one untrained each."""
        chosen = network.trained or network.first
        return self.n_moved > 0 and method == MATCHED_TO and chosen

    def _map_files(self, network: Network) -> list[Path]:
        files = []
        for method in self.methods[network.name]:
            files += [self.file(network, method, str(s)) for s in range(0, len(self.faces), CHUNK)]
            if self.is_moved(network, method):
                files += [self.file(network, method, name) for name in move_names()]
        return files

    def file(self, network: Network, method: str, part: str) -> Path:
        """Where a shard of maps lies: by first face, or by the name of a move."""
        name = part if part.isdigit() else "moved-" + "".join(c for c in part if c.isalnum())
        sign = "-minus" if "-" in part else ""
        return (
            self.folder / "maps" / slug(network.name) / f"{slug(method)}-{name.zfill(6)}{sign}.npz"
        )

    def _record(
        self, network: Network, model: FERModel, predictor: Predictor, earlier: int | str | None
    ) -> None:
        together = with_earlier(earlier, predictor.batch_size)
        self.manifest["networks"][network.name] = {
            "architecture": network.architecture,
            "weights": network.weights and Path(network.weights).name,
            "seed": None if network.trained else network.seed,
            "sha256": model_digest(model),
            "predictor": predictor.settings() | {BATCH: together},
            "methods": {
                method: dict(ATTRIBUTIONS[method].params(predictor))
                for method in self.methods[network.name]
            },
        }
        self.run.record()
        if earlier not in (None, together):
            say_batch_size(self.folder, earlier, predictor.batch_size)

    def _columns(self, predictor: Predictor, n: int) -> Tensor:
        return predictor.model.columns(torch.tensor(self.face_set.targets)).expand(n, -1)  # (n, K)

    def _map_shard(self, network: Network, predictor: Predictor, method: str, start: int) -> None:
        def make() -> dict[str, NDArray[Any]]:
            images = self.faces.pixels(predictor.model.size, slice(start, start + CHUNK))
            cells = native_maps(
                predictor, images, self._columns(predictor, len(images)), method=method
            )
            logits = predictor.logits(images)[:, self._columns(predictor, 1)[0]]
            return {"maps": cells.numpy(), "logits": logits.numpy()}

        store.once(self.file(network, method, str(start)), make)

    def _moved_shard(self, network: Network, predictor: Predictor, method: str, name: str) -> None:
        move = next(m for m in moves(self._cell(network)) if m.name == name)

        def make() -> dict[str, NDArray[Any]]:
            images = self.faces.pixels(predictor.model.size, self.face_set.moved)
            changed = move.image(images.float() / 255)
            cells = native_maps(
                predictor, changed, self._columns(predictor, len(images)), method=method
            )
            return {"maps": cells.numpy()}

        store.once(self.file(network, method, name), make)

    def _cell(self, network: Network) -> float:
        """Side of a CAM cell, as a share of the image."""
        first = read_arrays(self.file(network, MATCHED_TO, "0"))
        return 1.0 / float(first["maps"].shape[-1])

    def maps(self, network: Network, method: str) -> tuple[Tensor, Tensor]:
        """Maps ``(N, K, h, w)`` and logits ``(N, K)`` of all faces, as they were written."""
        parts = [
            read_arrays(self.file(network, method, str(start)))
            for start in range(0, len(self.faces), CHUNK)
        ]
        return (
            torch.cat([torch.from_numpy(part["maps"]) for part in parts]),
            torch.cat([torch.from_numpy(part["logits"]) for part in parts]),
        )

    def common(self, network: Network) -> NDArray[np.bool_]:
        """``(N, K)``: faces and targets with a map in every network of an architecture."""
        alike = [n for n in self.networks if n.architecture == network.architecture]
        every = [self.maps(n, MATCHED_TO)[0] for n in alike]
        lost = [(maps == 0).flatten(2).all(dim=2) | undefined_maps(maps) for maps in every]
        return ~torch.stack(lost).any(dim=0).numpy()

    def shared(self, network: Network, method: str) -> dict[str, Shared]:
        """By subset of faces, the emotions over which networks of an architecture are compared."""
        key = network.architecture, method
        if key not in self._shared:
            alike = [n for n in self.networks if n.architecture == network.architecture]
            every = [self.maps(n, method)[0] for n in alike if method in self.methods[n.name]]
            faces = self.face_set
            have = [defined_maps(cells, faces.registration) for cells in every]
            found = {"all": have}
            if method == MATCHED_TO:
                common, right = self.common(network), self._right(network)[:, None]
                found["common"] = [one & common for one in have]
                found["correct"] = [one & right for one in have]
                found["template"] = [defined_maps(cells, faces.unregistered) for cells in every]
            self._shared[key] = {
                subset: shared_emotions(defined, faces.labels, faces.clusters)
                for subset, defined in found.items()
            }
        return self._shared[key]

    # -- scores -------------------------------------------------------------------------------

    def score(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Rows of every network and method: (one a face and metric, one a set and metric)."""
        jobs: list[tuple[Network, str]] = []
        for network in self.networks:
            jobs += [(network, method) for method in self.methods[network.name]]
            if network.trained:
                jobs += [(network, control) for control in CONTROLS]
        task = self.bar.add_task("scores", total=len(jobs))
        rows, sets, means = [], [], {}
        for network, method in jobs:
            stem = f"{slug(network.name)}-{slug(method)}"
            shards = self.folder / "shards"
            files = [shards / f"{stem}-{kind}.parquet" for kind in ("faces", "sets")]
            mean_file = shards / f"{stem}-mean.npz"
            if not all(file.exists() for file in (*files, mean_file)):
                made = self._score_one(network, method)
                write_arrays(mean_file, made[2])
                store.write_table(files[0], made[0])
                store.write_table(files[1], made[1])
            rows.append(store.read_table(files[0]))
            sets.append(store.read_table(files[1]))
            means[f"{network.name}/{method}"] = read_arrays(mean_file)["mean"]
            self.bar.advance(task)
        all_rows = pd.concat(rows, ignore_index=True)
        all_sets = pd.concat(sets, ignore_index=True)
        for column in all_rows.columns.difference(["value"]):
            all_rows[column] = all_rows[column].astype("category")
        self.run.keep("scores", all_rows)
        self.run.keep("sets", all_sets)
        write_arrays(self.folder / "mean_maps.npz", means)
        self.run.keep("faces", self._face_table())
        return all_rows, all_sets

    def _score_one(
        self, network: Network, method: str
    ) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, NDArray[Any]]]:
        base, logits = self.maps(network, MATCHED_TO if method in CONTROLS else method)
        cells = base
        if method in CONTROLS:
            cells = control_maps(
                method,
                ControlInputs(
                    maps=base,
                    labels=self.face_set.labels,
                    ids=self.faces.ids,
                    pixels=self.faces.sliced(SIZE),
                    seed=self.seed,
                ),
            )
        maps = NetworkMaps(
            network=network,
            method=method,
            cells=cells,
            logits=logits,
            common=self.common(network) if method == MATCHED_TO else None,
            right=self._right(network) if method == MATCHED_TO else None,
            moved=self._moved_maps(network, method),
            shared=self.shared(network, MATCHED_TO if method in CONTROLS else method),
        )
        return Scorer(self.face_set, maps).run()

    def _right(self, network: Network) -> NDArray[np.bool_]:
        """Faces ``(N,)`` that the trained network of an architecture has right."""
        trained = next(
            n for n in self.networks if n.architecture == network.architecture and n.trained
        )
        predicted = self.maps(trained, MATCHED_TO)[1].argmax(dim=1)
        right = torch.tensor(self.face_set.targets)[predicted] == self.face_set.labels
        return np.asarray(right.numpy())

    def _moved_maps(self, network: Network, method: str) -> dict[str, Tensor]:
        if not self.is_moved(network, method):
            return {}
        return {
            name: torch.from_numpy(read_arrays(self.file(network, method, name))["maps"])
            for name in move_names()
        }

    def _face_table(self) -> pd.DataFrame:
        """Who was scored: for the unit of every interval, and for what was left out."""
        known = self.face_set.registration.known.numpy()
        return face_table(self.faces).assign(group=self.face_set.blocks, registered=known)
