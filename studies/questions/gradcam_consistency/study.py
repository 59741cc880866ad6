"""Are Grad-CAM maps consistent across faces of one emotion?"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
import tyro

from fer_xai.attributions import ATTRIBUTIONS, CONTROLS, native_maps
from fer_xai.command import terminal
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.models.registry import architecture
from fer_xai.types import Faces
from studies.engine.classes import known_to_all, note
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.engine.endpoints import (
    OVER_COMBINATIONS,
    PERSON,
    SHARE_OF_CHOICES,
    TOLD_FROM_ZERO,
    Endpoint,
)
from studies.engine.explained import Explained
from studies.engine.in_words import LOOKED_AT
from studies.engine.model_options import Models
from studies.engine.networks import Network
from studies.engine.options import Data, DryRun, Passes, Progress, Seed
from studies.engine.scope import InWords
from studies.engine.study import Study, face_table
from studies.engine.units import units_of
from studies.engine.untrained import Untrained, calibration_faces
from studies.multiverse.factors import Multiverse
from studies.multiverse.options import Multiversal
from studies.questions.gradcam_consistency.maps import Job, move_names
from studies.questions.gradcam_consistency.multiverse import CONSISTENCY, Excesses
from studies.questions.gradcam_consistency.multiverse_maps import sets_of_untrained
from studies.questions.gradcam_consistency.multiverse_report import say_plans
from studies.questions.gradcam_consistency.report import write_report
from studies.questions.gradcam_consistency.scores import MATCHED_TO
from studies.registry import STUDIES
from studies.scoreboard.consistency import SIZE

CALIBRATION = 512
"""Faces that the untrained networks' BatchNorm statistics come from."""


