"""Persons and moments, read from the file names of well-known data sets or by a user's pattern.

A well-known pattern is applied where it matches nearly all files (:data:`NEARLY_ALL`), and never
guessed from a few: a folder that matches in part keeps its persons unknown, and is named.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.emotions import SHORT, parse_emotion
from fer_xai.errors import InputError
from fer_xai.types import Faces

NEARLY_ALL = 0.95
"""Share of the files of a folder that a well-known pattern must match to be applied. A few files
of KDEF, for instance, are handed out under names with a slip."""

GROUPS = ("subject", "sequence", "group")
"""Named groups that a user's pattern may have; ``sequence`` and ``group`` mean the same."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What the name of a well-known data set's file says.

    Attributes
    ----------
    subject
        The person, "" where the name is of another pattern.
    group
        The sequence or moment, "" where the name does not say.
    emotion
        The emotion shown, None where the name does not say.

    Examples
    --------
    >>> NAME_PATTERNS["JAFFE"].read("happy/KA.HA1.29.tiff")
    Taken(subject='KA', group='', emotion='happiness')
    """

    subject: str = ""
    group: str = ""
    emotion: str | None = None


@dataclass(frozen=True, kw_only=True)
class NamePattern:
    """How one data set names its files.

    Attributes
    ----------
    example
        A file of it.
    pattern
        Regular expression of a whole path below the root, capitals or not, with the named groups
        ``subject`` and, where names have them, ``group`` and ``emotion``.
    source
        Where the naming is documented.

    Examples
    --------
    >>> NAME_PATTERNS["CK+"].read("fear/S010_004_00000017.png")
    Taken(subject='S010', group='S010_004', emotion=None)
    >>> NAME_PATTERNS["CK+"].read("fear/me.png") is None
    True
    """

    example: str
    pattern: str
    source: str

    @property
    def match(self) -> Callable[[str], re.Match[str] | None]:
        """Match of a whole path, None where it is of another pattern."""
        return re.compile(self.pattern, re.IGNORECASE).fullmatch

    def read(self, path: str) -> Taken | None:
        """What a path says; None where it is of another pattern."""
        return self.taken(self.match(path))

    def taken(self, match: re.Match[str] | None) -> Taken | None:
        """What a match says."""
        if match is None:
            return None
        found = match.groupdict()
        word = found.get("emotion")
        return Taken(
            subject=found["subject"].upper(),
            group=(found.get("group") or "").upper(),
            emotion=None if word is None else _emotion(word),
        )


def _emotion(word: str) -> str:
    """The emotion of a code or a word; AF is KDEF's code of afraid."""
    return "fear" if word.upper() == "AF" else parse_emotion(word)


