"""What file names say of an emotion, and which names leave their folder."""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath, PureWindowsPath

from fer_xai.emotions import EMOTIONS, parse_emotion

_OTHER_WORDS = (
    "happy surprised sad angry disgusted fearful afraid scared contemptuous"  # Joy is a person, too
)
_PLAIN = re.compile(r"[A-Za-z0-9_][\w.\- ]*(?:/[A-Za-z0-9_][\w.\- ]*)*", re.ASCII)
"""Names without anything that could leave a folder: no part begins with a dot."""
_LONGEST = 255
"""Most bytes of a file's name, on any common file system."""
_LAST_WORD = re.compile(r"([a-z]+)[^a-z]*$")
_WORDS = {*EMOTIONS, *_OTHER_WORDS.split()}


def spoken_emotion(name: str) -> str | None:
    """Emotion that the last word of a file name means, None where it means none.

    Examples
    --------
    >>> spoken_emotion("train_00001_aligned_Happy.jpg"), spoken_emotion("fear12.png")
    ('happiness', 'fear')
    >>> spoken_emotion("test_0001_aligned.jpg") is None
    True
    """
    stem, dot, _ = name[name.rfind("/") + 1 :].rpartition(".")
    if dot and not stem.strip("0123456789_- "):  # no word in it
        return None
    found = _LAST_WORD.search(_stem(name).lower())
    return parse_emotion(found[1]) if found and found[1] in _WORDS else None


def _stem(name: str) -> str:
    """The last part of a path without its ending; as pathlib has it, but ten times as fast."""
    if _PLAIN.fullmatch(name):
        return posixpath.splitext(name.rpartition("/")[2])[0]
    return PurePosixPath(name).stem


def name_fault(name: str) -> str | None:
    """Why a name in a list cannot be a file under its folder, None where it can.

    Examples
    --------
    >>> name_fault("a.png") is None, name_fault("../a.png")
    (True, 'a path that leaves its folder')
    """
    if len(name) < _LONGEST and _PLAIN.fullmatch(name):
        return None
    if not name:
        return "no file name"
    if not name.isprintable():
        return "characters that cannot be printed"
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts:
        return "a path that leaves its folder"
    if len(name) > 4096 or any(len(part.encode()) > _LONGEST for part in posix.parts):
        return "a name that is too long for a file"
    return None
