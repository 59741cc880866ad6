"""The provider ``csv``: a table of points, as ``--landmarks`` reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_xai.data.landmark_csv import read_landmarks
from fer_xai.detect.files import FileProvider
from fer_xai.detect.provider import PROVIDERS, Found
from fer_xai.types import Faces


class Csv(FileProvider):
    """A CSV of ``image,x0,y0,…,x67,y67``, plain or compressed.

    Examples
    --------
    >>> PROVIDERS["csv"].with_option("points.csv").read(Path("points.csv"), None)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected a landmark CSV, found none at points.csv.
    """

    name = "csv"

    def read(self, path: Path, faces: Faces) -> Found:
        """Points by file name; a face with a blank cell is unknown."""
        points = read_landmarks(path, faces, points_size=self.size)
        return points, np.full(len(faces), np.nan, dtype=np.float32)


PROVIDERS.register("csv")(Csv())
