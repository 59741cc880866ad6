"""Landmarks of a data set as a file: ``python -m fer_xai.detect DATA --out points.csv.gz``."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro

from fer_xai.command import check_folder, parsed, run_command, terminal
from fer_xai.data import load_dataset
from fer_xai.data.landmark_csv import POINTS
from fer_xai.detect.cache import AUTO
from fer_xai.detect.comparison import comparison_table
from fer_xai.detect.counts import missing_table
from fer_xai.detect.locating import locate
from fer_xai.detect.provider import Landmarks
from fer_xai.detect.sheet import contact_sheet
from fer_xai.errors import InputError
from fer_xai.files import write_bytes
from fer_xai.types import Faces

_KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


@dataclass(frozen=True, kw_only=True)
class Detect:
    """Locate the landmarks of a data set's faces, write them, and count the faces without.

    Examples
    --------
    >>> Detect(data="folder:faces", out=Path("points.csv.gz")).provider
    'builtin'
    """

    data: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME[:ROOT]")]
    """Dataset, such as rafdb:ROOT, or folder:ROOT for images of one's own."""
    out: Path
    """CSV to write, compressed if its name ends in .gz; --landmarks reads it."""
    provider: str = "builtin"
    """Name of a landmark provider, with its option after a colon, such as csv:FILE."""
    detector: str | None = None
    """Name of a face detector, for uncropped photographs: lbp or s3fd."""
    split: str = "test"
    """train, valid or test."""
    source: str | None = None
    """Only the faces of this source dataset of a benchmark."""
    limit: int | None = None
    """At most this many faces, with the emotions' shares kept."""
    skip_bad: bool = False
    """Leave damaged or missing images out and list them, instead of stopping."""
    sheet: Path | None = None
    """Picture to write: faces with their points."""
    compare: str | None = None
    """Another provider or CSV[@SIZE], whose points these are compared with."""
    cache: Path | None = None
    """Folder where answers are kept; by default the user's cache folder."""


def detect(options: Detect) -> Landmarks:
    """Locate, count, compare and write, as the options say.

    Raises
    ------
    InputError
        For options or data that cannot be used, or if no face has landmarks; nothing is written
        then.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "points.csv"
    ...     detect(Detect(data="synthetic", out=path, limit=6, provider="synthetic"))
    Faces(synthetic: 6 faces (...), 6 with landmarks): Landmarks(synthetic: 6 of 6 found)
    ...
    Landmarks(synthetic: 6 of 6 found)
    """
    check_folder(options.out.parent)
    if options.sheet is not None:
        _kind(options.sheet)
        check_folder(options.sheet.parent, option="--sheet")
    say = partial(terminal().print, soft_wrap=True)
    faces = load_dataset(
        options.data,
        split=options.split,
        source=options.source,
        limit=options.limit,
        skip_bad=options.skip_bad,
    )
    found = locate(faces, options.provider, detector=options.detector, cache=options.cache or AUTO)
    say(f"{faces}: {found}")
    counts = missing_table(faces, found)
    if not found.found.any():
        raise InputError(
            f"Expected landmarks for some of {len(faces)} faces, but {found.label} found none: "
            "name another --provider, or a --detector for uncropped photographs."
        )
    say(counts.to_string(index=False, formatters={"share": "{:.1%}".format}))
    for path in faces.skipped:
        say(f"left out: {path}")
    if options.compare is not None:
        other = locate(faces, options.compare, cache=options.cache or AUTO)
        table = comparison_table(found.points, other.points, list(faces.table["emotion"]))
        say(f"\nMean distance from {other.label}, over the distance of its eyes' outer corners:")
        shown = dict.fromkeys(("mean", "median", "above .1"), "{:.2%}".format)
        say(table.to_string(index=False, formatters=shown, na_rep=""))
    write_points(options.out, faces, found)
    if options.sheet is not None:
        write_sheet(options.sheet, faces, found)
    return found


def write_points(path: Path, faces: Faces, landmarks: Landmarks) -> None:
    """The points as ``image,x0,y0,…,x67,y67``, faces without left out.

    Examples
    --------
    >>> import tempfile
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "points.csv.gz"
    ...     write_points(path, faces, locate(faces, provider="synthetic"))
    ...     locate(faces, provider=f"csv:{path}")
    Landmarks(csv:points.csv.gz: 2 of 2 found)
    """
    known = landmarks.found
    table = pd.DataFrame(landmarks.points[known].reshape(-1, 136), columns=POINTS)
    names = [name for name, found in zip(faces.ids, known, strict=True) if found]
    table.insert(0, "image", names)
    content = table.to_csv(index=False, float_format="%.3f").encode()
    write_bytes(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def write_sheet(path: Path, faces: Faces, landmarks: Landmarks) -> None:
    """A contact sheet as a picture.

    Raises
    ------
    InputError
        If its name has no ending of pictures.

    Examples
    --------
    >>> import tempfile
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sheet.png"
    ...     write_sheet(path, faces, locate(faces, provider="synthetic"))
    ...     path.read_bytes()[1:4]
    b'PNG'
    """
    buffer = io.BytesIO()
    contact_sheet(faces, landmarks).save(buffer, format=_kind(path))
    write_bytes(path, buffer.getvalue())


def _kind(path: Path) -> str:
    """Kind of a picture by the ending of its name."""
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"Expected --sheet as a .png, .jpg or .webp, got {path.name}.")
    return kind


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status.

    Examples
    --------
    >>> main(["synthetic", "--out", "points.csv", "--sheet", "sheet.txt"])
    2
    """

    def work() -> None:
        detect(parsed(Detect, words, prog="python -m fer_xai.detect"))

    return run_command("detect", work)


if __name__ == "__main__":
    sys.exit(main())