_CODES = "|".join(short for short in SHORT.values() if short not in ("Co", "Fe"))
NAME_PATTERNS: dict[str, NamePattern] = {
    "CK+": NamePattern(
        example="S005_001_00000011.png",
        pattern=r"(?:.*/)?(?P<group>(?P<subject>S\d{3})_\d{3})_\d{8}\.\w+",
        source="ReadMe of CK+ (Lucey et al., CVPR workshops 2010): subject, sequence, frame. CK+48 "
        "keeps the names of the last three frames of a sequence.",
    ),
    "JAFFE": NamePattern(
        example="KA.AN1.39.tiff",
        pattern=rf"(?:.*/)?(?P<subject>[A-Z]{{2}})\.(?P<emotion>{_CODES}|Fe)\d\.\d{{1,3}}\.\w+",
        source="README of JAFFE (Lyons et al., FG 1998): initials of the poser, expression and its "
        "number, number of the image.",
    ),
    "KDEF": NamePattern(
        example="AF01ANFL.JPG",
        pattern=r"(?:.*/)?(?P<group>[AB](?P<subject>[FM](?:0[1-9]|[12]\d|3[0-5]))"
        rf"(?P<emotion>{_CODES}|AF))(?:S|FL|FR|HL|HR)\.\w+",
        source="Codes of KDEF (Lundqvist, Flykt & Öhman 1998): session A or B, gender and identity "
        "01–35, expression, angle. One person sat in both sessions; five angles are one moment.",
    ),
    "RaFD": NamePattern(
        example="Rafd090_01_Caucasian_female_happy_frontal.jpg",
        pattern=r"(?:.*/)?Rafd\d{3}_(?P<subject>\d{2})_[A-Z]+_(?:fe)?male_(?P<emotion>angry|"
        r"contemptuous|disgusted|fearful|happy|neutral|sad|surprised)_(?:frontal|left|right)\.\w+",
        source="File names of the Radboud Faces Database (Langner et al., Cognition and Emotion "
        "2010): camera, model, group and gender, expression, gaze.",
    ),
    "Oulu-CASIA": NamePattern(
        example="VL/Strong/P001/Happiness/000.jpeg",
        pattern=r"(?:.*/)?(?P<subject>P\d{3})/(?P<emotion>Anger|Disgust|Fear|Happiness|Sadness|"
        r"Surprise)/\d{3}\.\w+",
        source="Folders of Oulu-CASIA (Zhao et al., Image and Vision Computing 2011): camera, "
        "light, person, expression, frame. A person's expression counts as one moment in every "
        "light and by both cameras.",
    ),
    "TFEID": NamePattern(
        example="f01_dfh_happiness.jpg",
        pattern=r"(?:.*/)?(?P<subject>[FM]\d{2})_dfh_\w+\.\w+",
        source="File names of TFEID's 40 models (Chen & Yen 2007) as the FER GiMeFive benchmark "
        "hands them out: gender and number of the model.",
    ),
}
"""Well-known patterns by data set. RAF-DB, FER2013, AffectNet and ExpW name no persons."""


@dataclass(frozen=True, kw_only=True)
class NamesRead:
    """What the names of all files of a folder say.

    Attributes
    ----------
    taken
        One a file; without any person where no pattern matches nearly all.
    remark
        A sentence on files that match in part, "" where none is due.

    Examples
    --------
    >>> read_names(["S010_004_00000017.png", "me.png"]).taken[0]
    Taken(subject='', group='', emotion=None)
    """

    taken: list[Taken]
    remark: str


def read_names(paths: Sequence[str]) -> NamesRead:
    """Person, moment and emotion of each file, by the well-known pattern of nearly all of them.

    The pattern that matches most files is applied if it matches a share of :data:`NEARLY_ALL` or
    more; the other files then stay without a person.

    Parameters
    ----------
    paths
        Paths below the root, with slashes.

    Examples
    --------
    >>> read_names(["fear/AF01AFS.JPG"]).taken
    [Taken(subject='F01', group='AF01AF', emotion='fear')]
    >>> read_names(["S010_004_00000017.png", "me.png"]).remark
    "Persons stay unknown: 1 of 2 file names are of CK+'s pattern (S005_001_00000011.png), ..."
    """
    likely = [(at, path) for at, path in enumerate(paths) if not _plain_number(path)]
    best, count = "", 0
    matches: list[tuple[int, re.Match[str] | None]] = []
    for name, pattern in NAME_PATTERNS.items():
        match = pattern.match
        read = [(at, match(path)) for at, path in likely]
        matched = sum(one is not None for _, one in read)
        if matched > count:
            best, matches, count = name, read, matched
    found: list[Taken | None] = [None] * len(paths)
    for at, one in matches:
        found[at] = NAME_PATTERNS[best].taken(one)
    applied = count >= NEARLY_ALL * len(paths)
    nothing = Taken()
    taken = [one if applied and one is not None else nothing for one in found]
    remark = ""
    if 0 < count < len(paths):
        other = quoted(next(path for path, one in zip(paths, found, strict=True) if one is None))
        told = f"of {best}'s pattern ({NAME_PATTERNS[best].example})"
        if applied:
            remark = (
                f"{len(paths) - count} of {len(paths)} file names are not {told}, for instance "
                f"{other}: these faces count as independent persons."
            )
        else:
            remark = (
                f"Persons stay unknown: {count} of {len(paths)} file names are {told}, where "
                f"{NEARLY_ALL:.0%} are needed, and others are not, for instance {other}. Name "
                "persons by subject_pattern (--subject-pattern)."
            )
    return NamesRead(taken=taken, remark=remark)


