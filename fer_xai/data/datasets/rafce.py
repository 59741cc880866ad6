"""RAF-CE (Li & Deng 2023): 4,549 faces with fourteen compound emotions and action units.

``RAFCE_emolabel.txt`` with rows ``0001.jpg 3`` and codes 0–13 of its own order (RAF-DB's compound
subset has eleven, from 1), ``RAFCE_partition.txt`` (0 train, 1 test, 2 validation),
``RAFCE_AUlabel.txt``; images ``aligned/0001_aligned.jpg``. A pair is no emotion: its faces are left
out unless the user's map says what it counts as. For non-commercial research, by request.
"""

from __future__ import annotations

from pathlib import Path

from fer_xai.data.action_unit_list import read_action_units
from fer_xai.data.attributes import with_attributes
from fer_xai.data.cards import LISTED, WHOLE, Card, described
from fer_xai.data.compound import CompoundRow, mapped_rows
from fer_xai.data.emotion_map import EmotionMap
from fer_xai.data.images import faces_from_files
from fer_xai.data.label_list import CodeRange
from fer_xai.data.listing import Listing, contents
from fer_xai.data.raf_files import numbered_codes
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.errors import InputError
from fer_xai.types import Faces

PAIRS = (
    *("happily surprised", "happily disgusted", "sadly fearful", "sadly angry"),
    *("sadly surprised", "sadly disgusted", "fearfully angry", "fearfully surprised"),
    *("fearfully disgusted", "angrily surprised", "angrily disgusted"),
    *("disgustedly surprised", "happily fearful", "happily sad"),
)
"""The pairs by code, which begins with 0."""
PARTS = {0: "train", 1: "test", 2: "valid"}
"""Splits by the codes of ``RAFCE_partition.txt``."""

CARD = Card(
    title="RAF-CE, compound emotions",
    layout="`RAFCE_emolabel.txt`, `RAFCE_partition.txt`, `RAFCE_AUlabel.txt`, `aligned/`",
    licence="non-commercial research, by request",
    source="Li & Deng, 2023",
    splits=("train", "valid", "test"),
    counts={WHOLE: {LISTED: 4549}},
    attributes="label, action_units",
)


@DATASETS.register("rafce")
@described(CARD)
def rafce(
    root: Path, *, split: str, problems: Problems, emotion_map: EmotionMap | None = None
) -> Faces:
    r"""Index the lists.

    Parameters
    ----------
    root
        Folder of the lists, and of ``aligned``.
    split
        train, valid or test.
    problems
        Collects what cannot be used; ``left_out`` counts faces whose pair stands for no emotion.
    emotion_map
        Emotion of each pair, by its code or its name: ``{"0": "surprise"}``.

    Raises
    ------
    InputError
        Without a map, unless such faces are skipped; if a list is missing, lists do not name the
        same faces, or a code is unknown.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = (Path(root) / "RAFCE_emolabel.txt").write_text("0001.jpg 13\n")
    ...     _ = (Path(root) / "RAFCE_partition.txt").write_text("0001.jpg 1\n")
    ...     faces = rafce(
    ...         Path(root),
    ...         split="test",
    ...         problems=Problems(skip=False),
    ...         emotion_map=EmotionMap.parse({"happily sad": "sadness"}),
    ...     )
    >>> faces, faces.table["label"].tolist()
    (Faces(rafce: 1 face (sadness 1)), ['happily sad'])
    """
    if split not in PARTS.values():
        raise InputError(f"Expected split train, valid or test for rafce, got {split!r}.")
    paths = [root / f"RAFCE_{kind}.txt" for kind in ("emolabel", "partition")]
    for path in paths:
        if not path.is_file():
            raise InputError(
                f"Expected {path.name} under {root}, found none ({contents(root)}): check the root."
            )
    codes = CodeRange(order=PAIRS, first=0)
    parts = {name: code for name, code, _ in numbered_codes(paths[1], "0–2", problems)}
    unknown = sorted(set(parts.values()) - set(PARTS))
    if unknown:
        raise InputError(f"Expected partitions 0–2 in {paths[1]}, got {unknown[0]}.")
    found, rowless = [], 0
    for name, code, number in numbered_codes(paths[0], codes.words, problems):
        pair = codes.emotion(code, row=number)
        if name not in parts:
            rowless += 1
        elif pair is not None and PARTS[parts[name]] == split:
            place = f"{paths[0]}, row {number}"
            found.append(CompoundRow(name=name, code=code, pair=pair, place=place))
    codes.check(paths[0])
    if rowless:
        problems.add(
            f"Expected every face of {paths[0].name} in {paths[1]}, but {rowless} are missing: "
            "copy the lists whole."
        )
    units = read_action_units(root / "RAFCE_AUlabel.txt")
    folder = root / "aligned" if (root / "aligned").is_dir() else root
    rows, labels, files = [], [], Listing()
    for one, emotion in mapped_rows(found, emotion_map or EmotionMap(), problems):
        name = f"{one.name.rpartition('.')[0] or one.name}_aligned.jpg"
        rows.append((one.name, files.path(folder, name), emotion, split, "", "rafce", ""))
        labels.append(one.pair)
    faces = with_attributes(faces_from_files(rows, name="rafce"), {"label": labels})
    return with_attributes(
        faces, {"action_units": [units[row[0]] for row in rows]} if units else {}
    )
