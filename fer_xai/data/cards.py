"""Cards: what is published of a data set, beside its loader: layout, counts, licence, source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fer_xai.data.registry import DATASETS
from fer_xai.emotions import EMOTIONS

L = TypeVar("L", bound=Callable[..., Any])

WHOLE = "whole set"
"""Name of the counts that are published of all splits together."""
LISTED = "listed"
"""Name of the count of all images, those included whose label is left out."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What is published of a data set.

    Attributes
    ----------
    title
        Its name and what it holds.
    layout
        The files that are read, below the root.
    licence
        Who may use it, in words.
    source
        Publication, or page of its authors.
    splits
        The splits of its own; empty where it has none, and every face belongs to the split that is
        asked for.
    counts
        Published number of faces by split (or :data:`WHOLE`) and by emotion, label that is left
        out, or :data:`LISTED`.
    sources
        Published counts of each source of a benchmark that is put together from several, by split
        and by emotion or :data:`LISTED`.
    persons
        What is known of persons, in words.
    attributes
        Further columns of the table, in words.

    Examples
    --------
    >>> card = Card(title="Mine", layout="<emotion>/<image>", licence="none", source="myself",
    ...             counts={"test": {"fear": 2, "anger": 3, "listed": 6}})
    >>> card.total("test"), card.total("train")
    (5, None)
    """

    title: str
    layout: str
    licence: str
    source: str
    splits: tuple[str, ...] = ()
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    persons: str = "unknown"
    attributes: str = ""

    def total(self, split: str) -> int | None:
        """Published number of faces with an emotion; None where it is not published."""
        known = [count for name, count in self.counts.get(split, {}).items() if name in EMOTIONS]
        return sum(known) if known else None


def described(card: Card) -> Callable[[L], L]:
    """Decorator that puts a card to a loader.

    Examples
    --------
    >>> @described(Card(title="Mine", layout="a folder", licence="none", source="myself"))
    ... def mine(root, *, split, problems): ...
    >>> mine.card.title
    'Mine'
    """

    def put(loader: L) -> L:
        loader.card = card  # type: ignore[attr-defined]
        return loader

    return put


def card_of(name: str) -> Card | None:
    """Card of a data set; None where it has none, as plugins and built-in faces may.

    Examples
    --------
    >>> card_of("rafdb").total("test")
    3068
    """
    card = getattr(DATASETS[name], "card", None)
    return card if isinstance(card, Card) else None
