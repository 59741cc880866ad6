"""Which attributions find the region that a network is known to read?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from numpy.typing import NDArray

from fer_xai.attributions import ATTRIBUTIONS, CONTROLS
from fer_xai.checks import check_count
from fer_xai.data.datasets.synthetic import PEOPLE_SIZE as SIZE
from fer_xai.data.datasets.synthetic import people
from fer_xai.errors import InputError
from fer_xai.landmarks import face_regions
from fer_xai.models.planted import planted_model
from fer_xai.names import slug
from studies.engine import store
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.engine.endpoints import Endpoint
from studies.engine.extents import AllMethods
from studies.engine.options import Progress, Seed
from studies.engine.study import Study
from studies.questions.planted_regions.plants import PLANTS, RULES, Plant
from studies.questions.planted_regions.report import write_report
from studies.registry import STUDIES


@STUDIES.register("planted_regions")
@dataclass(frozen=True, kw_only=True)
class PlantedRegions(Study, AllMethods, Progress, Seed):
    """Which attributions find the region that a network is known to read?

    A mark of a pure colour is put into one region of a built-in face, and a network is built that
    reads such marks and nothing else. Found: the map's largest absolute value lies in the region
    (the pointing game, Zhang et al., IJCV 2018; for two marks that cancel, the two regions hold the
    two largest; for exact Shapley, the pair has the strongest interaction).
    """

    name: ClassVar[str] = "planted_regions"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="share of marked regions that a map finds, by plant",
        unit="a face",
        family="each attribution by itself",
        interval="95 %, Clopper and Pearson",
        holds="the interval lies above what the best control finds",
    )

    faces: int = 24
    """Built-in faces, each marked in every region in turn."""

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For an unknown method, or no faces.
        """
        self.check()
        faces = people(self.faces, seed=self.seed)
        images = faces.pixels(SIZE).float() / 255
        regions = face_regions(faces.landmarks_at(SIZE), size=SIZE)
        inputs = {
            **faces_digests(faces),
            "methods": code_digest(ATTRIBUTIONS[name] for name in self.methods or ATTRIBUTIONS),
            "models": {rule: model_digest(planted_model(rule)) for rule in RULES},
        }
        names = list(dict.fromkeys([*(self.methods or ATTRIBUTIONS), *CONTROLS]))
        parts = []
        with self.opened(inputs, "synthetic") as run:
            run.manifest.setdefault("refused", {})
            task = run.bar.add_task("plants", total=len(PLANTS) * len(names))
            for plant in PLANTS:
                made = Plant(plant, images, regions)
                for name in names:
                    file = run.folder / "maps" / f"{slug(f'{plant}-{name}')}.npz"
                    found = self._scores(made, name, file, run.manifest)
                    if found is not None:
                        parts.append(made.rows(name, found))
                    run.bar.advance(task)
        rows = pd.concat(parts, ignore_index=True)
        run.keep("scores", rows)
        return run.complete(write_report(run.folder, run.manifest, rows))

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        check_count("--faces", self.faces)
        for method in self.methods:
            ATTRIBUTIONS[method]

    def _scores(
        self, plant: Plant, name: str, file: Path, manifest: dict[str, Any]
    ) -> dict[str, NDArray[Any]] | None:
        key = f"{name}, {plant.plant}"
        if key in manifest["refused"]:
            return None
        try:
            return store.once(file, lambda: plant.scores(name, seed=self.seed))
        except InputError as refusal:
            manifest["refused"][key] = str(refusal)
            return None
