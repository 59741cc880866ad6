"""Do attributions show what the model uses?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from fer_xai.checks import check_number
from fer_xai.command import terminal
from fer_xai.errors import InputError
from fer_xai.types import Faces
from studies.engine.endpoints import (
    FAMILY_OF_GAINS,
    OVER_COMBINATIONS,
    PERSON,
    SHARE_OF_CHOICES,
    TOLD_FROM_ZERO,
    Endpoint,
)
from studies.multiverse.factors import Multiverse
from studies.multiverse.options import Multiversal
from studies.registry import STUDIES
from studies.scoreboard.removals import REMOVALS
from studies.scoreboard.removals_run import run_removals
from studies.scoreboard.study import ScoredStudy
from studies.scoreboard.until import in_random_order, outcome, promise, stopping_rule


@STUDIES.register("faithfulness")
@dataclass(frozen=True, kw_only=True)
class Faithfulness(Multiversal, ScoredStudy):
    """Do attributions show what the model uses?

    Methods are held against the centre control by ROAD: see :attr:`endpoint`.
    """

    name: ClassVar[str] = "faithfulness"
    primary: ClassVar[str] = "road"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="mean ROAD score of a method (half of what the explained emotion's mean "
        "probability is with the least relevant pixels imputed first, less what it is with the "
        "most relevant first; noisy linear imputation), less the centre control's, paired by face",
        unit=PERSON,
        family="the methods of one model",
        interval=FAMILY_OF_GAINS,
        holds=TOLD_FROM_ZERO,
        sensitivity="other metrics; other choices by --multiverse",
    )
    multiverse_endpoint: ClassVar[Endpoint] = Endpoint(
        quantity=f"{SHARE_OF_CHOICES}: {REMOVALS.claim}",
        unit=PERSON,
        family="none: Grad-CAM alone, in one combination of choices at a time",
        interval=OVER_COMBINATIONS,
        holds="in a combination: the p-value of the mean gain (t corrected for skewness; betting "
        "for too few or too skewed units of a bounded gain; else not tested) is below .05, and the "
        "interval lies above 0; the share has no threshold",
        sensitivity="each choice alone, the others as declared",
    )
    not_in_multiverse = ("limit", "classes", "methods", "metrics", "margin", "until", "in_words")

    metrics: tuple[str, ...] = (
        "road",
        "deletion",
        "insertion",
        "comprehensiveness",
        "sufficiency",
        "average_drop",
        "average_gain",
        "infidelity_scaled",
        "mu_fidelity",
        "sensitivity_n",
        "single_deletion",
        "naopc",
        "shapley_agreement",
    )
    """Names of metrics."""
    until: float | None = None
    """Half-width at which to stop: faces are taken in a random order until the gain of every method
    over the centre control is known this well in every model, all faces if need be; a --limit other
    than the default is then the most faces."""

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together or data that cannot be used.
        """
        if self.multiverse:
            return run_removals(self, self.declared(), limit=self.multiverse_faces)
        self.check()
        if self.until is not None:
            terminal(error=True).print(f"Faces: {promise(self.until, self.methods)}.")
        return super().run()

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        if self.until is None:
            return
        check_number("--until", self.until, 0)
        if self.primary not in self.metrics:
            raise InputError(
                f"Expected --metrics with {self.primary}, whose gains --until looks at, got "
                f"{', '.join(self.metrics)}."
            )

    def remarks(self, rows: pd.DataFrame, faces: Faces) -> list[str]:
        """Sentences that follow the answer."""
        if self.until is None:
            return []
        return [
            outcome(own, faces, metric=self.primary, methods=self.methods, half_width=self.until)
            for _, own in rows.groupby("model", sort=False)
        ]

    def chosen(self, faces: Faces) -> Faces:
        """The faces that are scored, in that order."""
        if self.until is None:
            return super().chosen(faces)
        some = faces if self.limit == ScoredStudy.limit else super().chosen(faces)
        return in_random_order(some, seed=self.seed)

    def enough(
        self, faces: Faces, *, least: int = 0
    ) -> Callable[[pd.DataFrame], int | None] | None:
        """Rule by which a model's rows are enough before all faces are scored."""
        if self.until is None:
            return None
        return stopping_rule(
            faces, metric=self.primary, methods=self.methods, half_width=self.until, least=least
        )

    def declared(self) -> Multiverse:
        """The plausible set of the claim about ROAD, with the study's own rule for targets."""
        return REMOVALS.starting_from(target=self.targets)
