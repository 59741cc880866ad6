"""A contact sheet of faces with their landmarks, to be looked at before anything is computed."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fer_xai.checks import check_count
from fer_xai.detect.comparison import POINT_GROUPS
from fer_xai.detect.provider import Landmarks
from fer_xai.types import Faces

_COLOURS = {
    "jaw": "#ffd166",
    "brows": "#4cc9f0",
    "nose": "#b8f2a0",
    "eyes": "#f72585",
    "mouth": "#ff9f1c",
}
_CELL, _CAPTION, _GAP = 128, 16, 4


def contact_sheet(
    faces: Faces, landmarks: Landmarks, *, most: int = 48, columns: int = 8
) -> Image.Image:
    """Faces with their points; those without are crossed out.

    Faces without points come first, at most a quarter of the sheet, and then faces of every emotion
    in turn.

    Parameters
    ----------
    faces
        The faces.
    landmarks
        Their landmarks, in pixels of each face's own image.
    most
        Number of faces on the sheet at most.
    columns
        Faces side by side.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> from fer_xai.detect import locate
    >>> faces = synthetic_faces(3)
    >>> contact_sheet(faces, locate(faces, provider="synthetic")).size
    (396, 152)
    """
    check_count("most", most)
    check_count("columns", columns)
    chosen = _chosen(faces, landmarks, most)
    across = min(columns, max(len(chosen), 1))
    down = -(-len(chosen) // across)
    width, height = across * (_CELL + _GAP), down * (_CELL + _CAPTION + _GAP) + _GAP
    sheet = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for at, row in enumerate(chosen):
        left = at % across * (_CELL + _GAP)
        top = at // across * (_CELL + _CAPTION + _GAP)
        pixels = faces.read(row)
        sheet.paste(Image.fromarray(pixels).resize((_CELL, _CELL)), (left, top))
        caption = f"{faces.table['emotion'].iloc[row]} {landmarks.confidence[row]:.2f}"
        draw.text((left, top + _CELL + 1), caption.replace(" nan", ""), fill="black", font=font)
        if not landmarks.found[row]:
            box = (left, top, left + _CELL - 1, top + _CELL - 1)
            draw.line(box, fill="red", width=2)
            draw.rectangle(box, outline="red", width=2)
            continue
        scale = _CELL / np.array(pixels.shape[1::-1])
        points = (landmarks.points[row] + 0.5) * scale + (left, top)
        for name, (first, last) in POINT_GROUPS.items():
            for x, y in points[first:last]:
                if left <= x < left + _CELL and top <= y < top + _CELL:  # the jaw may lie outside
                    draw.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), fill=_COLOURS[name])
    return sheet


def _chosen(faces: Faces, landmarks: Landmarks, most: int) -> list[int]:
    """Rows of the faces on the sheet."""
    lost = np.flatnonzero(~landmarks.found)[: max(1, most // 4)]
    known = np.flatnonzero(landmarks.found)
    emotions = faces.table["emotion"].to_numpy()[known]
    turn = np.zeros(len(known), dtype=np.int64)
    for name in set(emotions):
        members = np.flatnonzero(emotions == name)
        turn[members] = np.arange(len(members))
    order = known[np.argsort(turn, kind="stable")]
    return [int(row) for row in (*lost, *order[: most - len(lost)])]
