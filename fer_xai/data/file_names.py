"""What file names say: an emotion, the person and the moment; and which leave their folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from fer_xai.emotions import EMOTIONS, SHORT, parse_emotion

_OTHER_WORDS = (
    "happy surprised sad angry disgusted fearful afraid scared contemptuous"  # Joy is a person, too
)
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
    words = re.findall(r"[a-z]+", PurePosixPath(name).stem.lower())
    return parse_emotion(words[-1]) if words and words[-1] in _WORDS else None


def name_fault(name: str) -> str | None:
    """Why a name in a list cannot be a file under its folder, None where it can.

    Examples
    --------
    >>> name_fault("a.png") is None, name_fault("../a.png")
    (True, 'a path that leaves its folder')
    """
    if not name:
        return "no file name"
    if not name.isprintable():
        return "characters that cannot be printed"
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts:
        return "a path that leaves its folder"
    return None


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What the name of a well-known data set's file says.

    Attributes
    ----------
    subject
        The person.
    group
        The sequence or moment, "" where the name does not say.
    emotion
        The emotion shown, None where the name does not say.

    Examples
    --------
    >>> taken_from_names(["KA.HA1.29.tiff"])  # a file of JAFFE
    [Taken(subject='KA', group='', emotion='happiness')]
    """

    subject: str
    group: str
    emotion: str | None


_KDEF = {short.upper(): emotion for emotion, short in SHORT.items() if short != "Fe"}
_KDEF["AF"] = "fear"  # afraid
_JAFFE = {short.upper(): emotion for emotion, short in SHORT.items()}
_CKPLUS_NAME = re.compile(r"(?P<subject>S\d{3})_(?P<sequence>\d{3})_\d{8}")
_JAFFE_NAME = re.compile(r"(?P<subject>[A-Z]{2})\.(?P<emotion>HA|SU|SA|AN|DI|FE|NE)\d\.\d{1,3}")
_KDEF_NAME = re.compile(
    r"(?P<moment>[AB](?P<subject>[FM]\d{2})(?P<emotion>AF|AN|DI|HA|NE|SA|SU))(S|FL|FR|HL|HR)"
)


def taken_from_names(names: Sequence[str]) -> list[Taken] | None:
    """Person, moment and emotion of each file, where *all* names are of one well-known pattern.

    CK+ and CK48 ``S010_004_00000017.png`` (person S010, sequence S010_004); JAFFE
    ``KA.AN1.39.tiff`` (person KA); KDEF ``AF01AFS.JPG`` (person F01, who sat in the sessions A and
    B; the five views of one moment are a group).

    Examples
    --------
    >>> taken_from_names(["S010_004_00000017.png"])
    [Taken(subject='S010', group='S010_004', emotion=None)]
    >>> taken_from_names(["S010_004_00000017.png", "me.png"]) is None
    True
    """
    stems = [PurePosixPath(name).name.rpartition(".")[0] for name in names]
    for read in (_ckplus, _jaffe, _kdef):
        found = [read(stem) for stem in stems]
        known = [one for one in found if one is not None]
        if known and len(known) == len(found):
            return known
    return None


def _ckplus(stem: str) -> Taken | None:
    match = _CKPLUS_NAME.fullmatch(stem)
    if match is None:
        return None
    subject = match["subject"]
    return Taken(subject=subject, group=f"{subject}_{match['sequence']}", emotion=None)


def _jaffe(stem: str) -> Taken | None:
    match = _JAFFE_NAME.fullmatch(stem.upper())
    if match is None:
        return None
    return Taken(subject=match["subject"], group="", emotion=_JAFFE[match["emotion"]])


def _kdef(stem: str) -> Taken | None:
    match = _KDEF_NAME.fullmatch(stem.upper())
    if match is None:
        return None
    return Taken(subject=match["subject"], group=match["moment"], emotion=_KDEF[match["emotion"]])
