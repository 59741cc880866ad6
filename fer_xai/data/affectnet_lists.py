"""AffectNet's lists: rows of a photograph, a box, landmarks, an expression, valence and arousal."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.data.attributes import with_attributes
from fer_xai.data.crops import Box, faces_from_boxes
from fer_xai.data.file_names import name_fault
from fer_xai.data.listing import Listing
from fer_xai.data.registry import Problems
from fer_xai.data.text import cells, text_lines, whole_number
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError
from fer_xai.types import Faces

COLUMNS = (
    *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height"),
    *("facial_landmarks", "expression", "valence", "arousal"),
)
"""The columns, in their order where there is no header."""
NO_EMOTION = {8: "None (8)", 9: "Uncertain (9)", 10: "No-face (10)"}
"""Codes that stand for no emotion."""
_IN_ORDER = list(range(len(COLUMNS)))
_IMAGES = (
    *("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images"),
    *("Manually_Annotated", "images"),
)


def emotion_of(code: int | None, place: str, problems: Problems) -> str | None:
    """Emotion of a code; None where it stands for none, which is counted.

    Raises
    ------
    InputError
        For a code outside 0–10, which no AffectNet has.

    Examples
    --------
    >>> problems = Problems(skip=False)
    >>> emotion_of(6, "row 1", problems), emotion_of(8, "row 2", problems), problems.left_out
    ('anger', None, Counter({'None (8)': 1}))
    """
    order = NATIVE_ORDERS["affectnet"]
    if code in NO_EMOTION:
        problems.left_out[NO_EMOTION[code]] += 1
        return None
    if code is None or not 0 <= code < len(order):
        raise InputError(
            f"Expected codes 0–10 of AffectNet ({', '.join(order)}, none, uncertain, no face) in "
            f"{place}, got {'no number' if code is None else code}: is it another list?"
        )
    return order[code]


def index_list(path: Path, root: Path, *, split: str, crop: bool, problems: Problems) -> Faces:
    r"""Faces of one list.

    Parameters
    ----------
    path, root
        The list, and the folder of the data set.
    split
        Name that the split gets.
    crop
        Whether boxes are cut out.
    problems
        Collects what cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     path = Path(place) / "training.csv"
    ...     _ = path.write_text("1/a.jpg,0,0,9,9,1;2,10,-2,-2\n1/b.jpg,0,0,9,9,1;2,0,0,0")
    ...     problems = Problems(skip=False)
    ...     index_list(path, Path(place), split="train", crop=True, problems=problems)
    Faces(affectnet: 1 face (neutral 1))
    """
    base = next((root / name for name in _IMAGES if (root / name).is_dir()), root)
    files, folders = Listing(), dict[str, str]()
    rows: list[tuple[str, ...]] = []
    boxes: list[Box | None] = []
    moods: list[tuple[float, float]] = []
    seen: dict[str, int] = {}
    where = f"{path}, row "
    for number, row in _rows(path, problems):
        name = row[0].replace("\\", "/")
        place = f"{where}{number}"
        fault = name_fault(name)
        if fault:
            problems.add(f"Expected the name of a file in {place}, got {fault}: {quoted(name)}.")
            continue
        emotion = emotion_of(whole_number(row[6]), place, problems)
        if emotion is None:
            continue
        if seen.setdefault(name, number) != number:
            problems.add(
                f"Expected each image once, got {quoted(name)} in row {seen[name]} and again in "
                f"{place}: delete one."
            )
            continue
        box = _box(row[1:5]) if crop else None
        mood = (_number(row[7]), _number(row[8]))
        if crop and box is None and any(cell not in ("", "NULL") for cell in row[1:5]):
            problems.add(f"Expected a box of four numbers in {place}, got {quoted(row[1:5])}.")
            continue
        below, _, file = name.rpartition("/")
        folder = folders.setdefault(below, f"{base}{os.sep}{below}" if below else str(base))
        rows.append((name, files.path(folder, file), emotion, split, "", "affectnet", ""))
        boxes.append(box)
        moods.append(mood)
    faces = faces_from_boxes(rows, boxes, name="affectnet")
    valence, arousal = ([mood[i] for mood in moods] for i in (0, 1))
    return with_attributes(faces, {"valence": valence, "arousal": arousal})


def _rows(path: Path, problems: Problems) -> Iterator[tuple[int, Sequence[str]]]:
    """Rows of the list with their cells in the order of :data:`COLUMNS`, the header left out."""
    places: list[int] | None = None
    for number, line in text_lines(path, what="a list of AffectNet"):
        row = cells(line) or []
        if places is None:
            places = _IN_ORDER
            names = [cell.lower() for cell in row]
            if COLUMNS[0].lower() in names:
                missing = [name for name in COLUMNS if name.lower() not in names]
                if missing:
                    raise InputError(
                        f"Expected columns {', '.join(COLUMNS)} in {path}, but "
                        f"{', '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing."
                    )
                if twice := [name for name in COLUMNS if names.count(name.lower()) > 1]:
                    raise InputError(
                        f"Expected one column {twice[0]} in {path}, got more: delete one."
                    )
                places = [names.index(name.lower()) for name in COLUMNS]
                continue
        if len(row) <= max(places):
            problems.add(
                f"Expected {len(COLUMNS)} cells ({', '.join(COLUMNS)}) in {path}, row {number}, "
                f"got {len(row)}: {quoted(line)}."
            )
            continue
        yield number, row if places == _IN_ORDER else [row[place] for place in places]


def _box(numbers: Sequence[str]) -> Box | None:
    """Left, top, right and bottom of a box written as x, y, width, height."""
    values = [whole_number(text) for text in numbers]
    x, y, width, height = values
    if x is None or y is None or not width or not height or width < 0 or height < 0:
        return None
    return x, y, x + width, y + height


def _number(text: str) -> float:
    """Valence or arousal; NaN where it was not annotated, which −2 says."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if -1 <= value <= 1 else math.nan
