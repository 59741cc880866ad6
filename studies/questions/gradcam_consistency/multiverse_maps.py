"""Maps that the specifications of the consistency study's multiverse share.

They are made once a network, layer and explained output, without their ReLU, and kept as shards.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.names import slug
from fer_xai.scores import Output
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.digests import model_digest
from studies.engine.networks import Network
from studies.engine.shards import BATCH, last_batch_size, with_earlier
from studies.engine.study import Run
from studies.multiverse.factors import Level
from studies.multiverse.maps import OUTPUT, layers_of, signed_cells

TARGETS = tuple(EMOTIONS.index(name) for name in SIX)
"""Emotions that are explained of every face."""


def sets_of_untrained(sets: Sequence[Sequence[Network]]) -> list[Network]:
    """Networks of several floors: the names of all but the first say which floor they are of.

    Parameters
    ----------
    sets
        Trained networks with their floor, once for each level of the factor ``untrained``.

    Examples
    --------
    >>> one = Network(name="tiny@untrained0", architecture="tiny", weights=None, seed=5)
    >>> [network.name for network in sets_of_untrained([[one], [one]])]
    ['tiny@untrained0', 'tiny@untrained0 of floor 1']
    """
    found = list(sets[0])
    for number, networks in enumerate(sets[1:], 1):
        found += [
            dataclasses.replace(one, name=f"{one.name} of floor {number}", first=False)
            for one in networks
            if not one.trained
        ]
    return found


def of_floor(network: Network, number: Level) -> bool:
    """Whether an untrained network is of a floor; the names of the first floor do not say so.

    Examples
    --------
    >>> one = Network(name="tiny@untrained0", architecture="tiny", weights=None, seed=5)
    >>> of_floor(one, 0), of_floor(one, 1)
    (True, False)
    """
    _, of, floor = network.name.partition(" of floor ")
    return not network.trained and (int(floor) if of else 0) == number


class SignedMaps:
    """Signed Grad-CAM of several networks, for all targets of all faces.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(2, size=64)
    >>> maps = SignedMaps(faces, faces, predictor=lambda model, n: Predictor(model, batch_size=2))
    >>> maps.look_at(Network(name="gimefive", architecture="gimefive", weights="synthetic"))
    {}
    """

    def __init__(
        self,
        faces: Faces,
        floor: Faces,
        *,
        predictor: Callable[[FERModel, int | None], Predictor],
    ) -> None:
        """Faces, and how networks are run.

        Parameters
        ----------
        faces, floor
            Faces that are explained, and faces that calibrate untrained networks.
        predictor
            Makes a predictor of a model, with the batch size that the manifest has recorded.
        """
        self.faces, self.floor, self._predictor = faces, floor, predictor
        self._layers: dict[str, dict[Level, str]] = {}
        self._maps: dict[tuple[str, Level, Level], tuple[Tensor, Tensor]] = {}

    def look_at(self, network: Network) -> dict[tuple[str, Level], str]:
        """Find the layers of a trained network's architecture; returns the levels it lacks."""
        predictor = self._predictor(network.load(self.floor), None)
        self._layers[network.architecture], absent = layers_of(predictor)
        return absent

    def of(self, network: Network, levels: Mapping[str, Level]) -> tuple[Tensor, Tensor]:
        """Cells ``(N, K, h, w)`` and logits ``(N, K)`` of a network that was made."""
        return self._maps[network.name, levels["layer"], levels["explained"]]

    def make(self, run: Run, networks: Sequence[Network]) -> None:
        """Make the maps of networks of one architecture, or read them; others are forgotten."""
        self._maps = {}
        layers = self._layers[networks[0].architecture]
        total = len(networks) * len(layers) * len(OUTPUT.levels)
        task = run.bar.add_task(f"maps of {networks[0].architecture}", total=total)
        for network in networks:
            folder = run.folder / "maps" / slug(network.name)
            files = {
                (layer, output): folder / f"{layer}-{output}.npz"
                for layer in layers
                for output in OUTPUT.levels
            }
            known = network.name in run.manifest["networks"]
            ready: Predictor | None = None
            if not known or not all(file.exists() for file in files.values()):
                ready = self._recorded(run, network)
            for (layer, output), file in files.items():
                made = store.once(
                    file, partial(self._explained, network, ready, layers[layer], output)
                )
                cells, logits = (torch.from_numpy(made[name]) for name in ("maps", "logits"))
                self._maps[network.name, layer, output] = (cells, logits)
                run.bar.advance(task)

    def _recorded(self, run: Run, network: Network) -> Predictor:
        """A predictor of a network, which the manifest says something of."""
        model = network.load(self.floor)
        before = run.manifest["networks"].get(network.name, {}).get(BATCH)
        predictor = self._predictor(model, last_batch_size(before))
        layers = self._layers[network.architecture]
        run.manifest["networks"][network.name] = {
            "architecture": network.architecture,
            "weights": network.weights and Path(network.weights).name,
            "seed": None if network.trained else network.seed,
            "sha256": model_digest(model),
            "layers": {str(level): name for level, name in layers.items()},
            **predictor.settings(),
            BATCH: with_earlier(before, predictor.batch_size),
        }
        run.record()
        return predictor

    def _explained(
        self, network: Network, ready: Predictor | None, layer: str, output: Level
    ) -> dict[str, NDArray[Any]]:
        """Maps and logits; a network is loaded where one of its shards was damaged."""
        predictor = ready or self._predictor(network.load(self.floor), None)
        faces = self.faces
        columns = predictor.model.columns(torch.tensor(TARGETS)).expand(len(faces), -1)
        cells = signed_cells(predictor, faces, columns, layer=layer, output=cast("Output", output))
        logits = predictor.logits(faces)[:, columns[0].cpu()]
        return {"maps": cells.numpy(), "logits": logits.cpu().numpy()}
