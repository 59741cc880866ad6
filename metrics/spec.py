"""What a metric is, beside the function that computes it, and where it is found by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fer_xai.registry import Registry

Family = Literal[
    "agreement", "complexity", "consistency", "faithfulness", "randomisation", "robustness"
]


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """Facts about a metric.

    Attributes
    ----------
    name, fn
        Its registered name, and the function.
    family
        What it asks of an explanation.
    higher_is_better
        None where neither is (a description).
    bounds
        Smallest and largest possible value.
    needs
        The arguments of ``fn`` that it is called with: ``model`` (a ledger), ``images``, ``maps``,
        ``targets``, ``regions``, ``explain``, ``ids``, ``seed``.
    options
        Further arguments of ``fn``: several metrics may share one function.
    read
        Attribute of what ``fn`` returns that holds a value a face; empty where it returns them.
    sign_blind
        Whether a map and its inverse score alike, so that better maps need not score better than
        their inverse.
    reference
        The paper or equation.
    """

    name: str
    fn: Callable[..., Any]
    family: Family
    higher_is_better: bool | None
    bounds: tuple[float, float]
    needs: tuple[str, ...]
    reference: str
    options: Mapping[str, Any] = field(default_factory=dict)
    read: str = ""
    sign_blind: bool = False


METRICS: Registry[MetricSpec] = Registry(
    "metric",
    {
        name: f"metrics.{module}"
        for module, names in {
            "curves": (
                "deletion",
                "insertion",
                "deletion_lerf",
                "deletion_rise",
                "insertion_rise",
                "deletion_skin",
                "insertion_skin",
                "aopc",
            ),
            "masking": (
                "average_drop",
                "average_increase",
                "average_gain",
                "comprehensiveness",
                "sufficiency",
            ),
            "subsets": ("infidelity", "infidelity_scaled", "mu_fidelity", "sensitivity_n"),
            "debiasing": ("road_morf", "road_lerf", "road"),
            "regions": ("single_deletion", "shapley_agreement", "naopc"),
            "patches": ("naopc_searched",),
        }.items()
        for name in names
    },
)
"""Metrics of one value a face, by name."""
