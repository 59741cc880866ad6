"""What a metric is, beside the function that computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """Facts about a metric.

    Attributes
    ----------
    name, fn
        Its registered name, and the function.
    higher_is_better
        None where neither is (a description).
    bounds
        Smallest and largest possible value.
    needs
        What it asks for: ``maps``, ``labels``, ``regions``, ``explain``, …
    reference
        The paper or equation.
    """

    name: str
    fn: Callable[..., Any]
    higher_is_better: bool | None
    bounds: tuple[float, float]
    needs: tuple[str, ...]
    reference: str
