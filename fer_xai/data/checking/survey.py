"""Counts of a copy of a data set, split by split, beside those that are published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fer_xai.data.cards import LISTED, WHOLE, Card, card_of
from fer_xai.data.listing import missing_files
from fer_xai.data.loading import of_source
from fer_xai.data.named_files import OTHER
from fer_xai.data.registry import Problems
from fer_xai.data.spec import DatasetSpec, index_dataset
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.types import Faces

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One split, or the whole set, as it lies there.

    Attributes
    ----------
    name
        Name of the split, or :data:`fer_xai.data.cards.WHOLE`.
    faces
        Its faces, those without a file included.
    problems
        Rows that cannot be used, and what is left out.
    missing
        Positions of the faces whose file is not there.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(3)
    >>> Part(name="test", faces=faces, problems=Problems(skip=True), missing=[]).found()["all"]
    3
    """

    name: str
    faces: Faces
    problems: Problems
    missing: Sequence[int]

    def found(self, source: str | None = None) -> Counter[str]:
        """Faces by emotion, left out by label, in all, and those listed; of one source or all.

        Faces without a file are not counted.
        """
        lost = set(self.missing)
        counts: Counter[str] = Counter()
        for index, (emotion, told) in enumerate(
            zip(self.faces.table["emotion"], self.faces.table["source"], strict=True)
        ):
            if index not in lost and source in (None, told):
                counts[emotion] += 1
        total = counts.total()
        if source is None:
            counts.update(self.problems.left_out)
        return counts + Counter({"all": total, LISTED: counts.total()})


@dataclass(frozen=True, kw_only=True)
class Row:
    """One count beside the published one, which is None where none is.

    Examples
    --------
    >>> Row(split="test", source="", what="fear", found=72, published=74).short
    2
    """

    split: str
    source: str
    what: str
    found: int
    published: int | None
    excused: int = 0

    @property
    def short(self) -> int:
        """How many faces are fewer than published, those aside whose file is there but unnamed."""
        return max(0, (self.published or 0) - self.found - self.excused)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A data set as it lies there.

    Attributes
    ----------
    parts
        Its splits, or the whole set.
    absent
        Splits that are published but not there, each with the sentence that says so.
    rows
        Counts beside the published ones.

    Examples
    --------
    >>> Survey(parts=[], absent={}, rows=[]).complete
    True
    """

    parts: Sequence[Part]
    absent: Mapping[str, str]
    rows: Sequence[Row]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing: no split, no file, no face that is published, no row."""
        return not (
            self.absent
            or any(row.short for row in self.rows)
            or any(part.missing or part.problems.found for part in self.parts)
        )


def survey(
    spec: DatasetSpec,
    *,
    split: str | None = None,
    source: str | None = None,
    emotions: Sequence[str] = (),
    emotion_map: Mapping[str, str] | None = None,
) -> Survey:
    """Index a data set, split by split, and count; no image is opened.

    Parameters
    ----------
    spec
        The data set.
    split
        The one split to look at; by default all.
    source
        The one source to look at, of a benchmark.
    emotions
        The emotions to look at; by default all.
    emotion_map
        Emotions of labels.

    Raises
    ------
    InputError
        If no split can be read.

    Examples
    --------
    >>> survey(DatasetSpec.parse("synthetic:lab"), split="test").parts[0].found()["all"]
    600
    """
    card = card_of(spec.name) or Card(title=spec.name, layout="", licence="", source="")
    parts: list[Part] = []
    absent: dict[str, str] = {}
    for name in (split,) if split else card.splits or SPLITS:
        problems = Problems(skip=True)
        try:
            faces = index_dataset(spec, split=name, problems=problems, emotion_map=emotion_map)
            faces = faces if source is None else of_source(faces, source)
        except InputError as error:
            absent[name] = str(error)
            continue
        if emotions:
            told = list(faces.table["emotion"])
            faces = faces.subset([i for i, emotion in enumerate(told) if emotion in emotions])
        parts.append(Part(name=name, faces=faces, problems=problems, missing=missing_files(faces)))
    if not parts:
        raise InputError(next(iter(absent.values())))
    if not card.splits:  # what is not there was not promised
        absent = {}
        if split is None and all(part.faces.ids == parts[0].faces.ids for part in parts):
            parts = [
                Part(
                    name=WHOLE,
                    faces=parts[-1].faces,
                    problems=parts[-1].problems,
                    missing=parts[-1].missing,
                )
            ]
    elif split is None:
        known = {*card.counts, *(name for own in card.sources.values() for name in own)}
        if source is not None:
            known = set(card.sources.get(_plain(source), card.counts))
        absent = {name: why for name, why in absent.items() if name in known}
    rows = _rows(parts, card, emotions=emotions, source=source, whole=split is None)
    return Survey(parts=parts, absent=absent, rows=rows)


def _plain(source: str) -> str:
    return "".join(letter for letter in source.lower() if letter.isalnum())


def _rows(
    parts: Sequence[Part], card: Card, *, emotions: Sequence[str], source: str | None, whole: bool
) -> list[Row]:
    """Counts of each split, and of its sources where there are several, and of the whole set."""
    rows = []
    for part in parts:
        sources = sorted(set(part.faces.table["source"]))
        if card.sources:
            promised = [name for name, own in card.sources.items() if part.name in own]
            names = sources if source is not None else sorted({*sources, *promised})
            for name in names:
                published = card.sources.get(name, {}).get(part.name, {})
                rows += _compared(part.name, name, part.found(name), published, emotions)
        if source is None:
            published = card.counts.get(part.name, {})
            rows += _compared(part.name, "", part.found(), published, emotions)
    if whole and WHOLE in card.counts and parts[0].name != WHOLE:
        found = sum((part.found() for part in parts), Counter[str]())
        rows += _compared(WHOLE, "", found, card.counts[WHOLE], emotions)
    return rows


def _compared(
    split: str,
    source: str,
    found: Counter[str],
    published: Mapping[str, int],
    emotions: Sequence[str],
) -> list[Row]:
    """Rows of one split and source; the total and, where it is published, all that are listed."""
    wanted = {name: count for name, count in published.items() if not emotions or name in emotions}
    names = [*EMOTIONS, *sorted({*found, *wanted} - {*EMOTIONS, "all", LISTED})]
    known = [count for name, count in wanted.items() if name in EMOTIONS]
    told = {**wanted, "all": sum(known) if known else None}
    shown = [name for name in names if found[name] or name in wanted]
    return [
        Row(
            split=split,
            source=source,
            what=name,
            found=found[name],
            published=told.get(name),
            excused=found[OTHER],  # files whose names say no emotion are there
        )
        for name in [*shown, "all", *([LISTED] if LISTED in wanted else [])]
    ]
