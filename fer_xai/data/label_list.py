"""Label lists as a whole: rows ``name, code`` whose codes, names and copies must agree."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from fer_xai.checks import quoted
from fer_xai.data.file_names import name_fault, spoken_emotion
from fer_xai.data.registry import Problems
from fer_xai.errors import InputError


class LabelRow(NamedTuple):
    """One row of a list, its code read and its name checked.

    Examples
    --------
    >>> LabelRow(name="1.png", emotion="fear", file=Path("labels.csv"), row=7).place
    'labels.csv, row 7'
    """

    name: str
    emotion: str
    file: Path
    row: int

    @property
    def place(self) -> str:
        """Where the row stands, for messages."""
        return f"{self.file}, row {self.row}"


@dataclass(frozen=True, kw_only=True)
class CodeRange:
    """Codes of an order of emotions, checked over all rows of a file.

    Attributes
    ----------
    order
        The emotions; the first has the code ``first``.
    first
        0 or 1.

    Examples
    --------
    >>> codes = CodeRange(order=("anger", "fear"), first=1)
    >>> codes.words, codes.emotion(2, row=1), codes.emotion(3, row=2)
    ('1–2', 'fear', None)
    >>> codes.check(Path("labels.csv"))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected codes 1–2 (anger, fear) in labels.csv, but codes 2 to 3 ...
    """

    order: Sequence[str]
    first: int
    _codes: dict[int, int] = field(default_factory=dict)  # code -> first row

    def emotion(self, code: int, *, row: int) -> str | None:
        """Emotion of a code; None where it is out of range, and :meth:`check` will refuse."""
        self._codes.setdefault(code, row)
        place = code - self.first
        return self.order[place] if 0 <= place < len(self.order) else None

    @property
    def words(self) -> str:
        """The range in words."""
        return f"{self.first}–{self.first + len(self.order) - 1}"

    def check(self, file: Path) -> None:
        """Refuse a file with codes of another order; no row of it can be trusted.

        Raises
        ------
        InputError
            If a code lies outside the range, whether bad rows are skipped or not.
        """
        last = self.first + len(self.order) - 1
        outside = {code: row for code, row in self._codes.items() if not self.first <= code <= last}
        if outside:
            code, row = min(outside.items(), key=lambda item: item[1])
            raise InputError(
                f"Expected codes {self.words} ({', '.join(self.order)}) in {file}, but codes "
                f"{min(self._codes)} to {max(self._codes)} were found ({code} first in row {row}): "
                "is it another order? Every label may mean another emotion; write these codes."
            )


def checked_rows(rows: Sequence[LabelRow], problems: Problems) -> list[LabelRow]:
    """The rows whose names are files under their folder, agree with the label and come once.

    Several rows of one name leave the first if all agree about the emotion, and none otherwise.

    Raises
    ------
    InputError
        For the first row that cannot be used (unless such rows are skipped), and in any case if the
        file names speak against the labels as a rule.

    Examples
    --------
    >>> listed = [("1.png", "fear"), ("1.png", "fear"), ("../2.png", "anger")]
    >>> rows = [
    ...     LabelRow(name=name, emotion=emotion, file=Path("labels.csv"), row=row)
    ...     for row, (name, emotion) in enumerate(listed, start=1)
    ... ]
    >>> problems = Problems(skip=True)
    >>> [one.name for one in checked_rows(rows, problems)], len(problems.found)
    (['1.png'], 2)
    """
    words = [spoken_emotion(one.name) for one in rows]
    _check_spoken(rows, words)
    named: dict[str, list[LabelRow]] = defaultdict(list)
    for one, spoken in zip(rows, words, strict=True):
        fault = name_fault(one.name)
        if fault is not None:
            problems.add(
                f"Expected the name of a file under its folder in {one.place}, got {fault}: "
                f"{quoted(one.name)}."
            )
        elif spoken not in (None, one.emotion):
            problems.add(
                f"Expected a label that agrees with its file name in {one.place}, got "
                f"{one.emotion} for {quoted(one.name)}: mend the label, or rename the file."
            )
        else:
            named[os.path.normpath(one.name)].append(one)
    kept = []
    for first, *others in named.values():
        emotions = sorted({one.emotion for one in (first, *others)})
        for one in others:
            again = f"{first.place.removeprefix(f'{one.file}, ')} and again in {one.place}"
            problems.add(
                f"Expected each image once, got {quoted(one.name)} in {again}"
                + (f", as {' and '.join(emotions)}." if len(emotions) > 1 else ": delete one.")
            )
        if len(emotions) == 1:
            kept.append(first)
    return kept


def _check_spoken(rows: Sequence[LabelRow], words: Sequence[str | None]) -> None:
    """Refuse lists of which one label's names speak of another emotion more often than of it."""
    heard: dict[str, Counter[str]] = defaultdict(Counter)
    for one, spoken in zip(rows, words, strict=True):
        if spoken is not None:
            heard[one.emotion][spoken] += 1
    for emotion, counts in heard.items():
        other, often = counts.most_common(1)[0]
        if other != emotion and often > max(1, counts[emotion]):
            pairs = zip(rows, words, strict=True)
            example = next(one for one, word in pairs if (one.emotion, word) == (emotion, other))
            raise InputError(
                f"Expected labels that agree with the file names in {example.file}, but {often} "
                f"names of the label {emotion} speak of {other} ({quoted(example.name)} in row "
                f"{example.row}): is it another order of codes?"
            )
