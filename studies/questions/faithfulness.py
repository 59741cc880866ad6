"""Do attributions show what the model uses?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from studies.engine.endpoints import ABOVE_ZERO, FAMILY_OF_GAINS, PERSON, Endpoint
from studies.registry import STUDIES
from studies.scoreboard.study import ScoredStudy


@STUDIES.register("faithfulness")
@dataclass(frozen=True, kw_only=True)
class Faithfulness(ScoredStudy):
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
        holds=ABOVE_ZERO,
        sensitivity="other metrics; other choices by --multiverse",
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
