"""The FER GiMeFive benchmark (six classes), in both layouts it was published in.

Flat: ``{train,test,valid}/<name>_<emotion>.jpg`` with ``{split}_labels.csv``. Archive:
``{FER2013,RAF-DB}/{train,test}/<name>_<emotion>.jpg`` with ``{split}_{FER,RAF}_labels.csv``. The
CSVs hold ``name,index`` *without a header*: read with one, as in the published code, the first
image is lost. Train has 55,072 faces of five sources, test 8,333 (FER2013 5,945, RAF-DB 2,388),
valid 600 of unstated origin.
"""

from __future__ import annotations

import re
from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.data.cards import LISTED, Card, described
from fer_xai.data.images import faces_from_files
from fer_xai.data.label_list import CodeRange, LabelRow, checked_rows
from fer_xai.data.listing import Listing, contents
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.subjects import NAME_PATTERNS, Taken
from fer_xai.data.text import cells, text_lines, whole_number
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError
from fer_xai.types import Faces

_SOURCES = {  # from the naming habits of the sources
    "rafdb": re.compile(r"(train|test)_\d+_aligned_"),
    "fer2013": re.compile(r"(Training|PublicTest|PrivateTest)_\d+_"),
    "affectnet": re.compile(r"(image\d+|ffhq_\d+)_"),
    "ckplus": re.compile(r"S\d+_\d+_"),
    "tfeid": re.compile(r"[fm]\d+_dfh_"),
}
_ORDER = NATIVE_ORDERS["gimefive"]
_ARCHIVES = {"RAF-DB": "RAF", "FER2013": "FER"}


def _six(*counts: int) -> dict[str, int]:
    """Counts of the six emotions, in the benchmark's order."""
    return dict(zip(_ORDER, counts, strict=True))


CARD = Card(
    title="FER GiMeFive, six emotions",
    layout="`{train,test,valid}/` and `{split}_labels.csv`; or `RAF-DB/`, `FER2013/` with a list "
    "for each split",
    licence="those of its sources",
    source="GiMeFive, arXiv 2402.15662",
    splits=("train", "test", "valid"),
    counts={"train": {LISTED: 55072}, "test": {LISTED: 8333}, "valid": dict.fromkeys(_ORDER, 100)},
    sources={
        "rafdb": {
            "train": _six(4772, 1290, 1982, 705, 717, 281),
            "test": _six(1185, 329, 478, 162, 160, 74),
        },
        "fer2013": {
            "train": _six(7214, 3171, 4830, 3994, 436, 4097),
            "test": _six(1774, 831, 1247, 958, 111, 1024),
        },
        "affectnet": {"train": {LISTED: 21045}},
        "ckplus": {"train": {LISTED: 309}},
        "tfeid": {"train": {LISTED: 229}},
    },
    persons="of its faces from CK+ and TFEID, by file names",
)


@DATASETS.register("gimefive")
@described(CARD)
def gimefive(root: Path, *, split: str, problems: Problems) -> Faces:
    """Index either layout; ``source`` is read off the file names ("unknown" where they do not say).

    Names of faces from CK+ and TFEID say the person, too.

    Raises
    ------
    InputError
        If no layout is found, a label is unknown or speaks against the file's name, a name comes
        twice or leaves its folder (naming file and row), or the codes are of another order.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = (Path(root) / "test_labels.csv").write_text("test_0001_aligned_happiness.jpg,0")
    ...     faces = gimefive(Path(root), split="test", problems=Problems(skip=False))
    >>> faces, faces.table["source"].tolist()
    (Faces(gimefive: 1 face (happiness 1)), ['rafdb'])
    """
    if split not in ("train", "test", "valid"):
        raise InputError(f"Expected split train, test or valid for gimefive, got {split!r}.")
    lists = _lists(root, split)
    if not lists:
        raise InputError(
            f"Expected {split}_labels.csv beside the folder {split}/, or RAF-DB/ and FER2013/ with "
            f"{split}_RAF_labels.csv and {split}_FER_labels.csv, under {root}: found neither "
            f"({contents(root)})."
        )
    found, folders = [], {}
    for labels, folder in lists:
        found += _rows(labels, problems)
        folders[labels] = folder
    files = Listing()
    rows = [
        _face(one.name, one.emotion, folders[one.file], split, files)
        for one in checked_rows(found, problems)
    ]
    return faces_from_files(rows, name="gimefive")


def _rows(labels: Path, problems: Problems) -> list[LabelRow]:
    """Rows of one list whose labels can be read."""
    codes = CodeRange(order=_ORDER, first=0)
    rows = []
    for number, line in text_lines(labels, what="a list of names and labels"):
        row = cells(line) or []
        label = whole_number(row[1]) if len(row) == 2 else None
        if label is None:
            problems.add(
                f"Expected `name,label` with a label {codes.words} in {labels}, row {number}, got "
                f"{quoted(line)}."
            )
            continue
        emotion = codes.emotion(label, row=number)
        if emotion is not None:
            rows.append(LabelRow(name=row[0], emotion=emotion, file=labels, row=number))
    codes.check(labels)
    return rows


def _lists(root: Path, split: str) -> list[tuple[Path, Path]]:
    """Label files of a split, each with the folder of its images."""
    for base in (root, root / "data"):
        if (base / f"{split}_labels.csv").is_file():
            return [(base / f"{split}_labels.csv", base / split)]
    for base in (root, root / "archive"):
        found = [
            (base / name / f"{split}_{short}_labels.csv", base / name / split)
            for name, short in _ARCHIVES.items()
            if (base / name / f"{split}_{short}_labels.csv").is_file()
        ]
        if found:
            return found
    return []


def _face(name: str, emotion: str, folder: Path, split: str, files: Listing) -> tuple[str, ...]:
    source = next((key for key, form in _SOURCES.items() if form.match(name)), "unknown")
    known = _taken(name, source)
    below, _, file = name.rpartition("/")
    path = files.path(folder / below if below else str(folder), file)
    return name, path, emotion, split, known.subject, source, known.group


def _taken(name: str, source: str) -> Taken:
    """Person and sequence, of the sources that name persons; others have none."""
    if source == "ckplus":  # S010_002_…_surprise.jpg
        subject, sequence, _ = name.split("_", maxsplit=2)
        return Taken(subject=subject, group=f"{subject}_{sequence}")
    return (NAME_PATTERNS["TFEID"].read(name) if source == "tfeid" else None) or Taken()
