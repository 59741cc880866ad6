"""Do attributions show what the model uses?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from studies.registry import STUDIES
from studies.scoreboard.study import ScoredStudy


@STUDIES.register("faithfulness")
@dataclass(frozen=True, kw_only=True)
class Faithfulness(ScoredStudy):
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
