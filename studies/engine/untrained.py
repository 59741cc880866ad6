"""Untrained networks beside trained ones: how many, and the faces that calibrate them."""

from __future__ import annotations

from dataclasses import dataclass

from fer_xai.errors import InputError
from fer_xai.types import Faces
from studies.engine.options import Data, Options

CALIBRATION = 512
"""Number of faces that the BatchNorm statistics of untrained networks come from."""


@dataclass(frozen=True, kw_only=True)
class Untrained(Options):
    """The untrained networks of a study, which are the floor of what it claims of trained ones.

    Examples
    --------
    >>> Untrained(untrained=1).check()
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected at least 2 untrained networks, got 1: what ...
    """

    untrained: int = 5
    """Number of untrained networks of each architecture."""

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        if self.untrained < 2:
            raise InputError(
                f"Expected at least 2 untrained networks, got {self.untrained}: what is claimed is "
                "an excess over them (5 or more are advised)."
            )


def calibration_faces(
    study: Data, faces: Faces, *, seed: int, most: int = CALIBRATION
) -> tuple[Faces, str]:
    """Faces for the BatchNorm statistics of untrained networks, and what they are, in words.

    Training faces of the same data; where there are none (or no split folders, so that they would
    be the same images), faces of the study itself.

    Parameters
    ----------
    study
        Options that name the data.
    faces
        Faces of the study.
    seed
        Seed of the sample.
    most
        Largest number of faces.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> calibration_faces(Data(), synthetic_faces(12), seed=0, most=8)[1]
    '8 training faces'
    """
    try:
        found = study.data_spec.load(split="train", limit=most, seed=seed, skip_bad=study.skip_bad)
    except InputError:
        found = faces
    if study.split != "train" and not set(found.table["path"]) & set(faces.table["path"]):
        return found, f"{len(found)} training faces"
    return faces.limit(most, seed=seed), "faces of the study itself"
