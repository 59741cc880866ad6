"""Any folder whose sub-folders are named for emotions, split folders above them or not."""

from __future__ import annotations

from pathlib import Path

from fer_xai.data.images import faces_from_files
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.emotions import parse_emotion
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.types import Faces

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_SPLITS = {"train": ("train", "training"), "test": ("test", "testing"),
           "valid": ("valid", "val", "validation")}  # fmt: skip


@DATASETS.register("folder")
def folder(root: Path, *, split: str, problems: Problems) -> Faces:
    """Faces of a folder; see :func:`index_folder`."""
    return index_folder(root, split=split, name=root.resolve().name, problems=problems)


def index_folder(root: Path, *, split: str, name: str, problems: Problems) -> Faces:
    """Index ``root/<emotion>/<image>`` or ``root/<split>/<emotion>/<image>``.

    Folder names may be common synonyms (``angry``, ``happy``); hidden folders are passed over.
    Without split folders every image belongs to the split that is asked for.

    Raises
    ------
    InputError
        If a folder is named for no emotion, or split folders exist but not this one.
    """
    if not root.is_dir():
        raise InputError(f"Expected a folder of emotion folders, got the file {root}.")
    base = root
    if any((root / word).is_dir() for words in _SPLITS.values() for word in words):
        found = [root / w for w in _SPLITS.get(split, (split,)) if (root / w).is_dir()]
        if not found:
            raise InputError(f"Expected a folder for split {split} under {root}, found none.")
        base = found[0]
    rows = []
    places = [path for path in base.iterdir() if path.is_dir() and path.name[0] not in "._"]
    for place in sorted(places):
        try:
            emotion = parse_emotion(place.name)
        except UnknownNameError:
            problems.add(
                f"Expected folders named for emotions under {base}, got {place.name!r}: rename or "
                "move it."
            )
            continue
        for image in sorted(place.iterdir()):
            if image.suffix.lower() in SUFFIXES:
                identity = f"{place.name}/{image.name}"
                rows.append((identity, str(image), emotion, split, "", name, ""))
    return faces_from_files(rows, name=name)
