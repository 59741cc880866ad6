"""What a check found, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["pass", "fail", "undecided", "not applicable"]
"""As declared; not as declared; not decided by these faces; not a question for this model."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    check
        Name of the check, such as ``order of the outputs``.
    verdict
        ``pass``, ``fail``, ``undecided`` or ``not applicable``.
    sentence
        What was found, with its numbers.
    suggestion
        Arguments of :class:`fer_xai.FERModel` that would repair it; empty where none would.
    numbers
        The evidence by name: estimates, bounds, counts of faces.

    Examples
    --------
    >>> Finding(check="precision", verdict="pass", sentence="All weights are float32.").verdict
    'pass'
    """

    check: str
    verdict: Verdict
    sentence: str
    suggestion: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
