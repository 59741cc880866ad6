"""Lists of faces under a difficult condition: occluded, or turned by more than 30° or 45°.

Wang et al., "Region Attention Networks for pose and occlusion robust facial expression
recognition", TIP 2020, published them for RAF-DB, FER+ and AffectNet; their formats differ:

=============================  ==============================================================
row                            what it is
=============================  ==============================================================
``test_0003_aligned 3 4``      RAF-DB: name, label, kind of occlusion
``3/test_0025_aligned.jpg``    RAF-DB: label, name
``0/fer0032226.jpg``           FER+: label, name
``1_fer0034656.png 8 0``       FER+: label, name, a number without use, kind of occlusion
``7/3c02…7203/8.jpg``          AffectNet: label, name
``0/83da…3ad9.jpg``            AffectNet: label, name
``val/0/bc9a…bc79/``           AffectNet: label, name
=============================  ==============================================================
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.data.text import text_lines
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError
from fer_xai.types import Faces

_HASH = r"[0-9a-f]{40,64}"
_ROWS = (
    (
        "rafdb",
        re.compile(r"(?P<name>(?:test|train)_\d+)(?:_aligned)?\S* (?P<label>\d) (?P<kind>\d+)"),
    ),
    ("rafdb", re.compile(r"(?P<label>\d)/(?P<name>(?:test|train)_\d+)(?:_aligned)?\.\w+")),
    ("ferplus", re.compile(r"(?P<label>\d)/(?P<name>fer\d+)\.\w+")),
    ("ferplus", re.compile(r"(?P<label>\d)_(?P<name>fer\d+)\.\w+ \d+ (?P<kind>\d+)")),
    ("affectnet", re.compile(rf"(?:\w+/)?(?P<label>\d)/(?P<name>{_HASH})(?:/[\w.]*|\.\w+)?")),
)
_NAMES = re.compile(rf"(?:test|train)_\d+(?=\D|$)|fer\d{{7}}|{_HASH}")


@dataclass(frozen=True, kw_only=True)
class ChallengeList:
    """A list of faces under a condition.

    Attributes
    ----------
    file
        Where it was read.
    emotions
        Emotion of each face, by its name.
    kinds
        Kind of occlusion of each face, by its name, as the list numbers it; "" where it names none.
    duplicates
        Number of rows that repeat a face, and were left out.
    empty
        Number of empty rows before the last face.

    Examples
    --------
    >>> found = ChallengeList(
    ...     file=Path("list.txt"),
    ...     emotions={"test_0003": "happiness"},
    ...     kinds={"test_0003": "4"},
    ...     duplicates=0,
    ...     empty=1,
    ... )
    >>> len(found)
    1
    """

    file: Path
    emotions: Mapping[str, str]
    kinds: Mapping[str, str]
    duplicates: int
    empty: int

    def __len__(self) -> int:
        return len(self.emotions)

    def subset(self, faces: Faces) -> Faces:
        """The faces that the list names, in their own order; those that it misses are left out.

        Count the rest: a list of seven emotions names faces that a data set of six does not have.

        Parameters
        ----------
        faces
            Faces whose names hold those of the list, with or without ``_aligned`` and an ending.

        Raises
        ------
        InputError
            If labels disagree, the list names none of the faces, or two faces have one name.
        """
        names = [_name(face) for face in faces.ids]
        twice = sorted(
            name for name, count in Counter(names).items() if count > 1 and name in self.emotions
        )
        if twice:
            raise InputError(
                f"Expected each face of {self.file} once among the faces, got {twice[0]} "
                f"{names.count(twice[0])} times: choose one source or split."
            )
        rows = [row for row, name in enumerate(names) if name in self.emotions]
        if not rows:
            raise InputError(
                f"Expected faces that {self.file} names, such as {next(iter(self.emotions), '')}, "
                f"got none among {len(faces)}: choose the data set and split of the list."
            )
        emotions = list(faces.table["emotion"])
        wrong = [row for row in rows if emotions[row] != self.emotions[names[row]]]
        if wrong:
            first = wrong[0]
            raise InputError(
                f"Expected the labels of {self.file}, got others for {len(wrong)} of {len(rows)} "
                f"faces, first {emotions[first]} in place of {self.emotions[names[first]]} for "
                f"{quoted(faces.ids[first])}: the list is of another data set or labelling."
            )
        return faces.subset(rows)

    def kinds_of(self, faces: Faces) -> list[str]:
        """Kind of occlusion of each face; "" for faces that the list does not name."""
        return [self.kinds.get(_name(face), "") for face in faces.ids]


def read_challenge_list(path: str | Path) -> ChallengeList:
    r"""Read a list of faces under a condition; rows that repeat a face are left out and counted.

    Parameters
    ----------
    path
        A file in one of the formats above.

    Raises
    ------
    InputError
        If there is no such file, a row has none of these formats or a label that the data set does
        not have, rows are of different data sets, or two rows of a face disagree.

    Returns
    -------
    ChallengeList
        The faces, and how many rows were empty or repeated one.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     file = Path(root) / "rafdb_occlusion_list.txt"
    ...     _ = file.write_text("test_2464_aligned 6 2\n\ntest_2464_aligned 6 2\n")
    ...     found = read_challenge_list(file)
    >>> dict(found.emotions), found.duplicates, found.empty
    ({'test_2464': 'neutral'}, 1, 1)
    """
    file = Path(path)
    emotions: dict[str, str] = {}
    kinds: dict[str, str] = {}
    sources: dict[str, int] = {}
    duplicates = read = last = 0
    for number, line in text_lines(file, what="a list of faces"):
        source, name, label, kind = _row(line, file, number)
        sources.setdefault(source, number)
        if len(sources) > 1:
            raise InputError(
                f"Expected faces of one data set in {file}, got {' and '.join(sources)} (row "
                f"{number}): hand in one list at a time."
            )
        order = NATIVE_ORDERS[source]
        if label >= len(order):
            raise InputError(
                f"Expected labels 0 to {len(order) - 1} of {source} in {file}, got {label} in row "
                f"{number}."
            )
        if name in emotions and (emotions[name], kinds[name]) != (order[label], kind):
            raise InputError(
                f"Expected rows of {name} that agree in {file}, got another one in row {number}: "
                "delete the wrong one."
            )
        duplicates += name in emotions
        emotions[name], kinds[name] = order[label], kind
        read, last = read + 1, number
    if not emotions:
        raise InputError(f"Expected rows in {file}, got none.")
    return ChallengeList(
        file=file, emotions=emotions, kinds=kinds, duplicates=duplicates, empty=last - read
    )


def _row(line: str, file: Path, number: int) -> tuple[str, str, int, str]:
    """Data set, name, label and kind of occlusion of a row."""
    for source, pattern in _ROWS:
        found = pattern.fullmatch(line)
        if found:
            kind = found.groupdict().get("kind") or ""
            return source, found["name"], int(found["label"]), kind
    raise InputError(
        f"Expected a row like 'test_0003_aligned 3 4', '3/test_0025_aligned.jpg', "
        f"'0/fer0032226.jpg', '1_fer0034656.png 8 0' or '7/HASH/8.jpg' in {file}, row {number}, "
        f"got {quoted(line)}."
    )


def _name(face: str) -> str:
    """The name that a list would give a face; empty if it would not."""
    found = _NAMES.search(face)
    return found[0] if found else ""
