"""Test faces that are copies of faces which weights were trained on."""

from __future__ import annotations

from collections.abc import Sequence

from fer_xai.errors import InputError
from fer_xai.types import Faces
from studies.engine.specs import SYNTHETIC, DataSpec
from studies.questions.cross_dataset.domains import domain_of
from studies.questions.cross_dataset.networks import Network
from training.faces import SIZE


class TrainingFaces:
    """Training faces of networks, found among the training splits of the data sets at hand.

    A split is that of a network where its digest is the one on the card of the weights. Built-in
    faces are not looked at: each split has persons of its own.

    Parameters
    ----------
    data
        Data sets at hand.

    Examples
    --------
    >>> from pathlib import Path
    >>> from studies.questions.cross_dataset.networks import given
    >>> TrainingFaces([]).of(given(["gimefive=rafdb"], records=Path("no/such"))[0])
    """

    def __init__(self, data: Sequence[DataSpec]) -> None:
        self.data = [spec for spec in data if spec.dataset != SYNTHETIC]
        self._splits: dict[DataSpec, tuple[str, Faces] | None] = {}

    def of(self, network: Network) -> Faces | None:
        """The faces that a network was trained on; None where they are not at hand."""
        if network.learned is not None:
            return network.learned()
        training = network.training
        if not training.split_sha256:
            return None
        for spec in self.data:
            if domain_of(spec) in (training.domains or ()):
                found = self._split(spec)
                if found is not None and found[0] == training.split_sha256:
                    return found[1]
        return None

    def _split(self, spec: DataSpec) -> tuple[str, Faces] | None:
        if spec not in self._splits:
            try:
                faces = spec.load(split="train")
            except InputError:  # no training split at hand, which the study does without
                self._splits[spec] = None
            else:
                self._splits[spec] = faces.fingerprint(SIZE), faces
        return self._splits[spec]
