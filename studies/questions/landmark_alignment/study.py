"""Do the maps of an emotion lie where that emotion is shown?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from fer_xai.attributions import ATTRIBUTIONS
from fer_xai.checks import check_number
from fer_xai.command import terminal
from fer_xai.errors import InputError
from fer_xai.landmarks import CODEBOOKS
from fer_xai.landmarks.action_units import find_edition
from fer_xai.landmarks.codebooks import find_codebook
from fer_xai.types import Faces
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.engine.endpoints import PERSON, Endpoint
from studies.engine.explained import MATCHED_TO, Explained, check_targets
from studies.engine.in_words import LOOKED_AT
from studies.engine.model_options import Models
from studies.engine.networks import Network
from studies.engine.options import Data, Margin, Passes, Progress, Seed, Targets
from studies.engine.points import with_landmarks
from studies.engine.scope import InWords, Limit
from studies.engine.study import Study, face_table
from studies.engine.units import units_of
from studies.engine.untrained import CALIBRATION, Untrained, calibration_faces
from studies.questions.landmark_alignment.areas import (
    SIGNED,
    SIZE,
    EmotionAreas,
    choices,
    emotions_of,
)
from studies.questions.landmark_alignment.causes import SHAPLEY
from studies.questions.landmark_alignment.collected import Results
from studies.questions.landmark_alignment.maps import Job
from studies.questions.landmark_alignment.report import write_report
from studies.registry import STUDIES

LEAST_FACES = 5
"""Fewest faces that a run takes: intervals begin there."""


@STUDIES.register("landmark_alignment")
@dataclass(frozen=True, kw_only=True)
class LandmarkAlignment(
    Study, Progress, Passes, Seed, Targets, Margin, InWords, Limit, Data, Models, Untrained
):
    """Do the maps of an emotion lie where that emotion is shown?

    Every face has maps of all six targets and areas of all six emotions, by a codebook of action
    units. Maps are held against their own emotion's area and against the others': see
    :attr:`endpoint`. Where the book says and where the model looks are different questions: exact
    region Shapley values, and action units of built-in faces that are set to rest, ask the second.

    Examples
    --------
    >>> LandmarkAlignment(methods=("lrp", "region_shapley")).methods_used
    ('gradcam', 'gradcam_signed', 'lrp')
    """

    name: ClassVar[str] = "landmark_alignment"
    six_alone: ClassVar[bool] = True
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="cosine of the maps of all targets with the areas of all emotions on the same "
        "face, the target's own area less the other emotions' (emotion_contrast); less the mean "
        "of untrained networks of the same architecture, each over the pairs of emotions that both "
        "networks have maps of",
        unit=PERSON,
        family="the methods of one model, Bonferroni; of the contrast itself max-T, and Bonferroni "
        "below 60 units",
        interval="95 % for all methods of a model together, over faces and untrained networks "
        "(crossed samples); none below five untrained networks",
        holds="the interval of the excess over untrained networks lies above 0",
        sensitivity="Pearson in place of the cosine; Grad-CAM without its ReLU, by "
        "the Pearson correlation of the signed map and the area (gradcam_signed); "
        "the other editions of action units and the other codebooks; without the pair of fear and "
        "surprise; without the pixels that these two share",
    )

    methods: tuple[str, ...] = ("gradcam", "layercam")
    """Attributions; Grad-CAM itself is always among them, since controls imitate it. Its signed
    form (a sensitivity) and exact region Shapley values (--causes) are computed beside."""
    edition: str = "fer_xai"
    """Edition of the areas of action units: fer_xai, belharbi, belharbi_scaled or pyfeat."""
    codebook: str = "emfacs"
    """Action units of each emotion: emfacs, belharbi, belharbi_code, or a TOML file."""
    causes: int = 36
    """Number of faces whose exact region Shapley values are computed, 256 passes each, and whose
    action units are set to rest where faces are built in; 0 for none."""

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together or data that cannot be used.
        """
        self.check()
        emotions = emotions_of(self.codebook)
        faces, lost = self._faces(emotions)
        floor, calibration = calibration_faces(self, faces, seed=self.seed, most=CALIBRATION)
        networks = self.networks_for(self.data_spec, untrained=self.untrained, seed=self.seed)
        points = faces.landmarks_at(SIZE)
        areas = EmotionAreas(points, emotions, choices(self.edition, self.codebook, emotions))
        inputs = self._inputs(faces, floor, networks)
        with self.opened(inputs, faces.name, self.data_spec.source, self.split) as run:
            run.manifest["skipped"] = list(faces.skipped)
            run.manifest["calibration"] = calibration
            run.manifest["without landmarks"] = lost
            run.manifest["choices refused"] = areas.refused
            job = Job(
                run,
                faces,
                floor,
                networks,
                methods=self.methods_used,
                areas=areas,
                rule=self.targets,
                seed=self.seed,
                predictor=lambda model, batch_size: self.predictor(model, batch_size=batch_size),
            )
            results = Results.of(job, causes=self.causes)
            self._keep(run.keep, results, face_table(faces))
            words = self.words_of(self._explained(job), run.folder) if self.in_words else []
        answer = write_report(
            run.folder, run.manifest, results, face_table(faces), job, words=words
        )
        return run.complete(answer, units=units_of(face_table(faces)))

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        for method in self.methods:
            ATTRIBUTIONS[method]
        check_targets(self.targets)
        find_edition(self.edition)
        emotions_of(self.codebook)
        check_number("--causes", self.causes, 0, ends=True)

    def config(self) -> dict[str, Any]:
        """Options that identify a run, a codebook of one's own by its content."""
        found = super().config()
        if self.codebook not in CODEBOOKS:
            found["codebook"] = {name: list(u) for name, u in find_codebook(self.codebook).items()}
        return found

    @property
    def methods_used(self) -> tuple[str, ...]:
        """The methods whose maps are made of all networks."""
        named = [name for name in self.methods if name != SHAPLEY]
        return tuple(dict.fromkeys([MATCHED_TO, SIGNED, *named]))

    def _explained(self, job: Job) -> dict[str, Explained]:
        """The trained networks and the first faces."""
        few = job.faces.subset(np.arange(min(LOOKED_AT, len(job.faces))))
        return {
            n.name: Explained(job.loaded(n), few, rule=self.targets, seed=self.seed)
            for n in job.networks
            if n.trained
        }

    def _faces(self, emotions: tuple[str, ...]) -> tuple[Faces, dict[str, list[int]]]:
        """Faces with landmarks, and by emotion how many there are and have none."""
        few = self.limit if self.built_in_faces else None  # all built-in faces have landmarks
        every = self.load_faces(emotions=emotions, limit=few, seed=self.seed)
        known = np.isfinite(every.landmarks_at(SIZE)).all(axis=(1, 2))
        table = pd.DataFrame({"emotion": every.table["emotion"].to_numpy(), "known": known})
        lost = {
            str(emotion): [len(own), int((~own["known"]).sum())]
            for emotion, own in table.groupby("emotion")
        }
        faces = with_landmarks(every, least=LEAST_FACES)
        if len(faces) < len(every) and self.points_source.provider is None:  # it says so itself
            names = ", ".join(f"{name} {out} of {n}" for name, (n, out) in lost.items() if out)
            terminal(error=True).print(
                f"{len(every) - len(faces)} of {len(every)} faces have no landmarks and take no "
                f"part ({names}).",
                soft_wrap=True,
            )
        chosen = faces.limit(self.limit, seed=self.seed)
        if len(chosen) < LEAST_FACES:
            raise InputError(
                f"Expected {LEAST_FACES} or more faces with landmarks, got {len(chosen)} of "
                f"{len(faces)} by --limit {self.limit}: raise --limit."
            )
        return chosen, lost

    def _inputs(self, faces: Faces, floor: Faces, networks: list[Network]) -> dict[str, Any]:
        """Digests of everything that is read."""
        models = {n.name: n.built() for n in networks if n.trained or n.first}
        sizes = {model.size for model in models.values()}
        return {
            **faces_digests(faces, sizes),
            "calibration faces": list(faces_digests(floor, sizes).values()),
            "methods": code_digest(ATTRIBUTIONS[name] for name in self.methods_used),
            "models": {name: model_digest(model) for name, model in models.items()},
        }

    def _keep(self, keep: Any, results: Results, faces: pd.DataFrame) -> None:
        for name, rows in results.frames().items():
            keep(name, rows)
        keep("faces", faces)