@STUDIES.register("gradcam_consistency")
@dataclass(frozen=True, kw_only=True)
class GradcamConsistency(
    Multiversal, Study, Progress, DryRun, Passes, Untrained, Seed, InWords, Data, Models
):
    """Are Grad-CAM maps consistent across faces of one emotion?

    Pairs of faces with one emotion are told from pairs with two by how alike their maps are, in
    excess of untrained networks: see :attr:`endpoint`.
    """

    name: ClassVar[str] = "gradcam_consistency"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="AUC with which the similarity (Pearson) of two registered Grad-CAM maps tells "
        "pairs of faces with one emotion from pairs with two, all maps explaining the same target, "
        "averaged over targets and over the emotions that all networks have enough maps of, each "
        "weighing equally; less the mean of untrained networks of the same architecture",
        unit=PERSON,
        family="the models of a run, Holm",
        interval="95 %, delete-one jackknife over units, joined with the spread over untrained "
        "networks",
        holds=TOLD_FROM_ZERO,
        sensitivity="Grad-CAM without its ReLU (gradcam_signed)",
    )
    multiverse_endpoint: ClassVar[Endpoint] = Endpoint(
        quantity=f"{SHARE_OF_CHOICES}: {CONSISTENCY.claim}",
        unit=PERSON,
        family="none: one model, in one combination of choices at a time",
        interval=OVER_COMBINATIONS,
        holds="in a combination: the p-value of the excess (delete-one jackknife over units, "
        "joined with the spread over untrained networks) is below .05, and the interval lies above "
        "0; the share has no threshold",
        sensitivity="each choice alone, the others as declared",
    )
    not_in_multiverse: ClassVar[tuple[str, ...]] = (
        *("limit", "classes", "methods", "moved", "in_words"),
    )

    models: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME[=WEIGHTS] …")] = (
        "gimefive",
        "resnet18",
    )
    """Trained models: names, each with a checkpoint's path unless its weights are shipped."""
    methods: tuple[str, ...] = ("gradcam", "gradcam_signed", "gradcam_paper")
    """Attributions; Grad-CAM itself is always among them, since controls imitate it. Grad-CAM
    without its ReLU is the stated sensitivity of every endpoint, since the ReLU drops maps."""
    registration: Literal["similarity", "affine", "none"] = "similarity"
    """How maps are brought to the canonical face."""
    limit: int | None = None
    """At most this many faces, with the emotions' shares kept."""
    moved: int = 128
    """Faces on which self-consistency is measured (a seeded sample)."""

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together or data that cannot be used.
        """
        self.check()
        if self.multiverse:
            return self._run_multiverse()
        spec = self.data_spec
        chosen = self.networks_for(spec, untrained=self.untrained, seed=self.seed)
        taken = known_to_all(self.asked_emotions, chosen)
        faces = self._faces(taken)
        floor, calibration = self._calibration_faces(faces)
        if self.dry_run:
            self._say_plan(faces, floor, chosen)
            return Path()
        inputs = self._inputs(faces, floor, chosen, methods=self.methods)
        with self.opened(inputs, faces.name, spec.source, self.split) as run:
            run.manifest["skipped"] = list(faces.skipped)
            note(run.manifest, faces, classes=self.classes, taken=taken)
            if taken != SIX:
                run.manifest["emotions"] = list(taken)
            run.manifest["calibration"] = calibration
            job = Job(
                run,
                faces,
                floor,
                chosen,
                methods={network.name: self.methods_of(network) for network in chosen},
                targets=tuple(EMOTIONS.index(name) for name in taken),
                registration=self.registration,
                n_moved=self.moved,
                seed=self.seed,
                predictor=lambda model, batch_size: self.predictor(model, batch_size=batch_size),
            )
            job.make_maps()
            rows, sets = job.score()
            words = self.words_of(self._explained(faces, chosen), run.folder)
        answer = write_report(run.folder, run.manifest, rows, sets, words=words)
        return run.complete(answer, units=units_of(face_table(faces)))

    def _explained(self, faces: Faces, chosen: list[Network]) -> dict[str, Explained]:
        """The trained networks and the first faces, where words are asked for."""
        few = faces.subset(np.arange(min(LOOKED_AT, len(faces))))
        return {
            n.name: Explained(self.predictor(n.load(few)), few, seed=self.seed)
            for n in chosen
            if n.trained and self.in_words
        }

    def _inputs(
        self, faces: Faces, floor: Faces, chosen: list[Network], *, methods: tuple[str, ...]
    ) -> dict[str, Any]:
        """Digests of everything that is read."""
        # untrained networks but for the calibration, of which the first of each kind stands for all
        models = {n.name: n.built() for n in chosen if n.trained or n.first}
        sizes = {model.size for model in models.values()}
        return {
            **faces_digests(faces, sizes),
            "calibration faces": list(faces_digests(floor, sizes).values()),
            "methods": code_digest(ATTRIBUTIONS[name] for name in methods),
            "models": {name: model_digest(model) for name, model in models.items()},
        }

    def declared(self) -> Multiverse:
        """The plausible set of the primary endpoint, with the study's own registration."""
        return CONSISTENCY.starting_from(registration=self.registration)

    def _run_multiverse(self) -> Path:
        """The primary endpoint under other choices."""
        faces = dataclasses.replace(self, limit=self.multiverse_faces)._faces()
        floor, calibration = self._calibration_faces(faces)
        spec, declared = self.data_spec, self.declared()
        chosen = sets_of_untrained(
            [
                self.networks_for(spec, untrained=self.untrained, seed=self.seed + int(number))
                for number in sorted(declared.factor("untrained").levels)
            ]
        )
        excesses = Excesses(
            faces,
            floor,
            chosen,
            seed=self.seed,
            predictor=lambda model, batch_size: self.predictor(model, batch_size=batch_size),
        )
        plans = excesses.plans(declared)
        if self.dry_run:
            say_plans(plans, faces=len(faces), networks=len(chosen))
            return Path()
        inputs = self._inputs(faces, floor, chosen, methods=("gradcam", "gradcam_signed"))
        with self.opened(inputs, faces.name, spec.source, self.split, "multiverse") as run:
            run.manifest["skipped"] = list(faces.skipped)
            run.manifest["calibration"] = calibration
            rows = excesses.answered(run, plans)
            run.keep("specifications", rows)
            run.keep("faces", face_table(faces))
        answer = excesses.report(run, declared, plans, rows)
        return run.complete(answer, units=units_of(face_table(faces)))

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        for method in self.methods:
            ATTRIBUTIONS[method]
        if self.moved < 0:
            raise InputError(f"Expected a number of moved faces of at least 0, got {self.moved}.")

    def _faces(self, emotions: tuple[str, ...] = SIX) -> Faces:
        faces = self.load_faces(emotions=emotions, limit=self.limit, seed=self.seed)
        option = "--multiverse-faces" if self.multiverse else "--limit"
        if len(faces.emotions) < 2:
            raise InputError(
                f"Expected faces of at least two emotions, got {', '.join(faces.emotions)}."
            )
        if (faces.table["emotion"].value_counts() >= 2).sum() < 2:
            raise InputError(
                "Expected at least two faces of each of at least two emotions, whose maps are "
                f"compared, got {len(faces)} of {len(faces.emotions)} emotions: take more faces"
                f"{f' ({option})' if self.limit is not None else ''}."
            )
        if faces.landmarks is None and self.registration != "none":
            raise InputError(
                f"Expected landmarks for {faces.name}: pass --landmarks FILE.csv, or compare "
                "unregistered maps with --registration none."
            )
        self._say_lost(faces)
        return faces

    def _say_lost(self, faces: Faces) -> None:
        """Tell who cannot be registered; too few faces left are no study."""
        if self.registration == "none":
            return
        table = faces.table[["emotion"]].assign(
            known=np.asarray(np.isfinite(faces.landmarks_at(SIZE)).all(axis=(1, 2)))
        )
        kept = table.groupby("emotion")["known"].sum()
        lost = table.groupby("emotion")["known"].count() - kept
        if (kept >= 2).sum() < 2:
            raise InputError(
                "Expected landmarks for two faces or more of two emotions or more, but "
                f"{lost.sum()} of {len(faces)} faces have none: check --landmarks, or compare "
                "unregistered maps with --registration none."
            )
        if lost.sum():
            names = ", ".join(f"{name} {count}" for name, count in lost.items() if count)
            terminal(error=True).print(
                f"{lost.sum()} of {len(faces)} faces have no landmarks ({names}): they take part "
                "in the unregistered comparison alone."
            )

    def _calibration_faces(self, faces: Faces) -> tuple[Faces, str]:
        """Faces for the untrained networks' BatchNorm statistics, and what they are."""
        return calibration_faces(self, faces, seed=self.seed, most=CALIBRATION)

    def _say_plan(self, faces: Faces, floor: Faces, chosen: list[Network]) -> None:
        total = 0.0
        console = terminal()
        console.print(f"{len(faces)} faces of {faces.name}: {', '.join(faces.emotions)}")
        rates: dict[str, float] = {}
        for network in chosen:
            if network.architecture not in rates:
                predictor = self.predictor(network.load(floor.limit(64)))
                images = faces.pixels(predictor.model.size, slice(64))
                columns = torch.arange(len(predictor.emotions)).expand(len(images), -1)
                native_maps(predictor, images, columns, method=MATCHED_TO)
                begun = time.perf_counter()
                native_maps(predictor, images, columns, method=MATCHED_TO)
                rates[network.architecture] = (time.perf_counter() - begun) / len(images)
            passes = self._passes(network, len(faces))
            seconds = passes * rates[network.architecture]
            total += seconds
            console.print(f"  {network.name}: {passes} passes, about {seconds:.0f} s")
        scoring = sum(self._scoring_seconds(network, len(faces)) for network in chosen)
        console.print(f"Maps about {total:.0f} s, scores about {scoring:.0f} s. Nothing was run.")

    def _scoring_seconds(self, network: Network, n: int) -> float:
        """Pairs are sorted for every target: seen to take a second a method for 600 faces."""
        methods = len(self.methods_of(network)) + (len(list(CONTROLS)) if network.trained else 0)
        return methods * (0.5 + 1.5e-6 * n**2)

    def _passes(self, network: Network, n: int) -> int:
        methods = len(self.methods_of(network))
        moves = len(move_names()) if network.trained or network.seed == 0 else 0
        return n * methods + min(self.moved, n) * moves

    def methods_of(self, network: Network) -> list[str]:
        """Attributions of a network: untrained ones get what the trained ones get.

        The paper's layer is known for the paper's models alone; others go without.
        """
        known = architecture(network.architecture).paper_layer is not None
        methods = [m for m in self.methods if known or m != "gradcam_paper"]
        return list(dict.fromkeys([MATCHED_TO, *methods]))
