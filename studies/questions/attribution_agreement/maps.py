"""Maps of one network by every method and control, and how far they agree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.attributions import ATTRIBUTIONS, CONTROLS
from fer_xai.attributions.shapley import RegionShapley
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import REGIONS
from fer_xai.models import FERModel
from fer_xai.names import slug
from fer_xai.types import Faces
from metrics.agreement import pixel_agreement
from metrics.core.similarity import region_agreement, region_sums
from studies.engine import store
from studies.engine.explained import Explained
from studies.engine.networks import Network
from studies.engine.study import Run
from studies.questions.attribution_agreement.tables import SHAPLEY

SIZE = 64
"""Side of the maps that are compared, in pixels."""


def judged(methods: Sequence[str], fills: Sequence[str]) -> list[str]:
    """Attributions that Shapley values can judge, by a fill that they do not start from."""
    return [
        name
        for name in methods
        if name != SHAPLEY and not set(fills) <= set(ATTRIBUTIONS[name].fills)
    ]


class Job:
    """Maps and rows of one network."""

    def __init__(
        self,
        run: Run,
        network: Network,
        model: FERModel,
        faces: Faces,
        *,
        methods: Sequence[str],
        fills: Sequence[str],
        seed: int,
        device: str,
    ) -> None:
        self.run, self.network, self.faces = run, network, faces
        self.fills, self.seed = fills, seed
        self.predictor = Predictor(model, device=device, batch_size=16)
        self.explained = Explained(self.predictor, faces, size=SIZE, seed=seed)
        self.targets = self.explained.targets  # (N,)
        assert self.explained.regions is not None  # faces without landmarks were left out
        self.regions = self.explained.regions  # (N, R, SIZE, SIZE)
        self.described = run.manifest["networks"].setdefault(
            network.name,
            {"weights": Path(str(network.weights)).name, "methods": {}, "refused": {}},
        )
        right = (self.targets == faces.labels).float().mean()
        self.described["accuracy on these faces"] = round(float(right), 4)

        self.maps: dict[str, Tensor] = {}
        self.again: dict[str, Tensor] = {}
        asked = [name for name in methods if name != SHAPLEY]
        self.judged = set(judged(methods, fills))
        self.names = [*asked, *(name for name in CONTROLS if name not in asked)]
        self.task = run.bar.add_task(f"{network.name}: methods", total=len(self.names) + 1)

    def explain(self) -> None:
        """Maps of methods and controls.

        Raises
        ------
        InputError
            If no method is left that could be judged.
        """
        for name in self.names:
            if name in CONTROLS and not self.maps.keys() & self.judged:
                raise InputError(
                    f"Expected an attribution of {self.network.name} that can be held against "
                    f"{SHAPLEY}, but all refuse: {next(iter(self.described['refused'].values()))}"
                )
            found = self._maps(name, self.seed)
            if found is not None:
                self.maps[name] = found
                random = name in ("random", "signed_random", "shuffled") or (
                    name in ATTRIBUTIONS and ATTRIBUTIONS[name].random
                )
                if random:
                    second = self._maps(name, self.seed + 1)
                    assert second is not None
                    self.again[name] = second
            self.run.bar.advance(self.task)

    def rows(self) -> pd.DataFrame:
        """One row a face and comparison."""
        shapley = {fill: self._shapley(fill) for fill in self.fills}
        self.run.bar.advance(self.task)
        self.run.record()
        return pd.concat(
            [
                self._with_shapley(self.maps, shapley),
                self._with_each_other(self.maps, shapley),
                self._with_themselves(self.maps, self.again),
            ],
            ignore_index=True,
        )

    def _file(self, name: str) -> Path:
        return self.run.folder / "maps" / slug(self.network.name) / f"{slug(name)}.npz"

    def _shapley(self, fill: str) -> dict[str, NDArray[Any]]:
        """Exact values ``(N, R)`` and their map, ``(N, SIZE, SIZE)``."""

        def make() -> dict[str, NDArray[Any]]:
            found = self.explained.explanation(RegionShapley(fill=fill))
            assert found.values is not None
            values = torch.where(found.undefined[:, None], torch.nan, found.values)
            return {"maps": found.defined_maps.numpy(), "values": values.numpy()}

        return store.once(self._file(f"{SHAPLEY}-{fill}"), make)

    def _maps(self, name: str, seed: int) -> Tensor | None:
        """Maps ``(N, SIZE, SIZE)``, or None where the method refuses the model."""
        if name in self.described["refused"]:
            return None

        def make() -> dict[str, NDArray[Any]]:
            source = self.explained
            found = (source.control if name in CONTROLS else source.explanation)(name, seed=seed)
            return {"maps": found.defined_maps.numpy()}

        try:
            if name in ATTRIBUTIONS and name not in self.described["methods"]:
                self.described["methods"][name] = {
                    **ATTRIBUTIONS[name].params(self.predictor),
                    "passes": ATTRIBUTIONS[name].passes(self.predictor, regions=len(REGIONS)),
                    "starts from": list(ATTRIBUTIONS[name].fills),
                }
            return torch.from_numpy(store.once(self._file(f"{name}-seed{seed}"), make)["maps"])
        except InputError as refusal:
            self.described["refused"][name] = str(refusal)
            return None

    def _rows(self, kind: str, one: str, two: str, values: NDArray[Any]) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "id": self.faces.ids,
                "model": self.network.name,
                "target": [EMOTIONS[int(t)] for t in self.targets],
                "comparison": kind,
                "attribution": one,
                "with": two,
                "value": values.astype(np.float64),
            }
        )

    def _with_shapley(
        self, maps: dict[str, Tensor], shapley: dict[str, dict[str, NDArray[Any]]]
    ) -> pd.DataFrame:
        parts = []
        values = {fill: torch.from_numpy(found["values"]) for fill, found in shapley.items()}
        there = self.regions.flatten(2).any(dim=2)
        values = {fill: torch.where(there, v, torch.nan) for fill, v in values.items()}
        for one, two in combinations(values, 2):
            agreed = region_agreement(values[one], values[two])
            parts.append(self._rows("fills", one, two, agreed))
        for name, found in maps.items():
            sums = region_sums(found, self.regions)
            own = ATTRIBUTIONS[name].fills if name in ATTRIBUTIONS else ()
            # with its own it would be held against itself, in part
            others = {fill: exact for fill, exact in values.items() if fill not in own}
            for fill, exact in others.items():
                parts.append(self._rows("shapley", name, fill, region_agreement(sums, exact)))
            if not others:
                nothing = np.full(len(self.faces), np.nan)
                parts.append(self._rows("shapley", name, "no other", nothing))
        return pd.concat(parts, ignore_index=True)

    def _with_each_other(
        self, maps: dict[str, Tensor], shapley: dict[str, dict[str, NDArray[Any]]]
    ) -> pd.DataFrame:
        exact = np.mean([found["maps"] for found in shapley.values()], axis=0)
        every = maps | {SHAPLEY: torch.from_numpy(exact)}
        agreed = pixel_agreement(torch.stack(list(every.values()))).numpy()  # (N, M, M)
        names = list(every)
        return pd.concat(
            [
                self._rows("pixels", names[i], names[j], agreed[:, i, j])
                for i, j in combinations(range(len(names)), 2)
            ],
            ignore_index=True,
        )

    def _with_themselves(self, maps: dict[str, Tensor], again: dict[str, Tensor]) -> pd.DataFrame:
        parts = [
            self._rows(
                "seeds",
                name,
                name,
                pixel_agreement(torch.stack([maps[name], second])).numpy()[:, 0, 1],
            )
            for name, second in again.items()
        ]
        empty = self._rows("seeds", "", "", np.zeros(len(self.faces)))[:0]
        return pd.concat([empty, *parts], ignore_index=True) if parts else empty
