"""Which attributions agree with each other, with exact region Shapley, and with themselves?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from fer_xai.attributions import ATTRIBUTIONS
from fer_xai.errors import InputError
from fer_xai.perturb.fills import fill_named
from fer_xai.types import Faces
from studies.engine.classes import known_to_all, note
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.engine.endpoints import FAMILY_OF_GAINS, PERSON, TOLD_FROM_ZERO, Endpoint
from studies.engine.model_options import Models
from studies.engine.options import Data, Device, Progress, Seed
from studies.engine.points import with_landmarks
from studies.engine.scope import Methods
from studies.engine.study import Study, face_table
from studies.engine.units import units_of
from studies.questions.attribution_agreement.maps import Job, judged
from studies.questions.attribution_agreement.report import write_report
from studies.questions.attribution_agreement.tables import SHAPLEY
from studies.registry import STUDIES


@STUDIES.register("attribution_agreement")
@dataclass(frozen=True, kw_only=True)
class AttributionAgreement(Study, Progress, Device, Seed, Methods, Data, Models):
    """Which attributions agree with each other, with exact region Shapley, and with themselves?

    Maps are held against exact Shapley values of facial regions: see :attr:`endpoint`. Every map
    explains the face's predicted emotion. The correlation between Shapley values of two fills
    stands beside: it is what the choice of a fill leaves of an exact answer.
    """

    name: ClassVar[str] = "attribution_agreement"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="Spearman correlation, over facial regions of one face, of what a map gives each "
        "region with the region's exact Shapley value, averaged over fills that the method does "
        "not start from itself; less that of the best map that knows nothing of the model (noise "
        "with and without a sign, uniform, centre, edges), paired by face and fill",
        unit=PERSON,
        family="the attributions of one model",
        interval=FAMILY_OF_GAINS,
        holds=TOLD_FROM_ZERO,
        sensitivity="each fill by itself",
    )

    fills: tuple[str, ...] = ("black", "mean", "blur")
    """What stands in place of a region that is left out of a coalition."""
    limit: int = 64
    """At most this many faces with landmarks, with the emotions' shares kept."""

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together, data that cannot be used, or a model that every
            method refuses.
        """
        self.check()
        chosen = self.networks_for(self.data_spec)
        taken = known_to_all(self.asked_emotions, chosen)
        faces = self._faces(taken)
        models = {network: network.load(faces) for network in chosen}
        inputs = {
            **faces_digests(faces, [model.size for model in models.values()]),
            "methods": code_digest(ATTRIBUTIONS[name] for name in self.methods or ATTRIBUTIONS),
            "models": {network.name: model_digest(model) for network, model in models.items()},
        }
        with self.opened(inputs, faces.name, self.data_spec.source, self.split) as run:
            note(run.manifest, faces, classes=self.classes, taken=taken)
            jobs = [
                Job(
                    run,
                    network,
                    model,
                    faces,
                    methods=self.methods or tuple(ATTRIBUTIONS),
                    fills=self.fills,
                    seed=self.seed,
                    device=self.device,
                )
                for network, model in models.items()
            ]
            for job in jobs:
                job.explain()
            rows = pd.concat([job.rows() for job in jobs], ignore_index=True)
        run.keep("scores", rows)
        counted = face_table(faces)
        run.keep("faces", counted)
        answer = write_report(run.folder, run.manifest, rows, counted)
        return run.complete(answer, units=units_of(counted))

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        for name in self.methods:
            ATTRIBUTIONS[name]
        fills = [fill_named(name).name for name in self.fills]  # linear:0.01 is linear
        for what, names in (("method", list(self.methods)), ("fill", fills)):
            for name in names:
                if names.count(name) > 1:
                    raise InputError(f"Expected each {what} once, got {name} twice.")
        if len(self.fills) < 2:
            raise InputError(
                f"Expected two fills or more, got {', '.join(self.fills) or 'none'}: their "
                "agreement stands beside that of every method."
            )
        if not judged(self.methods or tuple(ATTRIBUTIONS), self.fills):
            raise InputError(
                f"Expected an attribution that can be held against {SHAPLEY}, got "
                f"{', '.join(self.methods)}: add another, or a fill that it does not start from."
            )

    def _faces(self, emotions: tuple[str, ...]) -> Faces:
        faces = self.load_faces(emotions=emotions)
        if faces.landmarks is None:
            raise InputError(
                f"Expected landmarks for {faces.name}, which regions are made of: pass --landmarks "
                "FILE.csv."
            )
        return with_landmarks(faces, least=3).limit(self.limit, seed=self.seed)
