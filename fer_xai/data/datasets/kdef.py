"""KDEF (Lundqvist, Flykt & Öhman 1998): 70 persons, seven expressions, five views, two sessions.

``AF01ANFL.JPG``: session A or B, gender, number of the person, expression (AF AN DI HA NE SA SU,
where AF means afraid), view (S straight, HL and HR half, FL and FR full profile). 4,900 images of
562×762. There is no split. A few files are handed out under names with a slip, which are left out
and counted. For research, see https://www.kdef.se.
"""

from __future__ import annotations

import re
from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.data.attributes import with_attributes
from fer_xai.data.cards import WHOLE, Card, described
from fer_xai.data.images import faces_from_files
from fer_xai.data.named_files import named_images
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.unsplit import without_splits
from fer_xai.emotions import SEVEN, parse_emotion
from fer_xai.errors import InputError
from fer_xai.types import Faces

_NAME = re.compile(
    r"([AB])([FM])(0[1-9]|[12]\d|3[0-5])(AF|AN|DI|HA|NE|SA|SU)(S|HL|HR|FL|FR)\.\w+", re.IGNORECASE
)
_GENDERS = {"F": "female", "M": "male"}
VIEWS = ("S", "HL", "HR", "FL", "FR")
"""Codes of the views: straight, half and full profile to the left and right."""

CARD = Card(
    title="KDEF",
    layout="`AF01ANFL.JPG` in any folder below",
    licence="research",
    source="Lundqvist, Flykt & Öhman 1998",
    counts={WHOLE: dict.fromkeys(SEVEN, 700)},
    persons="70, by file names",
    attributes="gender, view",
)


@DATASETS.register("kdef")
@described(CARD)
def kdef(
    root: Path, *, split: str, problems: Problems, views: str = "all", test_share: str = ""
) -> Faces:
    """Index the images, by their names; five views of one expression and session are one group.

    Parameters
    ----------
    root
        The folder, which may hold one for each person.
    split
        train, valid or test.
    problems
        Collects what cannot be used.
    views
        Views to keep, joined by ``+`` (``S`` or ``S+HL+HR``), or ``all``.
    test_share
        Share of the persons to be tested on; see :func:`fer_xai.data.unsplit.without_splits`.

    Raises
    ------
    InputError
        If there are no images of these names, one comes twice, or a view is unknown.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("AF01AFS.JPG", "AF01AFFL.JPG"):
    ...         (Path(root) / name).touch()
    ...     faces = kdef(Path(root), split="test", problems=Problems(skip=False), views="S")
    >>> faces, faces.persons
    (Faces(kdef: 1 face (fear 1)), ['F01'])
    """
    kept = VIEWS if views == "all" else tuple(views.upper().split("+"))
    unknown = [view for view in kept if view not in VIEWS]
    if unknown:
        raise InputError(
            f"Expected views of kdef among {', '.join(VIEWS)}, joined by +, got {quoted(views)}."
        )
    images = named_images(root, _NAME.fullmatch, example="AF01ANFL.JPG", problems=problems)
    rows, genders, shown = [], [], []
    for below, path, name in images:
        session, gender, number, code, view = (part.upper() for part in name.groups())
        if view not in kept:
            problems.left_out[f"view {view}"] += 1
            continue
        emotion = "fear" if code == "AF" else parse_emotion(code)
        person = gender + number
        rows.append((below, path, emotion, split, person, "kdef", f"{session}{person}{code}"))
        genders.append(_GENDERS[gender])
        shown.append(view)
    faces = with_attributes(faces_from_files(rows, name="kdef"), {"gender": genders, "view": shown})
    return without_splits(faces, split=split, test_share=test_share, problems=problems)
