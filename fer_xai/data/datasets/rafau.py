"""RAF-AU (Yan et al., FG 2020): 4,601 faces with 26 action units, coded by experts.

``RAFAU_label.txt`` with rows ``0001.jpg 1+2+25``, images ``aligned/0001_aligned.jpg``. It tells no
emotions; where its user has a list of them (``0001.jpg happiness``), its faces can be read with the
action units beside. Without one, :func:`fer_xai.data.action_unit_list.read_action_units` reads the
units alone. The order of files is that of copies, not of a document. For non-commercial research,
by request.
"""

from __future__ import annotations

from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.data.action_unit_list import read_action_units
from fer_xai.data.attributes import with_attributes
from fer_xai.data.cards import LISTED, WHOLE, Card, described
from fer_xai.data.emotion_map import EmotionMap
from fer_xai.data.images import faces_from_files
from fer_xai.data.label_list import LabelRow, checked_rows
from fer_xai.data.listing import Listing, contents
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.text import text_lines
from fer_xai.data.unsplit import without_splits
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.types import Faces

LIST = "RAFAU_label.txt"
UNLABELLED = "no emotion in the list"

CARD = Card(
    title="RAF-AU",
    layout="`RAFAU_label.txt`, `aligned/`, and a list of emotions of one's own",
    licence="non-commercial research, by request",
    source="Yan, Li, Que, Pei & Deng, FG 2020",
    counts={WHOLE: {LISTED: 4601}},
    attributes="action_units",
)


@DATASETS.register("rafau")
@described(CARD)
def rafau(
    root: Path,
    *,
    split: str,
    problems: Problems,
    emotions: str = "",
    emotion_map: EmotionMap | None = None,
    test_share: str = "",
) -> Faces:
    r"""Index the list of action units, with emotions from a list of the user's.

    Parameters
    ----------
    root
        Folder of the list, and of ``aligned``.
    split
        train, valid or test.
    problems
        Collects what cannot be used; ``left_out`` counts faces without an emotion.
    emotions
        File of rows ``0001.jpg happiness``, below the root or with its whole path.
    emotion_map
        Emotions of the words or codes of that file.
    test_share
        Share of the faces to be tested on; see :func:`fer_xai.data.unsplit.without_splits`.

    Raises
    ------
    InputError
        Without a list of emotions, unless such faces are skipped; if a list is missing, a row
        cannot be read, or a face comes twice.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = (Path(root) / LIST).write_text("0001.jpg 6+12\n")
    ...     _ = (Path(root) / "mine.txt").write_text("0001.jpg happy\n")
    ...     problems = Problems(skip=False)
    ...     faces = rafau(Path(root), split="test", problems=problems, emotions="mine.txt")
    >>> faces, faces.table["action_units"].tolist()
    (Faces(rafau: 1 face (happiness 1)), ['6+12'])
    """
    if not (root / LIST).is_file():
        raise InputError(
            f"Expected {LIST} under {root}, found none ({contents(root)}): check the root."
        )
    units = read_action_units(root / LIST)
    known = _emotions(root, emotions, emotion_map or EmotionMap(), problems)
    folder = root / "aligned" if (root / "aligned").is_dir() else root
    rows, files = [], Listing()
    for name in units:
        emotion = known.get(name)
        if emotion is None:
            problems.left_out[UNLABELLED] += 1
            continue
        path = files.path(folder, f"{name.rpartition('.')[0] or name}_aligned.jpg")
        rows.append((name, path, emotion, split, "", "rafau", ""))
    faces = faces_from_files(rows, name="rafau")
    faces = with_attributes(faces, {"action_units": [units[row[0]] for row in rows]})
    return without_splits(faces, split=split, test_share=test_share, problems=problems)


def _emotions(root: Path, emotions: str, words: EmotionMap, problems: Problems) -> dict[str, str]:
    """Emotion of each face that the user's list names."""
    if not emotions:
        if not problems.skip:
            raise InputError(
                "Expected a list of emotions for rafau, which tells action units alone: write "
                "rafau:ROOT#emotions=FILE with rows `0001.jpg happiness`."
            )
        return {}
    path = root / emotions  # which is the file itself where its path is whole
    if not path.is_file():
        raise InputError(f"Expected the list of emotions {emotions} under {root}, found none.")
    rows = []
    for number, line in text_lines(path, what="a list of names and emotions"):
        name, _, word = line.replace(",", " ").replace("\t", " ").partition(" ")
        try:
            emotion = words.emotion(word)
        except UnknownNameError:
            problems.add(f"Expected `name emotion` in {path}, row {number}, got {quoted(line)}.")
            continue
        if emotion is not None:
            rows.append(LabelRow(name=name, emotion=emotion, file=path, row=number))
    return {one.name: one.emotion for one in checked_rows(rows, problems)}
