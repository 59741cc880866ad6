"""Folders as Hugging Face ``datasets`` keeps them: images with metadata, or parquet files.

``[data/][train/]metadata.csv`` or ``metadata.jsonl`` with ``file_name`` and a column of labels,
images beside it; or ``[data/]train-00000-of-00001.parquet`` with a column of images (``bytes`` and
``path``) and one of labels, whose names the file's own description tells where they are codes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fer_xai.checks import listed, quoted
from fer_xai.data.cards import Card, described
from fer_xai.data.emotion_map import EmotionMap
from fer_xai.data.images import faces_from_files
from fer_xai.data.label_list import LabelRow, checked_rows
from fer_xai.data.listing import Listing, contents
from fer_xai.data.parquet_images import index_parquet
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.text import cells, text_lines
from fer_xai.data.words import emotion_of_word
from fer_xai.errors import InputError
from fer_xai.types import Faces
from fer_xai.types.lists import LABELS

_SPLITS = {
    "train": ("train", "training"),
    "valid": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
_ALL_WORDS = tuple(word for words in _SPLITS.values() for word in words)

CARD = Card(
    title="A folder of Hugging Face datasets",
    layout="`[train/]metadata.csv` or `.jsonl` with `file_name` and a label; or `train-*.parquet`",
    licence="its own",
    source="Hugging Face datasets, ImageFolder and parquet",
)


@DATASETS.register("huggingface")
@described(CARD)
def huggingface(
    root: Path,
    *,
    split: str,
    problems: Problems,
    label: str = "",
    order: str = "",
    emotion_map: EmotionMap | None = None,
) -> Faces:
    r"""Index a folder.

    Parameters
    ----------
    root
        The folder; a folder ``data`` in it will do.
    split
        train, valid or test. Where nothing is named for a split, every face belongs to the split
        that is asked for.
    problems
        Collects the rows that cannot be used; ``left_out`` counts labels that the map leaves out.
    label
        Name of the column of labels, if it is not a usual one.
    order
        A native label order that codes are of, such as ``fer2013``, where the files tell no names.
    emotion_map
        Emotions of labels.

    Raises
    ------
    InputError
        If nothing of the kind is found for the split, a column is missing, a label is unknown, a
        path leaves the folder or an image is listed twice.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     file = Path(place) / "metadata.jsonl"
    ...     _ = file.write_text('{"file_name": "1.png", "label": "happy"}\n')
    ...     huggingface(Path(place), split="test", problems=Problems(skip=False)).ids
    ['1.png']
    """
    emotions = emotion_map or EmotionMap()
    if not root.is_dir():
        raise InputError(f"Expected a folder of Hugging Face datasets, got the file {root}.")
    parquet = [path for base in (root, root / "data") for path in sorted(base.glob("*.parquet"))]
    if parquet:
        chosen = [
            path
            for path in parquet
            if path.name.split("-")[0].lower() in _SPLITS.get(split, (split,))
        ]
        named = [path for path in parquet if path.name.split("-")[0].lower() in _ALL_WORDS]
        if named and not chosen:
            raise InputError(
                f"Expected parquet files of split {split} under {root}, got "
                f"{', '.join(path.name for path in named[:3])}: choose another split."
            )
        return index_parquet(
            chosen or parquet,
            split=split,
            name=root.resolve().name,
            label=label,
            labels=LABELS,
            order=order,
            emotions=emotions,
            problems=problems,
        )
    file = _metadata(root, split)
    found = [
        LabelRow(name=name, emotion=emotion, file=file, row=number)
        for number, name, word in _rows(file, label)
        if (
            emotion := emotion_of_word(
                word, emotions, order=order, place=f"{file}, row {number}", problems=problems
            )
        )
    ]
    rows, files, name = [], Listing(), root.resolve().name
    for one in checked_rows(found, problems):
        folder, _, image = one.name.rpartition("/")
        path = files.path(f"{file.parent}/{folder}" if folder else str(file.parent), image)
        rows.append((one.name, path, one.emotion, split, "", name, ""))
    return faces_from_files(rows, name=name)


def _metadata(root: Path, split: str) -> Path:
    """The file of metadata of a split: in its folder, else in the root."""
    words = _SPLITS.get(split, (split,))
    bases = [root / above for above in ("", "data")]
    folders = [base / word for base in bases for word in words]
    of_others = any((base / word).is_dir() for base in bases for word in _ALL_WORDS)
    places = folders if of_others else bases
    files = [place / f"metadata.{kind}" for place in places for kind in ("csv", "jsonl")]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise InputError(
            f"Expected metadata.csv, metadata.jsonl or parquet files for split {split} under "
            f"{root}, found none ({contents(root)}): check the root and the split; folders named "
            "for emotions are read by folder:ROOT."
        )
    return file


def _rows(file: Path, label: str) -> Iterator[tuple[int, str, str]]:
    """Number, name of the image and label of each row."""
    wanted = [label] if label else list(LABELS)
    header: list[str] = []
    for number, line in text_lines(file, what="metadata of images"):
        if file.suffix == ".jsonl":
            try:
                row = json.loads(line, object_pairs_hook=_once)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"Expected a JSON object in {file}, row {number}, got {quoted(line)} ({error})."
                ) from None
            if not isinstance(row, dict):
                raise InputError(
                    f"Expected a JSON object in {file}, row {number}, got {quoted(line)}."
                )
        else:
            values = cells(line) or []
            if not header:
                header = values
                if len(set(header)) < len(header):
                    raise InputError(
                        f"Expected each column once in {file}, got {listed(header)}: delete one."
                    )
                row = dict.fromkeys(header, "")
            elif len(values) != len(header):
                raise InputError(
                    f"Expected {len(header)} cells in {file}, row {number}, got {quoted(line)}."
                )
            else:
                row = dict(zip(header, values, strict=True))
        column = next((name for name in wanted if name in row), None)
        if "file_name" not in row or column is None:
            raise InputError(
                f"Expected file_name and {label or 'label'} in {file}, row {number}, got "
                f"{listed(row) or 'none'}: name the column of labels (#label=…)."
            )
        if file.suffix == ".jsonl" or values is not header:
            name = row["file_name"]
            if not isinstance(name, str):
                raise InputError(
                    f"Expected file_name as text in {file}, row {number}, got {quoted(name)}."
                )
            yield number, name.replace("\\", "/"), str(row[column]).strip()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, whose keys come once: of two values the last would be taken in silence."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found
