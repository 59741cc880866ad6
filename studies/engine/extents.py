"""Options that several studies share: which metrics and methods, how many faces and floors."""

from __future__ import annotations

from dataclasses import dataclass

from studies.engine.options import Options


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


@dataclass(frozen=True, kw_only=True)
class Limit(Options):
    """How many faces a study takes.

    Examples
    --------
    >>> Limit().config()
    {'limit': 128}
    """

    limit: int = 128
    """At most this many faces, with landmarks where these are needed, the emotions' shares kept."""


@dataclass(frozen=True, kw_only=True)
class AllMethods(Options):
    """The attributions of a study that looks at all of them.

    Examples
    --------
    >>> AllMethods().config()
    {'methods': ()}
    """

    methods: tuple[str, ...] = ()
    """Attributions; by default all that a model can be explained by."""


@dataclass(frozen=True, kw_only=True)
class Untrained(Options):
    """The untrained networks of a study.

    Examples
    --------
    >>> Untrained(untrained=2).config()
    {'untrained': 2}
    """

    untrained: int = 5
    """Number of untrained networks of each architecture."""
