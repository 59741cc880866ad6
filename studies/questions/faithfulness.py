"""Do attributions show what the model uses?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from studies.multiverse.factors import Multiverse
from studies.multiverse.options import Multiversal
from studies.registry import STUDIES
from studies.scoreboard.removals import REMOVALS
from studies.scoreboard.removals_run import run_removals
from studies.scoreboard.study import ScoredStudy


@STUDIES.register("faithfulness")
@dataclass(frozen=True, kw_only=True)
class Faithfulness(Multiversal, ScoredStudy):
    """Do attributions show what the model uses?

    Declared before looking: ROAD's combined score (least less most relevant first, by noisy linear
    imputation), in excess of the centre control's, paired by face.
    """

    name: ClassVar[str] = "faithfulness"
    primary: ClassVar[str] = "road"
    how_it_was_done: ClassVar[tuple[str, ...]] = (
        "Primary endpoint, declared before looking: ROAD's combined score in excess of the centre "
        "control's.",
    )
    not_in_multiverse: ClassVar[tuple[str, ...]] = ("limit", "methods", "metrics", "margin")

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

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together or data that cannot be used.
        """
        if self.multiverse:
            return run_removals(self, self.declared(), limit=self.multiverse_faces)
        return super().run()

    def declared(self) -> Multiverse:
        """The plausible set of the claim about ROAD, with the study's own rule for targets."""
        return REMOVALS.starting_from(target=self.targets)
