"""Any folder whose sub-folders are named for emotions, split folders above them or not."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections import defaultdict
from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.data.file_names import spoken_emotion
from fer_xai.data.images import faces_from_files
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.subjects import read_names
from fer_xai.emotions import parse_emotion
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.types import Faces

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif"),
    *(".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Suffixes of images that are read."""

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


@DATASETS.register("folder")
def folder(root: Path, *, split: str, problems: Problems) -> Faces:
    """Faces of a folder; see :func:`index_folder`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     (Path(place) / "mine" / "happy").mkdir(parents=True)
    ...     (Path(place) / "mine" / "happy" / "1.png").touch()
    ...     folder(Path(place) / "mine", split="test", problems=Problems(skip=False))
    Faces(mine: 1 face (happiness 1))
    """
    return index_folder(root, split=split, name=root.resolve().name, problems=problems)


def index_folder(root: Path, *, split: str, name: str, problems: Problems) -> Faces:
    """Index ``root/<emotion>/…/<image>`` or ``root/<split>/<emotion>/…/<image>``.

    Above the emotions may stand the persons of Oulu-CASIA, and its lights and cameras above them:
    ``root/VL/Strong/P001/Happiness/000.jpeg``. Folder names may be common synonyms (``angry``,
    ``happy``), in capitals or not; hidden files and folders are passed over. Without split folders
    every image belongs to the split that is asked for. Where nearly all paths are of
    a well-known pattern (:data:`fer_xai.data.subjects.NAME_PATTERNS`) they fill ``subject`` and
    ``group``.

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
    base = _split_folder(root, split, problems)
    images: list[tuple[str, Path, str]] = []  # id, file, emotion
    for place, emotion in _emotion_folders(base, problems):
        images += [
            (image.relative_to(base).as_posix(), image, emotion)
            for image in _images(place, emotion, problems)
        ]
    read = read_names([identity for identity, _, _ in images])
    if read.remark:
        problems.remarks.append(read.remark)
    rows = []
    for known, (identity, image, emotion) in zip(read.taken, images, strict=True):
        spoken = known.emotion or spoken_emotion(image.name)
        if spoken in (None, emotion):
            rows.append((identity, str(image), emotion, split, known.subject, name, known.group))
        else:
            problems.add(
                f"Expected file names that agree with their folder under {base}, but "
                f"{quoted(identity)} speaks of {spoken}: move or rename it."
            )
    return faces_from_files(rows, name=name)


def warn_of_two_emotions(faces: Faces) -> None:
    """Warn where files of the same bytes stand for different emotions.

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


def _split_folder(root: Path, split: str, problems: Problems) -> Path:
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
        if folder not in splits and _is_emotion(folder.name):
            problems.add(
                f"Expected the emotion folders under {root} inside the split folders, got "
                f"{quoted(folder.name)} beside them: move it."
            )
    return found[0]


def _emotion_folders(base: Path, problems: Problems) -> list[tuple[Path, str]]:
    """Folders named for emotions, each with its emotion."""
    folders = _visible_folders(base)
    deeper = not any(_is_emotion(folder.name) for folder in folders)
    _say_stray(base, problems)
    found = []
    for folder in folders:
        if _is_emotion(folder.name):
            found.append((folder, parse_emotion(folder.name)))
            continue
        below = _below(folder, problems) if deeper else []
        found += below
        if not below:
            problems.add(
                f"Expected folders named for emotions under {base}, got {quoted(folder.name)}: "
                "rename or move it."
            )
    return found


def _below(folder: Path, problems: Problems) -> list[tuple[Path, str]]:
    """Folders named for emotions in those of Oulu-CASIA's persons, in and below a folder."""
    found: list[tuple[Path, str]] = []
    for inner in _visible_folders(folder):
        if inner.name.lower() in _SPLIT_WORDS:
            raise InputError(f"Expected split folders right under the root, got {inner}: move it.")
        if not _is_emotion(inner.name):
            found += _below(inner, problems)
        elif _PERSON.fullmatch(folder.name):
            found.append((inner, parse_emotion(inner.name)))
    if found:
        _say_stray(folder, problems)
    return found


def _say_stray(base: Path, problems: Problems) -> None:
    stray = [path for path in sorted(base.iterdir()) if _is_image(path)]
    if stray:
        problems.add(
            f"Expected images in folders named for emotions under {base}, got "
            f"{quoted(stray[0].name)} and {len(stray) - 1} more beside them: move them."
        )


def _images(place: Path, emotion: str, problems: Problems) -> list[Path]:
    """Images in and under an emotion's folder, sorted."""
    found = []
    for image in sorted(place.rglob("*")):
        inner = image.relative_to(place).parent.parts
        if image.name[0] == "." or any(part[0] in "._" for part in inner) or not image.is_file():
            continue
        if any(part.lower() in _SPLIT_WORDS for part in inner):
            raise InputError(
                f"Expected split folders above the emotion folders, got {image.parent}: move it."
            )
        if any(spoken_emotion(part) not in (None, emotion) for part in inner):
            problems.add(
                f"Expected folders of one emotion under {place}, got {quoted('/'.join(inner))} "
                f"with {quoted(image.name)}: move it."
            )
        elif _is_image(image):
            found.append(image)
        elif image.suffix.lower() in _UNREAD:
            problems.add(
                f"Expected images as {', '.join(SUFFIXES)}, got {image}: convert it to PNG."
            )
    return found


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.name[0] != "." and path.is_file()


def _visible_folders(base: Path) -> list[Path]:
    return sorted(path for path in base.iterdir() if path.is_dir() and path.name[0] not in "._")


def _is_emotion(name: str) -> bool:
    try:
        parse_emotion(name)
    except UnknownNameError:
        return False
    return True
