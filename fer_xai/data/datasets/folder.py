"""Any folder whose sub-folders are named for emotions, split folders above them or not."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import warnings
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.data.cards import Card, described
from fer_xai.data.emotion_map import EmotionMap
from fer_xai.data.file_names import spoken_emotion
from fer_xai.data.images import faces_from_files
from fer_xai.data.listing import SUFFIXES, is_hidden, is_image_name
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.subjects import read_names
from fer_xai.errors import InputError
from fer_xai.types import Faces

_UNREAD = (
    *(".avif", ".heic", ".heif", ".jp2", ".jxl", ".psd"),
    *(".svg", ".tga", ".dng", ".npy", ".npz", ".mat"),
)
_SPLITS = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "valid": ("valid", "val", "validation"),
}
_PERSON = re.compile(r"P\d{3}")
"""Folder of a person of Oulu-CASIA, which holds those of emotions."""
_SPLIT_WORDS = {word for words in _SPLITS.values() for word in words}


MOST_COMPARED = 50_000
"""Most files that are compared when a folder is read; of more, the label audit finds copies."""

CARD = Card(
    title="Any folder of folders named for emotions",
    layout="`[train,valid,test/]<emotion>/…/<image>`; Oulu-CASIA as handed out",
    licence="its own",
    source="as ImageFolder of torchvision",
    persons="by file names of well-known sets, or by `--subject-pattern`",
)


@DATASETS.register("folder")
@described(CARD)
def folder(
    root: Path, *, split: str, problems: Problems, emotion_map: EmotionMap | None = None
) -> Faces:
    """Faces of a folder; see :func:`index_folder`.

    Parameters
    ----------
    root
        The folder.
    split
        Name of a split.
    problems
        Collects what cannot be used.
    emotion_map
        Emotions of folders, by their names.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     (Path(place) / "mine" / "happy").mkdir(parents=True)
    ...     (Path(place) / "mine" / "happy" / "1.png").touch()
    ...     folder(Path(place) / "mine", split="test", problems=Problems(skip=False))
    Faces(mine: 1 face (happiness 1))
    """
    name = root.resolve().name
    return index_folder(root, split=split, name=name, problems=problems, emotions=emotion_map)


def index_folder(
    root: Path,
    *,
    split: str,
    name: str,
    problems: Problems,
    emotions: EmotionMap | None = None,
    but: tuple[str, ...] = (),
) -> Faces:
    """Index ``root/<emotion>/…/<image>`` or ``root/<split>/<emotion>/…/<image>``.

    Above the emotions may stand the persons of Oulu-CASIA, and its lights and cameras above them:
    ``root/VL/Strong/P001/Happiness/000.jpeg``. Folder names may be common synonyms (``angry``,
    ``happy``), in capitals or not; hidden files and folders are passed over. Without split folders
    every image belongs to the split that is asked for. Where nearly all paths are of
    a well-known pattern (:data:`fer_xai.data.subjects.NAME_PATTERNS`) they fill ``subject`` and
    ``group``.

    Parameters
    ----------
    root
        The folder.
    split
        Name of a split.
    name
        Name of the faces.
    problems
        Collects what cannot be used; ``left_out`` counts images of folders that the map leaves out.
    emotions
        Emotions of folders, by their names; words for emotions need none.
    but
        Parts of names of folders beside those of emotions that are passed over.

    Raises
    ------
    InputError
        If a folder is named for no emotion, an image lies in none, a file name or an inner folder
        speaks of another emotion than its folder, an image is of a format that is not read, or
        split folders exist but not this one, or twice.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("angry", "Fear"):
    ...         (Path(root) / "test" / name).mkdir(parents=True)
    ...         (Path(root) / "test" / name / "1.png").touch()
    ...     faces = index_folder(Path(root), split="test", name="mine", problems=Problems(False))
    >>> faces, faces.ids
    (Faces(mine: 2 faces (anger 1, fear 1)), ['Fear/1.png', 'angry/1.png'])
    """
    if not root.is_dir():
        raise InputError(f"Expected a folder of emotion folders, got the file {root}.")
    emotions = emotions or EmotionMap()
    base = _split_folder(root, split, problems, emotions)
    images: list[tuple[str, str, str]] = []  # id, file, emotion
    for place in _emotion_folders(base, problems, emotions, but):
        emotion, above = emotions.emotion(place.name), place.relative_to(base).as_posix()
        below = _images(place, emotion, problems)
        if emotion is None:
            problems.left_out[f"folder {place.name}"] += len(below)
            continue
        start, before = f"{place}{os.sep}", f"{above}/"
        images += [(before + image, start + image, emotion) for image in below]
    read = read_names([identity for identity, _, _ in images])
    if read.remark:
        problems.remarks.append(read.remark)
    rows = []
    for known, (identity, image, emotion) in zip(read.taken, images, strict=True):
        spoken = known.emotion or spoken_emotion(identity.rpartition("/")[2])
        if spoken in (None, emotion):
            rows.append((identity, image, emotion, split, known.subject, name, known.group))
        else:
            problems.add(
                f"Expected file names that agree with their folder under {base}, but "
                f"{quoted(identity)} speaks of {spoken}: move or rename it."
            )
    return faces_from_files(rows, name=name)


def warn_of_two_emotions(faces: Faces) -> None:
    """Warn where files of the same bytes stand for different emotions.

    No file is opened where there are more than :data:`MOST_COMPARED` faces.

    Warns
    -----
    UserWarning
        How many such images there are, with an example; the faces stay.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root, warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     for name in ("angry", "fear"):
    ...         (Path(root) / name).mkdir()
    ...         _ = (Path(root) / name / "1.png").write_bytes(b"the same")
    ...     warn_of_two_emotions(folder(Path(root), split="test", problems=Problems(False)))
    >>> "stands for two emotions or more" in str(told[0].message)
    True
    """
    if len(faces) > MOST_COMPARED:
        return
    by_size: dict[int, list[int]] = defaultdict(list)
    for index, path in enumerate(faces.table["path"]):
        if Path(path).is_file():
            by_size[Path(path).stat().st_size].append(index)
    emotions, groups = list(faces.table["emotion"]), defaultdict(list)
    for members in by_size.values():
        if len({emotions[index] for index in members}) > 1:
            for index in members:
                digest = hashlib.sha256(Path(faces.table["path"][index]).read_bytes()).digest()
                groups[digest].append(index)
    two = [same for same in groups.values() if len({emotions[index] for index in same}) > 1]
    if two:
        example = " and ".join(quoted(faces.ids[index]) for index in two[0][:2])
        warnings.warn(
            f"{len(two)} {'images of' if len(two) > 1 else 'image of'} {faces.name} "
            f"{'stand' if len(two) > 1 else 'stands'} for two emotions or more, for instance "
            f"{example}: their labels cannot all be right; delete those that are wrong.",
            UserWarning,
            stacklevel=3,
        )


def _split_folder(root: Path, split: str, problems: Problems, emotions: EmotionMap) -> Path:
    """The folder of the split, or the root where there are no split folders."""
    folders = _visible_folders(root)
    splits = [folder for folder in folders if folder.name.lower() in _SPLIT_WORDS]
    if not splits:
        return root
    words = _SPLITS.get(split, (split.lower(),))
    found = [folder for folder in splits if folder.name.lower() in words]
    if not found:
        raise InputError(f"Expected a folder for split {split} under {root}, found none.")
    if len(found) > 1:
        raise InputError(
            f"Expected one folder for split {split} under {root}, found "
            f"{', '.join(folder.name for folder in found)}: leave one of them."
        )
    for folder in folders:
        if folder not in splits and emotions.knows(folder.name):
            problems.add(
                f"Expected the emotion folders under {root} inside the split folders, got "
                f"{quoted(folder.name)} beside them: move it."
            )
    return found[0]


def _emotion_folders(
    base: Path, problems: Problems, emotions: EmotionMap, but: tuple[str, ...]
) -> list[Path]:
    """Folders named for emotions."""
    folders = [
        folder
        for folder in _visible_folders(base)
        if not any(word in folder.name.lower() for word in but)
    ]
    deeper = not any(emotions.knows(folder.name) for folder in folders)
    _say_stray(base, problems)
    found = []
    for folder in folders:
        if emotions.knows(folder.name):
            found.append(folder)
            continue
        below = _below(folder, problems, emotions) if deeper else []
        found += below
        if not below:
            problems.add(
                f"Expected folders named for emotions under {base}, got {quoted(folder.name)}: "
                "rename or move it, or name its emotion with emotion_map (--map "
                f"{folder.name}=…)."
            )
    return found


def _below(folder: Path, problems: Problems, emotions: EmotionMap) -> list[Path]:
    """Folders named for emotions in those of Oulu-CASIA's persons, in and below a folder."""
    found: list[Path] = []
    for inner in _visible_folders(folder):
        if inner.name.lower() in _SPLIT_WORDS:
            raise InputError(f"Expected split folders right under the root, got {inner}: move it.")
        if not emotions.knows(inner.name):
            found += _below(inner, problems, emotions)
        elif _PERSON.fullmatch(folder.name):
            found.append(inner)
    if found:
        _say_stray(folder, problems)
    return found


