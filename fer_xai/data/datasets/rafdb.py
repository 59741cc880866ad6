"""RAF-DB (Li et al., CVPR 2017), basic emotions, official layout.

``EmoLabel/list_patition_label.txt`` (the typo is theirs) with rows ``train_00001.jpg 5``, codes
1–7 for Su Fe Di Ha Sa An Ne; images ``Image/aligned/<stem>_aligned.jpg``, 100×100. Train 12,271,
test 3,068; there is no validation split. For non-commercial research, by request to its authors.
"""

from __future__ import annotations

from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.data.images import faces_from_files
from fer_xai.data.label_list import CodeRange, LabelRow, checked_rows
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.text import text_lines, whole_number
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError
from fer_xai.types import Faces

LIST = Path("EmoLabel") / "list_patition_label.txt"


@DATASETS.register("rafdb")
def rafdb(root: Path, *, split: str, problems: Problems) -> Faces:
    """Index the official layout, under ``root`` or ``root/basic``.

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
        raise InputError(f"Expected {LIST} under {root}, found none: pass RAF-DB's `basic` folder.")
    codes = CodeRange(order=NATIVE_ORDERS["rafdb"], first=1)
    found = []
    for number, line in text_lines(base / LIST, what="a list of names and codes"):
        name, _, text = line.partition(" ") if " " in line else line.partition("\t")
        code = whole_number(text.strip())
        if code is None or not name.startswith(("train_", "test_")):
            problems.add(
                f"Expected `name code` with a name train_… or test_… and a code {codes.words} in "
                f"{base / LIST}, row {number}, got {quoted(line)}."
            )
            continue
        emotion = codes.emotion(code, row=number)
        if emotion is not None:
            found.append(LabelRow(name=name, emotion=emotion, file=base / LIST, row=number))
    codes.check(base / LIST)
    rows = []
    for one in checked_rows(found, problems):
        if one.name.startswith(f"{split}_"):
            stem = one.name.removesuffix(".jpg")
            path = base / "Image" / "aligned" / f"{stem}_aligned.jpg"
            rows.append((path.name, str(path), one.emotion, split, "", "rafdb", ""))
    return faces_from_files(rows, name="rafdb")
