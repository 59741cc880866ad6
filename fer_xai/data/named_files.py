"""Images whose names say all: the person and the emotion, as in JAFFE, KDEF and TFEID."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.data.listing import contents, image_files
from fer_xai.data.registry import Problems
from fer_xai.data.subjects import NEARLY_ALL
from fer_xai.errors import InputError

OTHER = "name of another pattern"
"""Label under which files are counted whose name says no emotion."""


def named_images(
    root: Path, read: Callable[[str], re.Match[str] | None], *, example: str, problems: Problems
) -> Iterator[tuple[str, str, re.Match[str]]]:
    r"""Path below the root, full path and what the name says, of all images that follow a pattern.

    A few files whose names do not follow it are left out and counted; where they are more than one
    in twenty, the folder is refused.

    Parameters
    ----------
    root
        The folder; images may lie in folders below.
    read
        Reads the name of a file.
    example
        A name that follows the pattern, for the sentence.
    problems
        Counts what is left out; gets images that come twice.

    Raises
    ------
    InputError
        If there are no images, or too many names of another pattern.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     (Path(place) / "KA.AN1.39.tiff").touch()
    ...     found = list(named_images(
    ...         Path(place),
    ...         re.compile(r"[A-Z]{2}\.AN.*").fullmatch,
    ...         example="KA.AN1.39.tiff",
    ...         problems=Problems(skip=False),
    ...     ))
    >>> found[0][0]
    'KA.AN1.39.tiff'
    """
    if not root.is_dir():
        raise InputError(f"Expected a folder of images such as {example}, got the file {root}.")
    paths = list(image_files(root))
    if not paths:
        raise InputError(
            f"Expected images such as {example} under {root}, found none ({contents(root)}): check "
            "the root."
        )
    found = [(path, read(path.rpartition("/")[2])) for path in paths]
    strange = [path for path, match in found if match is None]
    if len(strange) > (1 - NEARLY_ALL) * len(paths):
        raise InputError(
            f"Expected images such as {example} under {root}, but {len(strange)} of {len(paths)} "
            f"names are of another pattern, for instance {quoted(strange[0])}: check the root."
        )
    if strange:
        problems.left_out[OTHER] += len(strange)
        problems.remarks.append(
            f"{len(strange)} of {len(paths)} files are left out, since their names say no emotion, "
            f"for instance {quoted(strange[0])}."
        )
    first: dict[str, str] = {}
    for path, match in found:
        if match is None:
            continue
        name = path.rpartition("/")[2].lower()
        if first.setdefault(name, path) != path:
            problems.add(
                f"Expected each image once under {root}, got {quoted(first[name])} and "
                f"{quoted(path)}: delete one."
            )
            continue
        yield path, f"{root}{os.sep}{path}", match
