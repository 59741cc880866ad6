"""CK+48: the last three frames of the labelled sequences of CK+, cropped to 48×48 grey.

Folders anger, contempt, disgust, fear, happy, sadness and surprise with
``S010_004_00000017.png``: 981 images of 327 sequences. It has no split; persons are read from file
names, and only splits by person are fair. A copy that circulates; the terms are those of CK+.
"""

from __future__ import annotations

from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.data.cards import WHOLE, Card, described
from fer_xai.data.datasets.folder import index_folder
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.subjects import NAME_PATTERNS
from fer_xai.data.unsplit import without_splits
from fer_xai.errors import InputError
from fer_xai.types import Faces

CARD = Card(
    title="CK+48",
    layout="`anger/S010_004_00000017.png`, …",
    licence="research, by agreement (CK+)",
    source="Lucey et al., CVPR workshops 2010",
    counts={
        WHOLE: {
            **{"anger": 135, "contempt": 54, "disgust": 177, "fear": 75},
            **{"happiness": 207, "sadness": 84, "surprise": 249},
        }
    },
    persons="118, by file names",
)


@DATASETS.register("ck48")
@described(CARD)
def ck48(root: Path, *, split: str, problems: Problems, test_share: str = "") -> Faces:
    """Index the folders, under ``root`` or ``root/CK+48``; a sequence is a group of its person.

    Parameters
    ----------
    root
        Folder of the emotions' folders.
    split
        train, valid or test.
    problems
        Collects what cannot be used.
    test_share
        Share of the persons to be tested on; see :func:`fer_xai.data.unsplit.without_splits`.

    Raises
    ------
    InputError
        If a folder is named for no emotion, or an image is not named as CK+ names its frames.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     (Path(root) / "happy").mkdir()
    ...     (Path(root) / "happy" / "S010_006_00000015.png").touch()
    ...     faces = ck48(Path(root), split="test", problems=Problems(skip=False))
    >>> faces, faces.persons
    (Faces(ck48: 1 face (happiness 1)), ['S010'])
    """
    base = root / "CK+48" if (root / "CK+48").is_dir() else root
    faces = index_folder(base, split=split, name="ck48", problems=problems)
    pattern = NAME_PATTERNS["CK+"]
    strange = [name for name in faces.ids if pattern.read(name) is None]
    if strange:
        raise InputError(
            f"Expected images named as {pattern.example} under {base}, got {quoted(strange[0])} "
            f"and {len(strange) - 1} more: persons are unknown; read such a set as folder:."
        )
    return without_splits(faces, split=split, test_share=test_share, problems=problems)
