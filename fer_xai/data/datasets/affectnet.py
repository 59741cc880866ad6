"""AffectNet (Mollahosseini et al., IEEE TAC 2017): expressions, valence and arousal.

Two layouts are handed out. Lists: ``training.csv`` and ``validation.csv`` with
``subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,
arousal``, of which either may lack the header, and photographs below
``Manually_Annotated_Images/``, from which the boxes are cut. Pack: ``{train_set,val_set}/images/
{id}.jpg`` and ``…/annotations/{id}_{exp,val,aro,lnd}.npy``. Codes 0–7 are Ne Ha Sa Su Fe Di An Co;
8 None, 9 Uncertain and 10 No-face are left out and counted. Train 287,651 with an emotion,
validation 500 of each. The test set is not public. For research, by request.
"""

from __future__ import annotations

from pathlib import Path

from fer_xai.data.affectnet_lists import index_list
from fer_xai.data.affectnet_pack import index_pack
from fer_xai.data.cards import Card, described
from fer_xai.data.listing import contents
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError
from fer_xai.types import Faces

_LISTS = {"train": ("training.csv", "train.csv"), "valid": ("validation.csv", "val.csv")}
_PLACES = ("", "Manually_Annotated_file_lists", "Manually_Annotated")
_PACKS = {"train": "train_set", "valid": "val_set"}

CARD = Card(
    title="AffectNet",
    layout="`training.csv`, `validation.csv` and `Manually_Annotated_Images/`; or "
    "`{train_set,val_set}/{images,annotations}/`",
    licence="research, by request",
    source="Mollahosseini, Hasani & Mahoor, IEEE TAC 2017",
    splits=("train", "valid"),
    counts={
        "train": {
            **{"neutral": 74874, "happiness": 134415, "sadness": 25459, "surprise": 14090},
            **{"fear": 6378, "disgust": 3803, "anger": 24882, "contempt": 3750},
        },
        "valid": dict.fromkeys(NATIVE_ORDERS["affectnet"], 500),
    },
    attributes="valence, arousal",
)


@DATASETS.register("affectnet")
@described(CARD)
def affectnet(
    root: Path,
    *,
    split: str,
    problems: Problems,
    test: str = "",
    crop: str = "box",
    valence: str = "no",
) -> Faces:
    """Index either layout.

    Parameters
    ----------
    root
        Folder of the lists (or that above them), or of ``train_set`` and ``val_set``.
    split
        train or valid; test where the option ``test`` says so.
    problems
        Collects what cannot be used; ``left_out`` counts labels that are no emotion.
    test
        ``valid`` to test on the validation faces, as most papers do.
    crop
        ``box`` cuts the listed box out of each photograph, ``none`` uses it whole; the pack's
        images are cut already.
    valence
        ``yes`` reads valence and arousal of a pack, too, which takes two files more a face. Lists
        tell them anyhow.

    Raises
    ------
    InputError
        If neither layout is found, a row cannot be read or leaves the folder, a code lies outside
        0–10, an image is listed twice, or the split is not there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     row = "1/a.jpg,0,0,9,9,1;2,6,-.5,.5"  # 6 means anger; there is no header
    ...     _ = (Path(root) / "validation.csv").write_text(row)
    ...     faces = affectnet(Path(root), split="valid", problems=Problems(skip=False))
    >>> faces, faces.table["valence"].tolist()
    (Faces(affectnet: 1 face (anger 1)), [-0.5])
    """
    wanted = split
    if split == "test":
        if test != "valid":
            raise InputError(
                "Expected split train or valid for affectnet, whose test set is not public, got "
                "'test': write affectnet:ROOT#test=valid to test on its validation faces."
            )
        wanted = "valid"
    if wanted not in _PACKS or test not in ("", "valid"):
        raise InputError(
            f"Expected split train or valid, and test=valid or none, for affectnet, got {split!r} "
            f"and {test!r}."
        )
    for option, value, choices in (("crop", crop, "box none"), ("valence", valence, "yes no")):
        if value not in choices.split():
            raise InputError(
                f"Expected {option} {' or '.join(choices.split())} for affectnet, got {value!r}."
            )
    pack = root / _PACKS[wanted]
    if pack.is_dir():
        return index_pack(pack, split=split, valence=valence == "yes", problems=problems)
    places = [root / place / name for place in _PLACES for name in _LISTS[wanted]]
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        raise InputError(
            f"Expected {_LISTS[wanted][0]} or the folder {_PACKS[wanted]}/ of AffectNet under "
            f"{root}, found neither ({contents(root)}): check the root."
        )
    return index_list(path, root, split=split, crop=crop == "box", problems=problems)
