"""ExpW (Zhang et al., IJCV 2018): 91,793 faces in photographs from the web.

``data/label/label.lst`` with rows ``image face_id top left right bottom confidence label``, codes
0–6 for An Di Fe Ha Sa Su Ne; photographs in ``data/image/origin/``, from which the boxes are cut. A
photograph may hold several faces. There is no split, and persons are unknown. For research.
"""

from __future__ import annotations

import math
from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.data.attributes import with_attributes
from fer_xai.data.cards import WHOLE, Card, described
from fer_xai.data.crops import Box, faces_from_boxes
from fer_xai.data.file_names import name_fault
from fer_xai.data.label_list import CodeRange
from fer_xai.data.listing import Listing, contents
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.text import text_lines, whole_number
from fer_xai.data.unsplit import without_splits
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError
from fer_xai.types import Faces

_LISTS = ("data/label/label.lst", "label/label.lst", "label.lst")
_IMAGES = ("data/image/origin", "image/origin", "origin", "data/image", "image")

CARD = Card(
    title="ExpW",
    layout="`data/label/label.lst`, `data/image/origin/`",
    licence="research",
    source="Zhang, Luo, Loy & Tang, IJCV 2018",
    counts={
        WHOLE: {
            **{"anger": 3671, "disgust": 3995, "fear": 1088, "happiness": 30537},
            **{"sadness": 10559, "surprise": 7060, "neutral": 34883},
        }
    },
    attributes="confidence (of the face detector)",
)


@DATASETS.register("expw")
@described(CARD)
def expw(
    root: Path,
    *,
    split: str,
    problems: Problems,
    confidence: str = "0",
    test_share: str = "",
) -> Faces:
    r"""Index the list; each face is the box of a photograph.

    Parameters
    ----------
    root
        The folder that holds ``data``, or its files.
    split
        train, valid or test.
    problems
        Collects what cannot be used.
    confidence
        Least confidence of the face detector; faces below it are left out and counted.
    test_share
        Share of the photographs to be tested on; see
        :func:`fer_xai.data.unsplit.without_splits`.

    Raises
    ------
    InputError
        If the list is missing, a row cannot be read or comes twice, or a code lies outside 0–6.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = (Path(root) / "label.lst").write_text("a.jpg 0 10 20 60 50 97.5 3\n")
    ...     faces = expw(Path(root), split="test", problems=Problems(skip=False))
    >>> faces, faces.ids, faces.reader.boxes  # left, top, right, bottom
    (Faces(expw: 1 face (happiness 1)), ['a.jpg#0'], [(20, 10, 60, 50)])
    """
    path = next((root / name for name in _LISTS if (root / name).is_file()), None)
    if path is None:
        raise InputError(
            f"Expected {_LISTS[0]} of ExpW under {root}, found none ({contents(root)}): check the "
            "root."
        )
    least = _number(confidence)
    if least is None:
        raise InputError(f"Expected confidence as a number for expw, got {quoted(confidence)}.")
    folder = next((root / name for name in _IMAGES if (root / name).is_dir()), root)
    codes = CodeRange(order=NATIVE_ORDERS["expw"], first=0)
    files, seen = Listing(), dict[str, int]()
    rows: list[tuple[str, ...]] = []
    boxes: list[Box] = []
    sure: list[float] = []
    for number, line in text_lines(path, what="a list of faces"):
        place = f"{path}, row {number}"
        cells = line.split()
        numbers = [whole_number(cell) for cell in (*cells[1:6], *cells[7:])]
        score = _number(cells[6]) if len(cells) == 8 else None
        if len(cells) != 8 or score is None or None in numbers:
            problems.add(
                "Expected `image face_id top left right bottom confidence label` in "
                f"{place}, got {quoted(line)}."
            )
            continue
        face, top, left, right, bottom, code = (value or 0 for value in numbers)
        emotion = codes.emotion(code, row=number)
        fault = name_fault(cells[0])
        if fault or right <= left or bottom <= top:
            problems.add(
                f"Expected the name of a file and a box in {place}, got "
                f"{fault or 'a box without an inside'}: {quoted(line)}."
            )
            continue
        name = f"{cells[0]}#{face}"
        if seen.setdefault(name, number) != number:
            problems.add(
                f"Expected each face once, got {quoted(name)} in row {seen[name]} and again in "
                f"{place}: delete one."
            )
            continue
        if score < least:
            problems.left_out[f"confidence below {confidence}"] += 1
        elif emotion is not None:
            rows.append((name, files.path(folder, cells[0]), emotion, split, "", "expw", ""))
            boxes.append((left, top, right, bottom))
            sure.append(score)
    codes.check(path)
    faces = with_attributes(faces_from_boxes(rows, boxes, name="expw"), {"confidence": sure})
    return without_splits(
        faces,
        split=split,
        test_share=test_share,
        problems=problems,
        units=list(faces.table["path"]),
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
