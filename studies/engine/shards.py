"""Facts that a folder of shards records, so that it is never taken for that of another run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_xai.command import terminal
from fer_xai.errors import InputError
from fer_xai.files import read_json
from studies.engine.store import write_json

BATCH = "batch_size"
"""Key of the batch size, which is recorded and not compared: it moves scores by rounding alone."""


def check_made_of(
    folder: Path, made_of: Mapping[str, Any], *, write: bool = True, name: str = "", shards: str
) -> None:
    """Make sure that the shards of a folder were made of what is at hand now.

    Another batch size is no reason to refuse, since a run that was stopped for lack of memory has
    to go on with a smaller one. It is recorded beside those before it, and said on the terminal.

    Parameters
    ----------
    folder
        Folder of the shards.
    made_of
        Digests of the model and the faces, the batch size, and all options that the shards depend
        on.
    write
        Whether a shard is about to be written, so that the facts are recorded; otherwise they are
        only checked.
    name
        Name of the kind of shards, where a folder holds several.
    shards
        Pattern of the shards' file names.

    Raises
    ------
    InputError
        If the shards in the folder were made of something else, or do not say of what.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_made_of(Path(folder), {"model": "1a2b", "seed": 0}, shards="*.npz")
    ...     check_made_of(Path(folder), {"model": "1a2b", "seed": 1}, shards="*.npz")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected ... to hold shards of the same ... differ in seed: ...
    """
    path = folder / f"{name}made_of.json"
    asked = json.loads(json.dumps(made_of, default=str))
    remedy = "choose another folder, or delete that one"
    if path.exists():
        theirs = read_json(path, remedy=f"delete {folder}")
        differ = [key for key in asked if key != BATCH and theirs.get(key) != asked[key]]
        if differ:
            raise InputError(
                f"Expected {folder} to hold shards of the same model, faces and options, but they "
                f"differ in {', '.join(differ)}: {remedy}."
            )
        if write and BATCH in asked:
            before = theirs.get(BATCH, "unknown")
            together = with_earlier(before, asked[BATCH])
            if together != before:
                write_json(path, theirs | {BATCH: together})
                say_batch_size(folder, before, asked[BATCH])
    elif any(folder.glob(shards)):
        raise InputError(
            f"Expected {folder} to say what its shards were made of, but it holds no {path.name}, "
            f"as those of older versions: {remedy}."
        )
    elif write:
        write_json(path, asked)


def batch_sizes(folder: Path) -> int | str | None:
    """Batch sizes that the shards of a folder were made with; None where none are recorded.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for size in (8, 3):
    ...         check_made_of(Path(folder), {"batch_size": size}, shards="*.npz")
    ...     batch_sizes(Path(folder))
    '8, 3'
    """
    found: int | str | None = None
    for path in sorted(folder.glob("*made_of.json"), key=lambda path: (len(path.name), path.name)):
        recorded = read_json(path, remedy=f"delete {folder}").get(BATCH)
        for size in () if recorded is None else str(recorded).split(", "):
            found = with_earlier(found, int(size) if size.isdigit() else size)
    return found


def with_earlier(before: int | str | None, now: int | str) -> int | str:
    """A batch size after those before it, each once, as a manifest records them.

    Examples
    --------
    >>> with_earlier(None, 8), with_earlier(8, 3), with_earlier("8, 3", 3)
    (8, '8, 3', '8, 3')
    """
    if before is None:
        return now
    return before if str(now) in str(before).split(", ") else f"{before}, {now}"


def last_batch_size(recorded: int | str | None) -> int | None:
    """The batch size that a stopped run was using, from those that its manifest records.

    Examples
    --------
    >>> last_batch_size("8, 3"), last_batch_size(8), last_batch_size(None)
    (3, 8, None)
    """
    last = str(recorded or "").split(", ")[-1]
    return int(last) if last.isdigit() else None


def say_batch_size(folder: Path, before: int | str, now: int) -> None:
    """Print that a run goes on with another batch size, so that its rows differ in rounding.

    Examples
    --------
    >>> say_batch_size(Path("results/run"), 8, 3)  # on standard error
    """
    terminal(error=True).print(
        f"{folder} goes on with a batch size of {now} (before: {before}); rows that are there stay "
        "as they are.",
        soft_wrap=True,
    )
