"""The providers ``pts`` and ``ckplus``: a text file of points a face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_xai.checks import quoted
from fer_xai.detect.files import FileProvider, matched, rescaled
from fer_xai.detect.point_checks import wrong_number
from fer_xai.detect.provider import PROVIDERS, Found
from fer_xai.errors import InputError
from fer_xai.types import Faces


class TextPoints(FileProvider):
    """A folder with one text file a face.

    Attributes
    ----------
    ending
        Ending of the files' names, behind the name of the image.
    first
        Coordinates of the first pixel.

    Examples
    --------
    >>> PROVIDERS["pts"].ending, PROVIDERS["ckplus"].ending
    ('.pts', '_landmarks.txt')
    """

    ending: str
    first: float

    def read(self, path: Path, faces: Faces) -> Found:
        """Points of the files that are named like the faces.

        Raises
        ------
        InputError
            If there are no such files, none is of these faces, or one has other points than 68.
        """
        files = [path] if path.is_file() else sorted(path.rglob(f"*{self.ending}"))
        if not files:
            raise InputError(f"Expected files *{self.ending} in {path}, found none.")
        by_name: dict[str, Path] = {}
        for file in files:
            name = file.name.removesuffix(self.ending)
            if name in by_name:
                raise InputError(
                    f"Expected one file a face, but {by_name[name]} and {file} have one name: name "
                    "a folder that holds one of them."
                )
            by_name[name] = file
        wanted = {Path(name).stem for name in (*faces.ids, *map(str, faces.table["path"]))}
        known = {
            name: read_points(file, first=self.first)
            for name, file in by_name.items()
            if name in wanted or name in faces.ids
        }
        if not known:
            raise InputError(
                f"Expected landmarks of {faces.name} in {path}, but none of its {len(files)} files "
                f"is named like a face, such as {Path(faces.ids[0]).stem}{self.ending}."
            )
        points = rescaled(matched(known, faces, where=str(path)), faces, self.size)
        return points, np.full(len(faces), np.nan, dtype=np.float32)


class Pts(TextPoints):
    """A folder of ``.pts`` files, as iBUG writes them: coordinates count from 1.

    Sagonas et al., "300 Faces in-the-Wild Challenge", ICCV Workshops 2013. The first pixel is
    (1, 1), as in their Matlab code and in menpo's reader; here it becomes (0, 0).

    Examples
    --------
    >>> PROVIDERS["pts"].first
    1.0
    """

    name, ending, first = "pts", ".pts", 1.0


class CkPlus(TextPoints):
    """CK+'s own landmarks, ``Landmarks/S005/001/S005_001_00000001_landmarks.txt``.

    They are of the whole 640×490 frames, so they serve those alone and no crops.

    Examples
    --------
    >>> PROVIDERS["ckplus"].with_option("CK+/Landmarks").label
    'ckplus:Landmarks'
    """

    name, ending, first = "ckplus", "_landmarks.txt", 0.0


def read_points(path: Path, *, first: float) -> NDArray[np.float32]:
    r"""Points ``(68, 2)`` of a text file: x and y a line, between braces where there are any.

    Parameters
    ----------
    path
        The file.
    first
        Coordinates of the first pixel in it.

    Raises
    ------
    InputError
        If a line holds no two numbers, or there are not 68.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "a.pts"
    ...     rows = "1 1\n" * 68
    ...     _ = file.write_text("version: 1\nn_points: 68\n{\n" + rows + "}\n")
    ...     read_points(file, first=1.0)[0]
    array([0., 0.], dtype=float32)
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Expected a text file of points, but {path} is none ({error}).") from None
    start, end = text.find("{"), text.find("}")
    if start >= 0:
        text = text[start + 1 : end if end > start else None]
    rows = []
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            x, y = map(float, line.split())
        except ValueError:
            raise InputError(f"Expected lines of x and y in {path}, got {quoted(line)}.") from None
        rows.append((x, y))
    if len(rows) != 68:
        raise InputError(wrong_number(len(rows), where=str(path)))
    points = np.array(rows, dtype=np.float32) - np.float32(first)
    return np.where(np.isfinite(points), points, np.float32(np.nan))


PROVIDERS.register("pts")(Pts())
PROVIDERS.register("ckplus")(CkPlus())
