"""CK+ (Lucey et al., CVPR workshops 2010), official layout: the peak frames of sequences.

``cohn-kanade-images/S005/001/S005_001_00000011.png`` and
``Emotion/S005/001/S005_001_00000011_emotion.txt``, which holds a code as ``   3.0000000e+00``: 0
neutral, 1 anger, 2 contempt, 3 disgust, 4 fear, 5 happy, 6 sadness, 7 surprise. 593 sequences of
123 persons, 327 with a label; a sequence without a file has none. The file names the peak, which is
the last frame. There is no split, and frames of one person look alike, so only splits by person are
fair. For research, by agreement.
"""

from __future__ import annotations

import math
from pathlib import Path

from fer_xai.checks import check_choice, quoted
from fer_xai.data.attributes import with_attributes
from fer_xai.data.cards import WHOLE, Card, described
from fer_xai.data.images import faces_from_files
from fer_xai.data.listing import Listing, contents, is_hidden, is_image_name
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.text import text_lines
from fer_xai.data.unsplit import without_splits
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError
from fer_xai.types import Faces

_IMAGES = ("cohn-kanade-images", "extended-cohn-kanade-images/cohn-kanade-images", "images")
_LABELS = ("Emotion", "Emotion_labels/Emotion", "Emotion_labels")
UNLABELLED = "no label"

CARD = Card(
    title="CK+, peak frames",
    layout="`cohn-kanade-images/S005/001/*.png`, `Emotion/S005/001/*_emotion.txt`",
    licence="research, by agreement",
    source="Lucey et al., CVPR workshops 2010",
    counts={
        WHOLE: {
            **{"anger": 45, "contempt": 18, "disgust": 59, "fear": 25},
            **{"happiness": 69, "sadness": 28, "surprise": 83, UNLABELLED: 266},
        }
    },
    persons="118 with a label (of 123), by folders",
    attributes="frame",
)


@DATASETS.register("ckplus")
@described(CARD)
def ckplus(
    root: Path,
    *,
    split: str,
    problems: Problems,
    frames: str = "1",
    neutral: str = "none",
    test_share: str = "",
) -> Faces:
    r"""Index the last frames of the labelled sequences; a sequence is a group of its person.

    Parameters
    ----------
    root
        Folder that holds ``cohn-kanade-images`` and ``Emotion``.
    split
        train, valid or test.
    problems
        Collects what cannot be used; ``left_out`` counts sequences without a label.
    frames
        Number of last frames of each sequence; 3 are common (CK+48).
    neutral
        ``first`` adds the first frame of each labelled sequence as a neutral face, as many papers
        do; ``none`` does not.
    test_share
        Share of the persons to be tested on; see :func:`fer_xai.data.unsplit.without_splits`.

    Raises
    ------
    InputError
        If a folder is missing, a label file cannot be read or lies in another sequence's folder, a
        code is none of 0–7, or an option is out of range.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("cohn-kanade-images/S005/001", "Emotion/S005/001"):
    ...         (Path(root) / name).mkdir(parents=True)
    ...     label = Path(root) / "Emotion/S005/001/S005_001_00000011_emotion.txt"
    ...     _ = label.write_text("   3.0000000e+00\n")
    ...     faces = ckplus(Path(root), split="test", problems=Problems(skip=False))
    >>> faces, faces.ids
    (Faces(ckplus: 1 face (disgust 1)), ['S005_001_00000011.png'])
    """
    check_choice("neutral", neutral, ("none", "first"))
    count = int(frames) if frames.isdigit() else 0
    if not 1 <= count <= 4:  # the shortest sequence has four frames
        raise InputError(f"Expected frames 1 to 4 for ckplus, got {quoted(frames)}.")
    images, labels = (_folder(root, names) for names in (_IMAGES, _LABELS))
    files, rows, numbers = Listing(), [], []
    for person in _below(images):
        for sequence in _below(images / person):
            label = _label(labels / person / sequence, f"{person}_{sequence}", problems)
            if label is None:
                problems.left_out[UNLABELLED] += 1
                continue
            peak, emotion = label
            folder = images / person / sequence
            shown = sorted(name for name in files.names(folder) if is_image_name(name))
            last = files.found(folder, f"{peak}.png") or f"{peak}.png"
            before = [name for name in shown if name < last]
            chosen = [(name, emotion) for name in [*before[len(before) - count + 1 :], last]]
            if count == 1:
                chosen = [(last, emotion)]
            if neutral == "first" and before:
                chosen.insert(0, (before[0], "neutral"))
            for name, meant in chosen:
                path, group = str(folder / name), f"{person}_{sequence}"
                rows.append((name, path, meant, split, person, "ckplus", group))
                numbers.append(name.rpartition(".")[0].rpartition("_")[2])
    faces = with_attributes(faces_from_files(rows, name="ckplus"), {"frame": numbers})
    return without_splits(faces, split=split, test_share=test_share, problems=problems)


def _folder(root: Path, names: tuple[str, ...]) -> Path:
    found = next((root / name for name in names if (root / name).is_dir()), None)
    if found is None:
        raise InputError(
            f"Expected the folder {names[0]} of CK+ under {root}, found none ({contents(root)}): "
            "check the root."
        )
    return found


def _below(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted."""
    return sorted(
        path.name for path in folder.iterdir() if not is_hidden(path.name) and path.is_dir()
    )


def _label(folder: Path, sequence: str, problems: Problems) -> tuple[str, str] | None:
    """Peak frame and emotion that the label file of a sequence tells; None where there is none."""
    if not folder.is_dir():
        return None
    paths = [path for path in sorted(folder.iterdir()) if path.name.endswith("_emotion.txt")]
    paths = [path for path in paths if not is_hidden(path.name)]
    if not paths:
        return None
    path = paths[0]
    peak = path.name.removesuffix("_emotion.txt")
    if len(paths) > 1 or not peak.startswith(f"{sequence}_"):
        raise InputError(
            f"Expected one label file {sequence}_…_emotion.txt in {folder}, got "
            f"{', '.join(path.name for path in paths)}."
        )
    text = " ".join(line for _, line in text_lines(path, what="a code of CK+"))
    order = NATIVE_ORDERS["ckplus"]
    try:
        code = float(text)
    except ValueError:
        code = math.nan
    if code not in range(len(order)):
        problems.add(f"Expected one code 0–7 of CK+ in {path}, got {quoted(text)}.")
        return None
    return peak, order[int(code)]