def _say_stray(base: Path, problems: Problems) -> None:
    with os.scandir(base) as entries:
        stray = sorted(e.name for e in entries if is_image_name(e.name) and e.is_file())
    if stray:
        problems.add(
            f"Expected images in folders named for emotions under {base}, got "
            f"{quoted(stray[0])} and {len(stray) - 1} more beside them: move them."
        )


def _images(place: Path, emotion: str | None, problems: Problems) -> list[str]:
    """Images in and under an emotion's folder, as paths below it, sorted as paths are."""
    found: list[tuple[tuple[str, ...], list[str]]] = []
    seen: set[str] = set()
    for folder, inner, names in os.walk(place, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        inner[:] = [name for name in inner if name[0] not in "._" and not is_hidden(name)]
        below = os.path.relpath(folder, place).replace(os.sep, "/")
        parts = () if below == "." else tuple(below.split("/"))
        read = [name for name in names if is_image_name(name)]
        unread = [] if len(read) == len(names) else list(filter(_is_unread, names))
        if (read or unread) and any(part.lower() in _SPLIT_WORDS for part in parts):
            raise InputError(
                f"Expected split folders above the emotion folders, got {folder}: move it."
            )
        others = [part for part in parts if spoken_emotion(part) not in (None, emotion)]
        if others and emotion is not None:
            for name in sorted(read):
                problems.add(
                    f"Expected folders of one emotion under {place}, got {quoted(below)} "
                    f"with {quoted(name)}: move it."
                )
            continue
        for name in unread:
            problems.add(
                f"Expected images as {', '.join(SUFFIXES)}, got {folder}/{name}: convert it to PNG."
            )
        found.append((parts, read))
    found = sorted((parts, sorted(read)) for parts, read in found if read)
    if any(two[: len(one)] == one for (one, _), (two, _) in pairwise(found)):
        every = sorted((*parts, name) for parts, names in found for name in names)
        return ["/".join(parts) for parts in every]
    return [
        start + name for parts, read in found for start in ["/".join((*parts, ""))] for name in read
    ]


def _is_unread(name: str) -> bool:
    """Whether an image is of a format that is not read."""
    return posixpath.splitext(name)[1].lower() in _UNREAD and not is_hidden(name)


def _visible_folders(base: Path) -> list[Path]:
    with os.scandir(base) as entries:
        names = [
            entry.name
            for entry in entries
            if entry.name[0] not in "._" and not is_hidden(entry.name) and entry.is_dir()
        ]
    return [base / name for name in sorted(names)]
