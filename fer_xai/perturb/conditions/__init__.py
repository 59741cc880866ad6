"""Conditions: what makes an image worse or moves the face; severity 0 leaves it as it is."""

from fer_xai.perturb.conditions.core import (
    CONDITIONS,
    Condition,
    Degraded,
    condition_named,
    degrade,
)
from fer_xai.perturb.conditions.moving import inside, moved_back, moved_points

__all__ = [
    "CONDITIONS",
    "Condition",
    "Degraded",
    "condition_named",
    "degrade",
    "inside",
    "moved_back",
    "moved_points",
]
