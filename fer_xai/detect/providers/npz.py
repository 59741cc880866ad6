"""The provider ``npz``: arrays of names and points."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_xai.detect.files import FileProvider, matched, rescaled
from fer_xai.detect.point_checks import as_points
from fer_xai.detect.provider import PROVIDERS, Found
from fer_xai.errors import InputError
from fer_xai.files import read_arrays
from fer_xai.types import Faces


class Npz(FileProvider):
    """An ``.npz`` of ``ids`` ``(N,)`` and ``points`` ``(N, 68, 2)``.

    Examples
    --------
    >>> PROVIDERS["npz"].with_option("points.npz").label
    'npz:points.npz'
    """

    name = "npz"

    def read(self, path: Path, faces: Faces) -> Found:
        """Points by id or file name.

        Raises
        ------
        InputError
            If the file cannot be read, lacks an array, or has other points than 68.
        """
        arrays = read_arrays(path, remedy="write it again with numpy.savez")
        missing = [name for name in ("ids", "points") if name not in arrays]
        if missing:
            raise InputError(
                f"Expected the arrays ids and points in {path}, but it has no "
                f"{' and no '.join(missing)}: write it with numpy.savez(path, ids=…, points=…)."
            )
        points = as_points(arrays["points"], where=str(path))
        ids = [str(name) for name in np.atleast_1d(arrays["ids"])]
        if len(ids) != len(points):
            raise InputError(
                f"Expected one id for each of {len(points)} faces in {path}, got {len(ids)}."
            )
        if len(set(ids)) < len(ids):
            raise InputError(f"Expected each id once in {path}, but some stand there twice.")
        found = matched(dict(zip(ids, points, strict=True)), faces, where=str(path))
        return rescaled(found, faces, self.size), np.full(len(faces), np.nan, dtype=np.float32)


PROVIDERS.register("npz")(Npz())
