"""RAF-DB (Li et al., CVPR 2017), basic emotions, official layout.

``EmoLabel/list_patition_label.txt`` (the typo is theirs) with rows ``train_00001.jpg 5``, codes
1–7 for Su Fe Di Ha Sa An Ne; images ``Image/aligned/<stem>_aligned.jpg``, 100×100. Train 12,271,
test 3,068; there is no validation split. ``Annotation/manual/<stem>_manu_attri.txt`` holds five
points, then gender, race and age as codes; ``Annotation/auto/<stem>_auto_attri.txt`` 37 points.
For non-commercial research, by request to its authors.
"""

from __future__ import annotations

from pathlib import Path

from fer_xai.data.attributes import with_attributes
from fer_xai.data.cards import Card, described
from fer_xai.data.images import faces_from_files
from fer_xai.data.label_list import CodeRange, LabelRow, checked_rows
from fer_xai.data.listing import Listing, contents
from fer_xai.data.raf_files import attributes, listed_rows
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError
from fer_xai.types import Faces

LIST = Path("EmoLabel") / "list_patition_label.txt"

CARD = Card(
    title="RAF-DB, basic emotions",
    layout="`EmoLabel/list_patition_label.txt`, `Image/aligned/`, `Annotation/manual/` if there",
    licence="non-commercial research, by request",
    source="Li, Deng & Du, CVPR 2017",
    splits=("train", "test"),
    counts={
        "train": {
            **{"surprise": 1290, "fear": 281, "disgust": 717, "happiness": 4772},
            **{"sadness": 1982, "anger": 705, "neutral": 2524},
        },
        "test": {
            **{"surprise": 329, "fear": 74, "disgust": 160, "happiness": 1185},
            **{"sadness": 478, "anger": 162, "neutral": 680},
        },
    },
    attributes="race, gender, age",
)


@DATASETS.register("rafdb")
@described(CARD)
def rafdb(root: Path, *, split: str, problems: Problems) -> Faces:
    """Index the official layout, under ``root`` or ``root/basic``.

    Where ``Annotation/manual`` is there, the columns ``race``, ``gender`` and ``age`` are filled
    from it; its points are read by :func:`fer_xai.data.raf_files.points`.

    Raises
    ------
    InputError
        If the list is missing or not text, a row cannot be read, an image is listed twice, a code
        lies outside 1–7 (which means another order), or the split is not train or test.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     (Path(root) / LIST).parent.mkdir()
    ...     _ = (Path(root) / LIST).write_text("test_0001.jpg 4")  # 4 means happiness
    ...     faces = rafdb(Path(root), split="test", problems=Problems(skip=False))
    >>> faces, faces.ids
    (Faces(rafdb: 1 face (happiness 1)), ['test_0001_aligned.jpg'])
    """
    if split not in ("train", "test"):
        raise InputError(
            f"Expected split train or test for rafdb (it has no other), got {split!r}: cut a "
            "validation set from train with fer_xai.data.splits.stratified_split."
        )
    base = next((b for b in (root, root / "basic") if (b / LIST).is_file()), None)
    if base is None:
        raise InputError(
            f"Expected {LIST} under {root}, found none ({contents(root)}): pass RAF-DB's `basic` "
            "folder."
        )
    codes, file = CodeRange(order=NATIVE_ORDERS["rafdb"], first=1), base / LIST
    found = []
    for row in listed_rows(file, codes.words, problems):
        emotion = codes.emotion(row.code, row=row.number)
        if emotion is not None:
            found.append(LabelRow(name=row.name, emotion=emotion, file=file, row=row.number))
    codes.check(file)
    rows, stems, files = [], [], Listing()
    folder = str(base / "Image" / "aligned")
    for one in checked_rows(found, problems):
        if one.name.startswith(f"{split}_"):
            stem = one.name.rpartition(".")[0] or one.name
            name = f"{stem}_aligned.jpg"
            path = files.path(folder, name)
            rows.append((name, path, one.emotion, split, "", "rafdb", ""))
            stems.append(stem)
    faces = faces_from_files(rows, name="rafdb")
    return with_attributes(faces, attributes(base, stems, problems))
