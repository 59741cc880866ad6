"""Lists of action units as RAF-AU and RAF-CE have them: ``0001.jpg 1+2+L14``."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.data.text import text_lines
from fer_xai.errors import InputError

_UNIT = re.compile(r"(?:AU)?([LR]?)0*(\d{1,2})", re.IGNORECASE)


def read_action_units(path: Path) -> dict[str, str]:
    r"""Action units of each face by its name, "" for none; nothing where there is no list.

    Units are joined by ``+``; L and R before a number mean one side of the face. ``null`` stands
    for none. Faces that the list does not name have "".

    Raises
    ------
    InputError
        If a row cannot be read or a face comes twice.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     path = Path(root) / "RAFAU_label.txt"
    ...     _ = path.write_text("0001.jpg 1+2+l14\n0002.jpg null\n")
    ...     dict(read_action_units(path))
    {'0001.jpg': '1+2+L14', '0002.jpg': ''}
    """
    found: dict[str, str] = defaultdict(str)
    if not path.is_file():
        return found
    for number, line in text_lines(path, what="a list of action units"):
        name, _, text = line.replace("\t", " ").partition(" ")
        words = [word for word in re.split(r"[+,\s]+", text.strip()) if word.lower() != "null"]
        units = [_UNIT.fullmatch(word) for word in words if word]
        if not name or not text or None in units:
            raise InputError(
                f"Expected `name units` such as `0001.jpg 1+2+L14` in {path}, row {number}, got "
                f"{quoted(line)}."
            )
        if name in found:
            raise InputError(
                f"Expected each face once in {path}, got {quoted(name)} again in row "
                f"{number}: delete one."
            )
        found[name] = "+".join(unit[1].upper() + unit[2] for unit in units if unit)
    return found
