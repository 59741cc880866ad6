"""The command ``python -m fer_xai.data check NAME:ROOT``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fer_xai.checks import check_count
from fer_xai.command import DONE, REFUSED, parsed, terminal
from fer_xai.data.cards import WHOLE, card_of
from fer_xai.data.checking.headers import Headers, read_headers
from fer_xai.data.checking.survey import Part, Survey, survey
from fer_xai.data.emotion_map import read_map
from fer_xai.data.listing import in_file
from fer_xai.data.registry import DATASETS
from fer_xai.data.spec import DatasetSpec, split_source
from fer_xai.emotions import NATIVE_ORDERS, parse_order
from fer_xai.errors import InputError, UnknownNameError

MOST_NAMED = 5
"""Most sentences of one kind that are printed."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """Count a copy of a data set beside what is published, and say what is missing or left out.

    Examples
    --------
    >>> Check(data="rafdb:RAF-DB").headers is None
    True
    """

    data: Annotated[
        tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME:ROOT[#OPTION=VALUE,…][@SOURCE]")
    ]
    """Data set and its folder or file; options of the data set after a #, one source of a benchmark
    after an @."""
    emotion_map: Annotated[str, tyro.conf.arg(name="map", metavar="LABEL=EMOTION,…")] = ""
    """Emotions of the data set's own labels, or none for those that are left out."""
    emotions: tuple[str, ...] = ()
    """Count these emotions alone, by names or as a native label order."""
    split: str | None = None
    """Look at one split alone: train, valid or test."""
    source: str | None = None
    """Look at one source dataset of a benchmark alone."""
    headers: int | None = None
    """Read the headers of at most this many images, evenly drawn; by default of all."""


def check(options: Check) -> int:
    """Print what is there; returns 1 where something is missing, else 0.

    Raises
    ------
    InputError
        For options that cannot be used, or a root that holds nothing of the data set.

    Examples
    --------
    >>> check(Check(data="synthetic:lab", split="test", emotions=("fear",), headers=0))
    synthetic:lab
    split  emotion found published
     test     fear   100
     test      all   100
    ...
    Nothing is missing.
    0
    """
    data, source = split_source(options.data)
    source = options.source or source
    spec = DatasetSpec.parse(data)
    if spec.name not in DATASETS:
        raise UnknownNameError(DATASETS.unknown(spec.name))
    there = bool(spec.root) and Path(spec.root).expanduser().exists()
    if spec.name != "synthetic" and not there:
        raise InputError(
            f"Expected the data set {spec.name} in a folder or file, but {spec.root or 'no place'} "
            "does not exist: write NAME:ROOT."
        )
    if options.headers is not None:
        check_count("--headers", options.headers, low=0)
    named = options.emotions
    alone = len(named) == 1 and named[0] in NATIVE_ORDERS
    seen = survey(
        spec,
        split=options.split,
        source=source,
        emotions=parse_order(named[0] if alone else named) if named else (),
        emotion_map=read_map(options.emotion_map),
    )
    say = terminal()

    def line(text: str) -> None:
        say.print(text, soft_wrap=True)

    card = card_of(spec.name)
    line(options.data + (f": {card.title}; {card.source}; {card.licence}" if card else ""))
    line(counts_table(seen))
    for part in seen.parts:
        for sentence in part_sentences(part):
            line(sentence if part.name == WHOLE else f"{part.name}: {sentence}")
    headers = _headers(seen, options.headers)
    for sentence in headers.sentences():
        line(sentence)
    missing = missing_sentences(seen, headers)
    for sentence in missing:
        line(f"missing: {sentence}")
    line("Nothing is missing." if not missing else "Something is missing.")
    return REFUSED if missing else DONE


def counts_table(seen: Survey) -> str:
    """Counts beside the published ones, as a table of plain text.

    Examples
    --------
    >>> seen = survey(DatasetSpec.parse("synthetic"), split="test", emotions=("fear",))
    >>> print(counts_table(seen).splitlines()[0])
    split emotion found published
    """
    import pandas as pd

    several = any(row.source for row in seen.rows)
    rows = []
    for row in seen.rows:
        published = "" if row.published is None else str(row.published)
        cells = {"split": row.split, "source": row.source, "emotion": row.what}
        rows.append({**cells, "found": str(row.found), "published": published})
    table = pd.DataFrame(rows).drop(columns=[] if several else ["source"])
    return table.to_string(index=False)


def part_sentences(part: Part) -> list[str]:
    """What is to be said of a split besides its counts: persons, attributes, what is left out.

    Examples
    --------
    >>> part_sentences(survey(DatasetSpec.parse("synthetic"), split="test").parts[0])
    ['50 persons']
    """
    table = part.faces.table
    subjects = set(table["subject"]) - {""}
    unnamed = int((table["subject"] == "").sum())
    groups = len(set(table["group"]) - {""})
    found = [
        (f"{len(subjects)} person{'s' if len(subjects) != 1 else ''}" if subjects else "")
        + (f", {unnamed} faces of unknown persons" if subjects and unnamed else "")
        + ("" if subjects else "persons are unknown")
        + (f", {groups} sequences or groups" if groups else "")
    ]
    left_out = part.problems.left_out
    if left_out:
        told = ", ".join(f"{reason} {count}" for reason, count in sorted(left_out.items()))
        found.append(f"left out {left_out.total()}: {told}")
    return [*found, *part.problems.remarks]


def missing_sentences(seen: Survey, headers: Headers) -> list[str]:
    """What is missing, a sentence each, the most important first.

    Examples
    --------
    >>> missing_sentences(Survey(parts=[], absent={"test": "No list."}, rows=[]), Headers())
    ['split test: No list.']
    """
    found = [f"split {name}: {sentence}" for name, sentence in seen.absent.items()]
    for part in seen.parts:
        if part.missing:
            first = part.faces.table["path"][part.missing[0]]
            found.append(
                f"{len(part.missing)} of {len(part.faces)} images of {part.name} are listed, but "
                f"not there, first {first}"
            )
        found += _few(part.problems.found, f"rows of {part.name} that cannot be used")
    for row in seen.rows:
        if row.short:
            source = f" from {row.source}" if row.source else ""
            found.append(
                f"{row.published} faces ({row.what}{source}) are published of {row.split}, "
                f"{row.found} are there"
            )
    return [*found, *_few(headers.unreadable, "files without an image's header")]


def _few(sentences: Sequence[str], what: str) -> list[str]:
    """The first sentences of a kind, and how many there are where these are not all."""
    if len(sentences) <= MOST_NAMED:
        return [f"{sentence}" for sentence in sentences]
    return [f"{len(sentences)} {what}, of which the first:", *sentences[:MOST_NAMED]]


def _headers(seen: Survey, most: int | None) -> Headers:
    """What the headers of the image files say, each file read once."""
    paths: dict[str, None] = {}
    for part in seen.parts:
        lost = set(part.missing)
        for index, path in enumerate(part.faces.table["path"]):
            if index not in lost and not in_file(path) and not path.startswith("synthetic:"):
                paths[path] = None
    chosen = list(paths)
    if most is not None and most < len(chosen):
        chosen = [chosen[i * len(chosen) // most] for i in range(most)]
    return read_headers(chosen)


def run(words: Sequence[str]) -> int:
    """Do what the words of the command line say; returns the exit status.

    Examples
    --------
    >>> run(["nothing:here"])
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: Unknown dataset 'nothing': did you mean ...?
    """
    return check(parsed(Check, words, prog="python -m fer_xai.data check"))
