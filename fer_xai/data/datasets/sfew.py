"""SFEW 2.0 (Dhall et al., ICMI 2015): frames of films, strictly independent of persons.

Folders Train, Val and Test, each with its whole frames in folders of emotions and with faces that
its authors have cut out: ``Train/Train_Aligned_Faces/Angry/…``, ``Val/Val_Aligned_Faces_new/…``.
Whole frames: 958 for training, 436 for validation, 372 for tests without labels. Faces were found
in 891 and 431 of them. For research, by request.
"""

from __future__ import annotations

from pathlib import Path

from fer_xai.checks import check_choice
from fer_xai.data.cards import Card, described
from fer_xai.data.datasets.folder import index_folder
from fer_xai.data.listing import contents, is_hidden
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.errors import InputError
from fer_xai.types import Faces

_FOLDERS = {"train": ("train", "training"), "valid": ("val", "valid", "validation")}

CARD = Card(
    title="SFEW 2.0, aligned faces",
    layout="`Train/Train_Aligned_Faces/Angry/`, `Val/Val_Aligned_Faces_new/Angry/`, …",
    licence="research, by request",
    source="Dhall et al., ICMI 2015",
    splits=("train", "valid"),
    counts={
        "train": {
            **{"surprise": 94, "fear": 78, "disgust": 52, "happiness": 184},
            **{"sadness": 161, "anger": 178, "neutral": 144},
        },
        "valid": {
            **{"surprise": 56, "fear": 46, "disgust": 23, "happiness": 72},
            **{"sadness": 73, "anger": 77, "neutral": 84},
        },
    },
)


@DATASETS.register("sfew")
@described(CARD)
def sfew(
    root: Path, *, split: str, problems: Problems, test: str = "", images: str = "aligned"
) -> Faces:
    """Index the folders of emotions of one split.

    Parameters
    ----------
    root
        Folder that holds ``Train`` and ``Val``.
    split
        train or valid; test where the option ``test`` says so.
    problems
        Collects what cannot be used.
    test
        ``valid`` to test on the validation faces, as most papers do.
    images
        ``aligned`` for the faces that were cut out, ``whole`` for whole frames.

    Raises
    ------
    InputError
        If a folder is missing, or is named for no emotion, or the split has no labels.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     folder = Path(root) / "Val" / "Val_Aligned_Faces_new" / "Angry"
    ...     folder.mkdir(parents=True)
    ...     (folder / "Film_000447040_00000001.png").touch()
    ...     sfew(Path(root), split="valid", problems=Problems(skip=False))
    Faces(sfew: 1 face (anger 1))
    """
    check_choice("images", images, ("aligned", "whole"))
    wanted = "valid" if (split, test) == ("test", "valid") else split
    if wanted not in _FOLDERS or test not in ("", "valid"):
        raise InputError(
            "Expected split train or valid for sfew, whose test set has no labels, got "
            f"{split!r}: write sfew:ROOT#test=valid to test on its validation faces."
        )
    words = _FOLDERS[wanted]
    inside = next((p for p in _folders(root) if p.name.lower() in words), root)
    aligned = next(
        (
            p
            for p in _folders(inside)
            if p.name.lower().startswith(tuple(f"{word}_aligned_faces" for word in words))
        ),
        None,
    )
    title = words[0].title()
    if inside is root and (images == "whole" or aligned is None):
        raise InputError(
            f"Expected the folder {title} of SFEW under {root}, found none ({contents(root)}): "
            "check the root."
        )
    if images == "whole":
        return index_folder(
            inside, split=split, name="sfew", problems=problems, but=("aligned", "landmark", "lpq")
        )
    if aligned is None:
        raise InputError(
            f"Expected the folder {title}_Aligned_Faces of SFEW under {inside}, found none "
            f"({contents(inside)}): write sfew:ROOT#images=whole for whole frames."
        )
    return index_folder(aligned, split=split, name="sfew", problems=problems)


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if p.is_dir() and not is_hidden(p.name))
