"""Scores of one network on the test faces of one data set, over the common emotions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.emotions import EMOTIONS
from fer_xai.recognition import exact_scores
from metrics.statistics.intervals import Interval
from studies.engine.recognised_share import Recognition, recognition
from studies.engine.weighted_recalls import weighted_recall
from studies.questions.cross_dataset.networks import Network
from studies.questions.cross_dataset.tested import DataColumn


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One network on one data set.

    Attributes
    ----------
    network, tested
        Row and column of the matrix.
    logits
        ``(N, C)``: outputs of the network.
    outputs
        Emotions of the C outputs.
    common
        Emotions that are compared.
    copies
        ``(N,)``: which faces are copies of training faces; None where these are not at hand.
    stands
        How the faces stand to the weights; None where names alone tell.

    Examples
    --------
    >>> from pathlib import Path
    >>> from fer_xai.emotions import SIX
    >>> from studies.engine.specs import DataSpec
    >>> from studies.questions.cross_dataset.networks import given
    >>> from studies.questions.cross_dataset.tested import read
    >>> (column,), common = read([DataSpec("synthetic")], {"net": SIX}, limit=6)
    >>> network = given(["gimefive=rafdb"], records=Path("no/such"))[0]
    >>> right = torch.eye(6)[column.faces.labels]  # the outputs of a perfect network
    >>> cell = Cell(network=network, tested=column, logits=right, outputs=SIX, common=common)
    >>> cell.relation, int(cell.hits.sum()), cell.scores["accuracy"]
    ('out-of-domain', 6, 1.0)
    """

    network: Network
    tested: DataColumn
    logits: Tensor
    outputs: Sequence[str]
    common: Sequence[str]
    copies: NDArray[np.bool_] | None = None
    stands: str | None = None

    @property
    def relation(self) -> str:
        """Whether the faces are of the data set trained on."""
        return self.stands or self.network.training.relation(self.tested.domain)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """``(N,)``: canonical emotion of each face."""
        return self.tested.faces.labels.numpy()

    @cached_property
    def _own(self) -> Tensor:
        """``(N, E)``: outputs of the common emotions alone, in canonical order."""
        return self.logits[:, [list(self.outputs).index(name) for name in self.common]]

    @cached_property
    def hits(self) -> NDArray[np.bool_]:
        """``(N,)``: which faces are recognised, of the common emotions the largest output's."""
        return self._named(self._own, self.common) == self.labels

    @cached_property
    def hits_of_all(self) -> NDArray[np.bool_]:
        """``(N,)``: which faces are recognised when all outputs may be named."""
        return self._named(self.logits, self.outputs) == self.labels

    def _named(self, logits: Tensor, names: Sequence[str]) -> NDArray[np.int64]:
        indices = np.array([EMOTIONS.index(name) for name in names], dtype=np.int64)
        return indices[logits.argmax(dim=1).numpy()]

    @cached_property
    def recognition(self) -> Recognition:
        """Share of faces recognised, and recall by emotion, with intervals."""
        return recognition(
            self.network.name,
            self.labels,
            self._named(self._own, self.common),
            self.tested.clusters,
            emotions=self.common,
            unit=self.tested.unit,
        )

    @cached_property
    def scores(self) -> dict[str, Any]:
        """Scores as :func:`fer_xai.recognition.exact_scores` has them, of the common emotions."""
        places = {EMOTIONS.index(name): place for place, name in enumerate(self.common)}
        truth = torch.tensor([places[int(label)] for label in self.labels])
        return exact_scores(self._own, truth, emotions=self.common)

    @cached_property
    def accuracy(self) -> Interval:
        """Share of faces recognised."""
        found = self.recognition
        return Interval(
            estimate=found.share,
            low=found.low,
            high=found.high,
            standard_error=float("nan"),
            n=len(set(self.tested.clusters)),
            scheme=found.scheme,
            joint=True,
        )

    @cached_property
    def macro_recall(self) -> Interval:
        """Mean of the recalls of the common emotions."""
        return self.weighted({name: 1 / len(self.common) for name in self.common})

    @property
    def prior(self) -> dict[str, float]:
        """Share of each common emotion among the faces."""
        counts = np.bincount(self.labels, minlength=len(EMOTIONS))
        return {
            name: float(counts[EMOTIONS.index(name)] / len(self.labels)) for name in self.common
        }

    def weighted(self, shares: dict[str, float]) -> Interval:
        """Accuracy if the emotions had these shares, their recalls being what they are."""
        return weighted_recall(
            self.hits,
            self.labels,
            self.tested.clusters,
            weights={EMOTIONS.index(name): share for name, share in shares.items()},
        )
