"""A list of one's own: a CSV of paths and labels, as many repositories keep them.

With a header, the columns are found by their usual names or named by options; without one, a list
has two columns, path and label. Paths are relative to the list's folder, or whole paths below it.
Labels are words for emotions; codes need an order or a map.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from fer_xai.checks import listed, quoted
from fer_xai.data.attributes import with_attributes
from fer_xai.data.cards import Card, described
from fer_xai.data.emotion_map import EmotionMap
from fer_xai.data.images import faces_from_files
from fer_xai.data.label_list import LabelRow, checked_rows
from fer_xai.data.listing import Listing, contents
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.text import cells, text_lines
from fer_xai.data.words import emotion_of_word
from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Faces
from fer_xai.types.lists import LABELS, PATHS

_SPLITS = {
    **{"val": "valid", "validation": "valid", "dev": "valid", "publictest": "valid"},
    **{"training": "train", "testing": "test", "privatetest": "test"},
}

CARD = Card(
    title="A list of one's own",
    layout="a CSV of paths and labels, with or without a header",
    licence="its own",
    source="your own files",
    persons="by the option `subject`, or by `--subject-pattern`",
    attributes="by the option `keep`",
)


@DATASETS.register("csv")
@described(CARD)
def csv_list(
    root: Path,
    *,
    split: str,
    problems: Problems,
    path: str = "",
    label: str = "",
    subject: str = "",
    splits: str = "",
    keep: str = "",
    order: str = "",
    emotion_map: EmotionMap | None = None,
) -> Faces:
    r"""Index a list.

    Parameters
    ----------
    root
        The file.
    split
        Name of a split. Without a column of splits every row belongs to the split that is asked
        for.
    problems
        Collects the rows that cannot be used; ``left_out`` counts labels that the map leaves out.
    path, label
        Names of the columns, if they are not usual ones (:data:`PATHS`, :data:`LABELS`).
    subject
        Name of the column of persons.
    splits
        Name of the column of splits, if it is not ``split`` or ``usage``.
    keep
        Names of further columns that are kept as attributes, joined by ``+``.
    order
        A native label order that codes are of, such as ``fer2013`` (codes begin with 0).
    emotion_map
        Emotions of labels.

    Raises
    ------
    InputError
        If a column is missing, a row cannot be read, a path leaves the folder, an image is listed
        twice, or a label is unknown.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     file = Path(place) / "mine.csv"
    ...     _ = file.write_text("path,label,age\na/1.png,3,20\na/2.png,happy,30\n")
    ...     faces = csv_list(
    ...         file, split="test", problems=Problems(False), order="fer2013", keep="age"
    ...     )
    >>> faces, faces.table["age"].tolist()
    (Faces(mine: 2 faces (happiness 2)), ['20', '30'])
    """
    if not root.is_file():
        raise InputError(
            f"Expected a CSV file as csv:FILE, got the folder {root}, and "
            f"{contents(root)}: name one file."
        )
    emotions = emotion_map or EmotionMap()
    table = _read(root, path=path, label=label, subject=subject, splits=splits, keep=keep)
    base, found, extras = root.parent, list[LabelRow](), dict[str, list[str]]()
    whole, where = str(base.absolute()).rstrip("/") + "/", f"{root}, row "
    further = [*table.kept.values(), *([] if table.subject is None else [table.subject])]
    known: dict[str, str] = {}  # emotions of words that have been looked up
    for number, row in table.rows:
        place = f"{where}{number}"
        if len(row) != table.width:
            problems.add(
                f"Expected {table.width} cells in {place}, got {len(row)}: {quoted(','.join(row))}."
            )
            continue
        if table.split is not None:
            told = row[table.split].lower()
            if _SPLITS.get(told, told) != split:
                continue
        word = row[table.label]
        emotion = known.get(word)
        if emotion is None:
            emotion = emotion_of_word(word, emotions, order=order, place=place, problems=problems)
        if emotion is not None:
            known[word] = emotion
            name = _below(row[table.path], whole)
            found.append(LabelRow(name, emotion, root, number))
            if further:
                extras.setdefault(name, row)
    rows, kept, files, stem = [], [], Listing(), root.stem
    folders: dict[str, str] = {"": str(base)}
    for one in checked_rows(found, problems):
        row = extras.get(one.name, [])
        below, _, name = one.name.rpartition("/")
        person = "" if table.subject is None else row[table.subject]
        folder = folders.get(below) or folders.setdefault(below, f"{base}{os.sep}{below}")
        rows.append((one.name, files.path(folder, name), one.emotion, split, person, stem, ""))
        kept.append(row)
    faces = faces_from_files(rows, name=stem)
    return with_attributes(
        faces, {name: [row[at] for row in kept] for name, at in table.kept.items()}
    )


@dataclass(frozen=True, kw_only=True)
class _Table:
    """Rows of a list with their numbers, and which of their cells is what."""

    rows: Iterator[tuple[int, list[str]]]
    width: int
    path: int
    label: int
    subject: int | None
    split: int | None
    kept: dict[str, int]


def _read(file: Path, *, path: str, label: str, subject: str, splits: str, keep: str) -> _Table:
    """The list, its columns found."""
    rows = _cells(file)
    first = next(rows, None)
    if first is None:
        raise InputError(f"Expected rows in {file}, got none.")
    header = first[1]
    names = [name.lower() for name in header]
    usual = any(name in names for name in PATHS) and any(name in names for name in LABELS)
    asked = [name for name in (path, label, subject, splits, *keep.split("+")) if name]
    if not usual and not any(name.lower() in names for name in asked):
        if asked or len(header) != 2:
            raise InputError(
                f"Expected a header with the columns {', '.join(asked) or 'path and label'} in "
                f"{file}, got {quoted(','.join(header))}: name them by the options path and label "
                f"(csv:{file.name}#path=…,label=…)."
            )
        rows = chain([first], rows)
        return _Table(rows=rows, width=2, path=0, label=1, subject=None, split=None, kept={})

    def column(name: str, others: Sequence[str], needed: bool) -> int | None:
        wanted = [name.lower()] if name else [other for other in others if other in names]
        if wanted and names.count(wanted[0]) == 1:
            return names.index(wanted[0])
        if not (needed or name):
            return None
        what = name or " or ".join(others[:3])
        raise InputError(f"Expected one column {what} in {file}, got the columns {listed(header)}.")

    at = column(path, PATHS, True), column(label, LABELS, True)
    assert at[0] is not None
    assert at[1] is not None
    kept = {}
    for name in filter(None, keep.split("+")):
        if name in COLUMNS:
            raise InputError(
                f"Expected columns to keep of other names than {', '.join(COLUMNS)}, "
                f"got {name}: rename it."
            )
        place = column(name, (), True)
        assert place is not None
        kept[name] = place
    return _Table(
        rows=rows,
        width=len(header),
        path=at[0],
        label=at[1],
        subject=column(subject, (), bool(subject)),
        split=column(splits, ("split", "usage"), bool(splits)),
        kept=kept,
    )


def _cells(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows of the list with their numbers."""
    for number, line in text_lines(file, what="a CSV of paths and labels"):
        row = cells(line)
        if row is None:
            raise InputError(f"Expected quotes that close in {file}, row {number}: {quoted(line)}.")
        yield number, row


def _below(text: str, start: str) -> str:
    """A path of the list as one below its folder, where it lies there; as it is where not."""
    name = text.replace("\\", "/")
    if name.startswith("/"):
        whole = os.path.normpath(name)
        return whole.removeprefix(start) if whole.startswith(start) else name
    dotted = name[:1] == "." or "/." in name
    return os.path.normpath(name) if dotted and {".", ".."} & set(name.split("/")) else name
