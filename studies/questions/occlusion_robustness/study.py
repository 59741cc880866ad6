"""What does an occluder cost each emotion, and does the map stay where it was?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
import tyro
from numpy.typing import NDArray

from fer_xai.attributions import ATTRIBUTIONS
from fer_xai.data.challenge_lists import read_challenge_list
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.names import slug
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.description import sha256
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.engine.endpoints import PERSON, TOLD_FROM_ZERO, Endpoint
from studies.engine.explained import Explained
from studies.engine.model_options import Models
from studies.engine.networks import Network
from studies.engine.options import Data, Passes, Progress, Seed, Targets
from studies.engine.scope import InWords, Limit, Methods
from studies.engine.shards import BATCH, batch_sizes, last_batch_size, with_earlier
from studies.engine.study import Run, Study, face_table
from studies.engine.units import units_of
from studies.questions.occlusion_robustness.covers import AREAS, DRAWS, FILL, OCCLUDERS
from studies.questions.occlusion_robustness.lists import file_names, landmarks_known
from studies.questions.occlusion_robustness.report import Found, write_report
from studies.questions.occlusion_robustness.rows import NetworkRows
from studies.registry import STUDIES
from studies.reporting.page import Table

METHODS = ("gradcam", "layercam", "eigencam", "saliency", "input_x_gradient")
"""Attributions whose maps are looked at by default."""
UNTRAINED = 1
"""Untrained networks of each architecture, as a floor of what maps do."""


@STUDIES.register("occlusion_robustness")
@dataclass(frozen=True, kw_only=True)
class OcclusionRobustness(
    Study, Progress, Passes, Seed, Targets, InWords, Limit, Methods, Data, Models
):
    """What does an occluder cost each emotion, and does the map stay where it was?

    Eleven occluders are fitted to each face's landmarks. What one of them costs is held against a
    random patch that hides as much of the same face in the same fill, so that only the place is
    left to differ: see :attr:`endpoint`. Maps are made again for each occluder, for the emotion
    that is explained of the clean face; untrained networks explain the trained one's emotions.
    Cells of a 14×14 grid are hidden by share, at random, from the centre outwards, and by each map
    (Lee et al., "Latent-OFER", ICCV 2023).

    Examples
    --------
    >>> OcclusionRobustness().config()["methods"]
    ['gradcam', 'layercam', 'eigencam', 'saliency', 'input_x_gradient']
    """

    name: ClassVar[str] = "occlusion_robustness"
    six_alone: ClassVar[bool] = True
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="accuracy with a random patch that hides as much of the same face, averaged over "
        f"{DRAWS} draws, less accuracy with the occluder in its own size, both in {FILL}; paired "
        "by face",
        unit=PERSON,
        family=f"the {len(OCCLUDERS)} occluders of one model",
        interval="simultaneous 95 % by betting on a bounded mean, Bonferroni; p by Holm",
        holds=f"the occluder's place costs more than chance if {TOLD_FROM_ZERO}",
        sensitivity="other fills, the looks of sunglasses, mask and hand, and "
        f"{len(AREAS)} equal areas",
    )

    lists: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE …")] = ()
    """Lists of occluded or turned faces of the data, such as Occlusion-RAF-DB's: accuracy on them
    stands beside that on the rest, over all faces."""

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together, data that cannot be used, faces without
            landmarks, or a model that every method refuses.
        """
        self.check()
        lists = [read_challenge_list(path) for path in self.lists]
        everything = self.load_faces()
        for one in lists:
            one.subset(everything)
        known = landmarks_known(everything)
        if not known.any():
            raise InputError(
                f"Expected faces with landmarks, which occluders are fitted to, got none of "
                f"{len(everything)} of {everything.name}: name another --landmarks."
            )
        faces = everything.subset(np.flatnonzero(known)).limit(self.limit, seed=self.seed)
        found = Found(everything=everything, faces=faces, lists=lists)
        networks = self.networks_for(self.data_spec, untrained=UNTRAINED, seed=self.seed)
        models = {network: network.load(faces) for network in networks}
        inputs: dict[str, Any] = {
            **faces_digests(faces, [model.size for model in models.values()]),
            "methods": code_digest(ATTRIBUTIONS[name] for name in self._methods),
            "models": {network.name: model_digest(model) for network, model in models.items()},
        }
        if found.wider:
            inputs["all faces"] = faces_digests(everything)["faces"]
        if self.lists:
            inputs["lists"] = [sha256(path.read_bytes()) for path in self.lists]
        with self.opened(inputs, faces.name, self.data_spec.source, self.split) as run:
            steps = len(self._methods)
            trained = sum(network.trained for network in networks)
            total = len(faces) * (steps * len(networks) + 2 * trained)
            run.bar.add_task("faces × networks × steps", total=total)
            for network, model in models.items():
                self._network(network, model, found, run)
            words = self._words(found, run)
        for name, tables in (
            ("answers", found.answers),
            ("regions", found.regions),
            ("maps", found.maps),
        ):
            rows = [rows.assign(model=model) for model, rows in tables.items()]
            run.keep(name, pd.concat(rows, ignore_index=True))
        run.keep("faces", face_table(faces))
        answer = write_report(
            run.folder,
            run.manifest,
            found,
            data=self.data_spec,
            built_in=self.built_in_faces,
            words=words,
        )
        return run.complete(answer, units=units_of(face_table(faces)))

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        for name in self._methods:
            ATTRIBUTIONS[name]

    def config(self) -> dict[str, Any]:
        """Options that identify a run; lists by their names."""
        found = super().config()
        return found | {"lists": file_names(self.lists), "methods": list(self._methods)}

    @property
    def _methods(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.methods or METHODS))

    def _words(self, found: Found, run: Run) -> list[Table]:
        """Words about the first method that refuses no trained network; none without one."""
        refused = {
            name for one in found.explained for name in run.manifest["networks"][one]["refused"]
        }
        for method in self._methods:
            if method not in refused:
                return self.words_of(found.explained, run.folder, method=method)
        return []

    def _network(self, network: Network, model: FERModel, found: Found, run: Run) -> None:
        """Rows of one network; those of recognition of a trained one alone."""
        recorded = run.manifest["networks"].get(network.name, {}).get(BATCH)
        predictor = self.predictor(model, batch_size=last_batch_size(recorded))
        explained = self._explained(network, predictor, found)
        shards = run.folder / "shards" / slug(network.name)
        made = NetworkRows(explained, self._methods, shards=shards)
        described = run.manifest["networks"][network.name] = {
            "weights": None if network.weights is None else Path(network.weights).name,
            "refused": made.refused,
            **predictor.settings(),
            BATCH: with_earlier(recorded, predictor.batch_size),
        }
        run.record()

        def advance(n: int) -> None:
            run.bar.advance(run.bar.task_ids[0], n)

        if network.trained:
            found.answers[network.name] = made.answers(advance)
            found.regions[network.name] = made.regions(advance)
            found.right[network.name] = self._right(explained, found, shards)
            found.explained.setdefault(network.name, explained)
        found.maps[network.name] = made.maps(advance)
        described[BATCH] = batch_sizes(shards) or described[BATCH]

    def _explained(self, network: Network, predictor: Predictor, found: Found) -> Explained:
        """A network's explanations; an untrained one explains the trained one's targets."""
        if not network.trained:
            return found.explained[network.architecture].seen_by(predictor)
        return Explained(predictor, found.faces, rule=self.targets, seed=self.seed, keep=True)

    def _right(self, explained: Explained, found: Found, shards: Path) -> NDArray[np.bool_]:
        """Which of all faces the network names rightly, where more than the sample is asked for."""
        faces: Faces = found.everything
        if not found.wider:
            return np.zeros(0, dtype=bool)

        def make() -> dict[str, NDArray[np.bool_]]:
            whole = Explained(explained.predictor, faces, seed=self.seed)
            return {"right": (whole.predicted == faces.labels).numpy()}

        return store.once(shards / "all.npz", make)["right"]