def _plain_number(path: str) -> bool:
    """Whether a file name begins with a digit, as it does in no pattern but that of ``000.jpeg``.

    :data:`NAME_PATTERNS` need not be tried on it.
    """
    name = path[path.rfind("/") + 1 :]
    return name[:1] in _DIGITS and name[3:4] != "."


_DIGITS = frozenset("0123456789")


def check_subject_pattern(text: str) -> re.Pattern[str]:
    """The regular expression of a user's pattern of persons.

    Raises
    ------
    InputError
        If it is no regular expression, or has none or others of the named groups :data:`GROUPS`.

    Examples
    --------
    >>> check_subject_pattern(r"(?P<subject>S[0-9]+)_").groupindex["subject"]
    1
    >>> check_subject_pattern("S[0-9]+")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected a named group (?P<subject>…), ... 'S[0-9]+'.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise InputError(
            f"Expected a regular expression as subject pattern, got {quoted(text)}: {error}."
        ) from None
    names = set(pattern.groupindex)
    if not names & set(GROUPS):
        raise InputError(
            "Expected a named group (?P<subject>…), (?P<sequence>…) or both in the subject "
            f"pattern, got {quoted(text)}."
        )
    if names - set(GROUPS) or {"sequence", "group"} <= names:
        raise InputError(
            "Expected the named groups subject and one of sequence and group in the subject "
            f"pattern, got {', '.join(pattern.groupindex)}."
        )
    return pattern


def with_subjects(faces: Faces, text: str, *, root: Path) -> Faces:
    r"""Faces whose persons and moments are read by a user's pattern, whatever was known before.

    Parameters
    ----------
    faces
        Faces that come from files.
    text
        Regular expression, searched in each path below the root, written with slashes. A sequence
        is one of its person: the name of the subject is put before it. A named group that matches
        nothing means "unknown".
    root
        Folder of the data set.

    Raises
    ------
    InputError
        For a pattern that cannot be used, faces that do not come from files of their own, or a file
        that does not match.

    Examples
    --------
    >>> from fer_xai.data.images import faces_from_files
    >>> faces = faces_from_files(
    ...     [("1.png", "/faces/ann/2_1.png", "fear", "test", "", "mine", "")], name="mine"
    ... )
    >>> named = with_subjects(faces, r"(?P<subject>[a-z]+)/(?P<sequence>\d+)", root=Path("/faces"))
    >>> named.persons, named.moments
    (['ann'], ['ann / ann_2 / fear'])
    """
    pattern = check_subject_pattern(text)
    subjects, groups, strange = [], [], []
    for place in faces.table["path"]:
        rowed = Path(place).suffix.startswith(".csv,")  # "fer2013.csv, row 2"
        if rowed or not Path(place).is_relative_to(root):
            raise InputError(
                f"Expected faces with files of their own under {root} for a subject pattern, but "
                f"{faces.name} has none: leave it out."
            )
        path = Path(place).relative_to(root).as_posix()
        match = pattern.search(path)
        if match is None:
            strange.append(path)
            continue
        found = {name: (value or "").strip() for name, value in match.groupdict().items()}
        subject = found.get("subject", "")
        group = found.get("sequence") or found.get("group") or ""
        subjects.append(subject)
        groups.append(f"{subject}_{group}" if subject and group else group)
    if strange:
        raise InputError(
            f"Expected the subject pattern {quoted(text)} to match every file of {faces.name}, but "
            f"{len(strange)} of {len(faces)} do not match, for instance {quoted(strange[0])}."
        )
    table = faces.table.assign(subject=subjects, group=groups)
    return dataclasses.replace(faces, table=table)
