"""RAF-DB, compound emotions (Li et al., CVPR 2017): eleven pairs such as happily surprised.

``compound/EmoLabel/list_patition_label.txt`` with codes 1–11 of its own, images
``compound/Image/aligned/<stem>_aligned.jpg``. Train 3,162, test 792. A pair is no emotion: its
faces are left out unless the user's map says what it counts as. RAF-CE is another set, with
fourteen pairs in another order: see :mod:`fer_xai.data.datasets.rafce`.
"""

from __future__ import annotations

from pathlib import Path

from fer_xai.data.attributes import with_attributes
from fer_xai.data.cards import LISTED, WHOLE, Card, described
from fer_xai.data.compound import CompoundRow, mapped_rows
from fer_xai.data.emotion_map import EmotionMap
from fer_xai.data.images import faces_from_files
from fer_xai.data.label_list import CodeRange
from fer_xai.data.listing import Listing, contents
from fer_xai.data.raf_files import attributes, listed_rows
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.errors import InputError
from fer_xai.types import Faces

LIST = Path("EmoLabel") / "list_patition_label.txt"
PAIRS = (
    *("happily surprised", "happily disgusted", "sadly fearful", "sadly angry"),
    *("sadly surprised", "sadly disgusted", "fearfully angry", "fearfully surprised"),
    *("angrily surprised", "angrily disgusted", "disgustedly surprised"),
)
"""The pairs by code, which begins with 1."""
_COUNTS = (697, 266, 129, 163, 86, 738, 150, 560, 176, 841, 148)

CARD = Card(
    title="RAF-DB, compound emotions",
    layout="`compound/EmoLabel/list_patition_label.txt`, `compound/Image/aligned/`",
    licence="non-commercial research, by request",
    source="Li, Deng & Du, CVPR 2017",
    splits=("train", "test"),
    counts={
        "train": {LISTED: 3162},
        "test": {LISTED: 792},
        WHOLE: dict(zip(PAIRS, _COUNTS, strict=True)),
    },
    attributes="label, race, gender, age",
)


@DATASETS.register("rafdb_compound")
@described(CARD)
def rafdb_compound(
    root: Path, *, split: str, problems: Problems, emotion_map: EmotionMap | None = None
) -> Faces:
    """Index the official layout, under ``root`` or ``root/compound``.

    Parameters
    ----------
    root
        Folder of RAF-DB, or its ``compound``.
    split
        train or test.
    problems
        Collects what cannot be used; ``left_out`` counts faces whose pair stands for no emotion.
    emotion_map
        Emotion of each pair, by its code or its name: ``{"1": "surprise"}``.

    Raises
    ------
    InputError
        Without a map, unless such faces are skipped; if the list is missing, names are not of it,
        codes lie outside 1–11, or the split is not train or test.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     (Path(root) / LIST).parent.mkdir()
    ...     _ = (Path(root) / LIST).write_text("test_0001.jpg 1")
    ...     faces = rafdb_compound(
    ...         Path(root),
    ...         split="test",
    ...         problems=Problems(skip=False),
    ...         emotion_map=EmotionMap.parse({"happily surprised": "surprise"}),
    ...     )
    >>> faces, faces.table["label"].tolist()
    (Faces(rafdb_compound: 1 face (surprise 1)), ['happily surprised'])
    """
    if split not in ("train", "test"):
        raise InputError(f"Expected split train or test for rafdb_compound, got {split!r}.")
    base = next((b for b in (root, root / "compound") if (b / LIST).is_file()), None)
    if base is None:
        raise InputError(
            f"Expected {LIST} under {root}, found none ({contents(root)}): pass RAF-DB's "
            "`compound` folder."
        )
    codes = CodeRange(order=PAIRS, first=1)
    found = []
    for row in listed_rows(base / LIST, codes.words, problems):
        pair = codes.emotion(row.code, row=row.number)
        if pair is not None:
            place = f"{base / LIST}, row {row.number}"
            found.append(CompoundRow(name=row.name, code=row.code, pair=pair, place=place))
    codes.check(base / LIST)
    own = [row for row in found if row.name.startswith(f"{split}_")]
    rows, stems, labels, files = [], [], [], Listing()
    for one, emotion in mapped_rows(own, emotion_map or EmotionMap(), problems):
        stem = one.name.rpartition(".")[0] or one.name
        name = f"{stem}_aligned.jpg"
        path = files.path(base / "Image" / "aligned", name)
        rows.append((name, path, emotion, split, "", "rafdb_compound", ""))
        stems.append(stem)
        labels.append(one.pair)
    faces = faces_from_files(rows, name="rafdb_compound")
    return with_attributes(faces, {"label": labels, **attributes(base, stems, problems)})
