"""FER+ (Barsoum et al., ICMI 2016): the faces of FER2013, labelled anew by ten people each.

``fer2013new.csv`` (``Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,
contempt,unknown,NF``) has the rows of ``fer2013.csv``, in its order, which must lie beside it.
Cells are numbers of votes; NF means no face. A label follows from votes by a filter, which has to
be stated: see the option ``filter``. 35,887 faces, of which 23.1 % have no label with more than
half of the votes. The labels are free (MIT licence); the faces are those of FER2013.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.checks import quoted
from fer_xai.data.attributes import VOTES, with_attributes
from fer_xai.data.cards import LISTED, Card, described
from fer_xai.data.fer2013_rows import USAGES, greys, reader_of, records
from fer_xai.data.listing import contents
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.text import cells, text_lines, whole_number
from fer_xai.data.votes import FILTERS, voted
from fer_xai.emotions import EMOTIONS, NATIVE_ORDERS
from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Faces

ORDER = (*NATIVE_ORDERS["ferplus"], "unknown", "NF")
"""What people could vote for, in the order of the columns."""
_COUNTS = {"train": 28709, "valid": 3589, "test": 3589}

CARD = Card(
    title="FER+",
    layout="`fer2013new.csv` beside `fer2013.csv`",
    licence="labels: MIT; faces: those of FER2013",
    source="Barsoum, Zhang, Canton Ferrer & Zhang, ICMI 2016",
    splits=("train", "valid", "test"),
    counts={split: {LISTED: count} for split, count in _COUNTS.items()},
    attributes="votes of each emotion, of unknown and of no face",
)


@DATASETS.register("ferplus")
@described(CARD)
def ferplus(root: Path, *, split: str, problems: Problems, filter: str = "majority") -> Faces:  # noqa: A002
    r"""Index the votes, with the faces of FER2013.

    Parameters
    ----------
    root
        Folder of both files.
    split
        train, valid or test: Usage Training, PublicTest or PrivateTest.
    problems
        Collects what cannot be used; ``left_out`` counts faces that the filter leaves out, and why.
    filter
        A name of :data:`fer_xai.data.votes.FILTERS`; the votes themselves are in the table whatever
        it is (:func:`fer_xai.data.attributes.soft_labels`).

    Raises
    ------
    InputError
        If a file is missing, the files' rows do not agree, or a row cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     face = "emotion,pixels,Usage\n0," + "9 " * 2304 + ",PrivateTest"
    ...     _ = (Path(root) / "fer2013.csv").write_text(face)
    ...     votes = "Usage,Image name," + ",".join(ORDER)
    ...     votes += "\nPrivateTest,fer0032220.png,1,0,0,0,8,1,0,0,0,0"
    ...     _ = (Path(root) / "fer2013new.csv").write_text(votes)
    ...     faces = ferplus(Path(root), split="test", problems=Problems(skip=False))
    >>> faces, faces.table[["votes_anger", "votes_neutral"]].to_numpy().tolist()
    (Faces(ferplus: 1 face (anger 1)), [[8, 1]])
    """
    if split not in USAGES:
        raise InputError(f"Expected split train, valid or test for ferplus, got {split!r}.")
    if filter not in FILTERS:
        raise InputError(
            f"Expected a filter of ferplus ({', '.join(FILTERS)}), got {quoted(filter)}."
        )
    both = [_file(root, name) for name in ("fer2013new.csv", "fer2013.csv")]
    votes = _votes(both[0])
    rows: list[tuple[str, ...]] = []
    pixels: list[NDArray[np.uint8]] = []
    kept: list[Sequence[int]] = []
    last = 0
    for index, record in enumerate(records(both[1], Problems(skip=False))):
        last = index + 1
        if index >= len(votes):
            continue
        usage, name, counts = votes[index]
        if usage != record.usage:
            raise InputError(
                f"Expected the rows of {both[1]} and of {both[0]} in one order, got Usage "
                f"{record.usage} and {quoted(usage)[1:-1]} in row {record.number}: the files are "
                "of other editions."
            )
        if usage != USAGES[split]:
            continue
        label, why = voted(counts, filter=filter)
        if label is None:
            problems.left_out[why] += 1
            continue
        grey = greys(record, problems)
        if grey is not None:
            pixels.append(grey)
            kept.append(counts)
            identity = name or f"fer{index:07d}.png"
            rows.append((identity, record.place, label, split, "", "ferplus", ""))
    if last != len(votes):
        raise InputError(
            f"Expected as many rows in {both[0]} as in {both[1]}, got {len(votes)} and {last}: the "
            "files are of other editions, or copied in part."
        )
    faces = Faces(
        table=pd.DataFrame(rows, columns=list(COLUMNS), dtype=object),
        reader=reader_of(pixels),
        name="ferplus",
    )
    table = np.array(kept, dtype=np.int64).reshape(-1, len(ORDER))
    columns = {
        column: table[:, ORDER.index(emotion)]
        for column, emotion in zip(VOTES, EMOTIONS, strict=True)
    }
    columns |= {"votes_unknown": table[:, 8], "votes_no_face": table[:, 9]}
    return with_attributes(faces, columns)


def _file(root: Path, name: str) -> Path:
    places = (root / name, root / "fer2013" / name, root / "data" / name)
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise InputError(
            f"Expected {name} under {root}, found none ({contents(root)}): FER+ needs its own "
            "fer2013new.csv and FER2013's fer2013.csv."
        )
    return found


def _votes(path: Path) -> list[tuple[str, str, tuple[int, ...]]]:
    """Usage, name and votes of each row; the name is empty where FER+ has dropped the image."""
    lines = text_lines(path, what="a CSV of votes")
    header = cells(next(lines, (1, ""))[1]) or []
    names = [name.lower() for name in header]
    needed = ("usage", "image name", *(name.lower() for name in ORDER))
    missing = [name for name in needed if name not in names]
    if missing:
        raise InputError(
            f"Expected columns Usage, Image name, {', '.join(ORDER)} in {path}, but "
            f"{', '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing."
        )
    if twice := [name for name in needed if names.count(name) > 1]:
        raise InputError(f"Expected one column {twice[0]} in {path}, got more: delete one.")
    places = [names.index(name) for name in needed]
    found = []
    for number, line in lines:
        row = cells(line) or []
        numbers = (
            [whole_number(row[place]) for place in places[2:]] if len(row) == len(names) else []
        )
        counts = tuple(count for count in numbers if count is not None and 0 <= count <= 10)
        if len(counts) != len(ORDER):
            raise InputError(
                f"Expected a usage, a name and {len(ORDER)} numbers of votes in {path}, row "
                f"{number}, got {quoted(line)}."
            )
        found.append((row[places[0]], row[places[1]], counts))
    return found
