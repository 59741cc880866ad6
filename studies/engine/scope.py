"""Options that several studies share: which methods and metrics, how many faces."""

from __future__ import annotations

from dataclasses import dataclass

from fer_xai.checks import check_count
from studies.engine.options import Options


@dataclass(frozen=True, kw_only=True)
class Methods(Options):
    """The attributions of a study.

    Examples
    --------
    >>> Methods().methods
    ()
    """

    methods: tuple[str, ...] = ()
    """Attributions; by default those that the study names, or all that a model can be explained
    by."""


@dataclass(frozen=True, kw_only=True)
class Limit(Options):
    """The number of faces of a study.

    Examples
    --------
    >>> Limit(limit=0).check()
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected --limit as a whole number of 1 or more, got 0.
    """

    limit: int = 128
    """At most this many faces with landmarks, with the emotions' shares kept."""

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        check_count("--limit", self.limit)


@dataclass(frozen=True, kw_only=True)
class Metrics(Options):
    """The metrics of a study.

    Examples
    --------
    >>> Metrics(metrics=("road",)).config()
    {'metrics': ('road',)}
    """

    metrics: tuple[str, ...] = ()
    """Names of metrics."""
