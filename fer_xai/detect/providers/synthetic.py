"""The provider ``synthetic``: exact points of built-in faces."""

from __future__ import annotations

import numpy as np

from fer_xai.detect.provider import PROVIDERS, Found, TableProvider
from fer_xai.errors import InputError
from fer_xai.types import Faces


class Synthetic(TableProvider):
    """The points that built-in faces were drawn by: exact.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> points, confidence = PROVIDERS["synthetic"].look_up(synthetic_faces(2))
    >>> points.shape, confidence
    ((2, 68, 2), array([1., 1.], dtype=float32))
    """

    name = "synthetic"
    version = "1"

    def look_up(self, faces: Faces) -> Found:
        """The faces' own points.

        Raises
        ------
        InputError
            If a face is not built in.
        """
        if faces.landmarks is None or not are_built_in(faces):
            raise InputError(
                f"Expected built-in faces for the provider synthetic, got {faces.name}: use "
                "builtin, or csv with a file of points."
            )
        return faces.landmarks, np.ones(len(faces), dtype=np.float32)


def are_built_in(faces: Faces) -> bool:
    """Whether all faces were drawn by this package, so that their points are exact.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> are_built_in(synthetic_faces(2))
    True
    """
    paths = faces.table["path"].astype(str)
    return bool(len(faces)) and bool(paths.str.startswith("synthetic:").all())


PROVIDERS.register("synthetic")(Synthetic())
