"""RAF-DB (Li et al., CVPR 2017), basic emotions, official layout.

``EmoLabel/list_patition_label.txt`` (the typo is theirs) with rows ``train_00001.jpg 5``, codes
1–7 for Su Fe Di Ha Sa An Ne; images ``Image/aligned/<stem>_aligned.jpg``, 100×100. Train 12,271,
test 3,068; there is no validation split. For non-commercial research, by request to its authors.
"""

from __future__ import annotations

from pathlib import Path

from fer_xai.data.images import faces_from_files
from fer_xai.data.registry import DATASETS, Problems
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
        If the list is missing, a row cannot be read, or the split is not train or test.
    """
    if split not in ("train", "test"):
        raise InputError(
            f"Expected split train or test for rafdb (it has no other), got {split!r}: cut a "
            "validation set from train with fer_xai.data.splits.stratified_split."
        )
    base = next((b for b in (root, root / "basic") if (b / LIST).is_file()), None)
    if base is None:
        raise InputError(f"Expected {LIST} under {root}, found none: pass RAF-DB's `basic` folder.")
    order = NATIVE_ORDERS["rafdb"]
    rows = []
    for number, line in enumerate((base / LIST).read_text().splitlines(), start=1):
        if not line.strip():
            continue
        name, _, code = line.strip().partition(" ")
        if not code.strip().isdigit() or not 1 <= int(code) <= len(order):
            problems.add(
                f"Expected `name code` with a code 1–{len(order)} in {base / LIST}, row {number}, "
                f"got {line.strip()!r}."
            )
            continue
        if name.startswith(f"{split}_"):
            stem = name.removesuffix(".jpg")
            path = base / "Image" / "aligned" / f"{stem}_aligned.jpg"
            rows.append((path.name, str(path), order[int(code) - 1], split, "", "rafdb", ""))
    return faces_from_files(rows, name="rafdb")
