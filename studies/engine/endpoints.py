"""The endpoint of a study: what it claims, declared before there are rows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """What a study estimates first of all, and when its claim holds.

    It stands in the study's class, is part of a run's identity, and is written into the manifest
    before the first row is made: whoever changes it gets another run (Nosek et al., "The
    preregistration revolution", PNAS 2018).

    Attributes
    ----------
    quantity
        What is estimated.
    unit
        What counts as one independent observation.
    family
        Which comparisons are judged together.
    interval
        How the interval is made, and what it covers.
    holds
        When the claim holds.
    sensitivity
        What is looked at beside it, since the claim may hang on it; empty if nothing is.

    Examples
    --------
    >>> endpoint = Endpoint(
    ...     quantity="gain in ROAD over the centre control",
    ...     unit="a face",
    ...     family="the methods of one model",
    ...     interval="simultaneous 95 % intervals",
    ...     holds="the interval lies above 0",
    ... )
    >>> endpoint.declared()["holds"]
    'the interval lies above 0'
    """

    quantity: str
    unit: str
    family: str
    interval: str
    holds: str
    sensitivity: str = ""

    def declared(self) -> dict[str, str]:
        """The declaration for a manifest, by the names of its parts."""
        return {name: text for name, text in dataclasses.asdict(self).items() if text}


PERSON = "a person where persons are known, else a face"
"""Unit of most studies."""
FAMILY_OF_GAINS = "simultaneous 95 % intervals and step-down p-values of one max-T resampling"
"""How gains of several methods are judged (:func:`metrics.statistics.families.mean_family`)."""
ABOVE_ZERO = "the interval lies above 0"
"""When a claim about one quantity holds."""
TOLD_FROM_ZERO = "the p-value over the family is below .05, and the interval lies above 0"
"""When a claim of a family holds."""
SHARE_OF_CHOICES = (
    "share of the plausible choices, declared beforehand, under which the claim holds"
)
"""What a multiverse run estimates, before the claim."""
OVER_COMBINATIONS = (
    "Wilson's 95 % interval over the sampled combinations, whose levels are balanced; it covers "
    "the sampling of combinations, and the faces' part is in the test of each"
)
"""How the share of a multiverse run is judged."""
