"""Test faces that are copies of faces which weights were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_xai.data.duplicates import copies_of
from fer_xai.errors import InputError
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.domains import (
    IN,
    OUT,
    PART,
    SEEN,
    UNKNOWN,
    domain_of,
    of_ones_own,
    without_own_splits,
)
from studies.engine.specs import SYNTHETIC, DataSpec
from studies.questions.cross_dataset.networks import Network
from studies.questions.cross_dataset.tested import DataColumn
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

    def relation(self, network: Network, tested: DataColumn) -> str:
        """How test faces stand to the weights, by names and by the training faces at hand.

        Names tell where a data set has splits of its own. For other sets, and folders and lists of
        one's own, the training faces have to be at hand, with the digest on the weights' card.
        """
        names, training = network.training.relation(tested.domain), network.training
        if names == OUT or tested.domain.startswith(SYNTHETIC) or training.domains is None:
            return names
        learned = self.of(network)
        if learned is not None and files_of(learned) & files_of(tested.faces):
            return SEEN
        if not (of_ones_own(tested.domain) or without_own_splits(tested.spec)):
            return names
        if tested.domain not in training.domains or learned is None:
            return UNKNOWN
        return IN if training.domains == {tested.domain} else PART

    def copies(
        self, network: Network, tested: DataColumn, shards: Path
    ) -> NDArray[np.bool_] | None:
        """``(N,)``: test faces that show the photograph of a training face, or nearly so.

        They are kept in ``shards``, by the digests of both. None where the training faces are not
        at hand, and for built-in test faces.
        """
        learned = None if tested.domain.startswith(SYNTHETIC) else self.of(network)
        if learned is None:
            return None
        digests = [learned.fingerprint(SIZE), tested.faces.fingerprint(SIZE)]
        found = store.once(
            shards / f"copies-{store.digest(digests)}.npz",
            lambda: {"copies": copies_of(tested.faces, learned)},
        )
        return found["copies"]

    def _split(self, spec: DataSpec) -> tuple[str, Faces] | None:
        if spec not in self._splits:
            try:
                faces = spec.load(split="train")
            except InputError:  # no training split at hand, which the study does without
                self._splits[spec] = None
            else:
                self._splits[spec] = faces.fingerprint(SIZE), faces
        return self._splits[spec]


def files_of(faces: Faces) -> set[str]:
    """Files of the faces, or names of those that are drawn.

    Examples
    --------
    >>> from fer_xai.data import load_dataset
    >>> sorted(files_of(load_dataset("synthetic", limit=2)))
    ['synthetic:wild/test/00229', 'synthetic:wild/test/00576']
    """
    return set(faces.table["path"]) - {""}
