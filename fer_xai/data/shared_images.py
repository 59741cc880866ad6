"""Data sets that hold images of other data sets, by name."""

from __future__ import annotations

_BENCHMARK = ("rafdb", "fer2013", "affectnet", "ckplus", "tfeid")
HOLDS = {
    "gimefive": _BENCHMARK,
    "aggregate": _BENCHMARK,
    "ferplus": ("fer2013",),
    "mmafedb": ("fer2013", "expw"),
    "ck48": ("ckplus",),
}
"""Data sets that hold the images of others, and the others."""


def plain(name: str) -> str:
    """Letters and digits of a data set's name, in lower case; its place and options are left out.

    Examples
    --------
    >>> plain("RAF-DB"), plain("gimefive:/data/bench"), plain("ckplus#neutral=first")
    ('rafdb', 'gimefive', 'ckplus')
    """
    short = name.partition(":")[0].partition("#")[0]
    return "".join(letter for letter in short.lower() if letter.isalnum())


def share_images(one: str, two: str) -> bool:
    """Whether two data sets have images in common, as far as their names tell.

    Examples
    --------
    >>> share_images("RAF-DB", "gimefive"), share_images("mmafedb", "ferplus")
    (True, True)
    >>> share_images("rafdb", "fer2013")
    False
    """
    held = [{name, *HOLDS.get(name, ())} for name in (plain(one), plain(two))]
    return not held[0].isdisjoint(held[1])


def one_of(name: str, source: str) -> str:
    """Plain name of the data set that a face is from: its source, in one put together from several.

    Parameters
    ----------
    name
        Data set, ``NAME`` or ``NAME@SOURCE``.
    source
        Source of the face; empty where it is not known.

    Examples
    --------
    >>> one_of("gimefive@RAF-DB", ""), one_of("gimefive", "rafdb"), one_of("kdef", "kdef")
    ('rafdb', 'rafdb', 'kdef')
    """
    data, _, own = name.partition("@")
    return plain(own) or (plain(source) if plain(data) in HOLDS else "") or plain(data)
