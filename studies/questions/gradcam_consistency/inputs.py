"""What scores are made of: the faces of a run, and the maps of one network by one method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.landmarks.registration import Registration
from studies.engine.networks import Network


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceSet:
    """What is known of the N faces of a run, whatever the network.

    Attributes
    ----------
    ids
        Names of the faces.
    labels
        ``(N,)`` canonical emotion indices.
    targets
        The K canonical emotion indices that are explained for every face.
    emotions
        Names of the emotions that the faces show.
    clusters
        ``(N,)`` numbers of persons, or of copies of a face.
    blocks
        N names of moments (sequences, or copies of a face), "" where unknown.
    regions
        ``(N, R, 64, 64)`` bool: facial regions.
    registration, unregistered
        To the canonical face, and to none.
    moved
        Positions of the faces whose moved images are explained too.
    seed
        Seed of permutations and of sampled pairs.
    """

    ids: Sequence[str]
    labels: Tensor
    targets: tuple[int, ...]
    emotions: tuple[str, ...]
    clusters: NDArray[np.int64]
    blocks: Sequence[str]
    regions: Tensor
    registration: Registration
    unregistered: Registration
    moved: NDArray[np.int64]
    seed: int


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkMaps:
    """Maps of one network by one method.

    Attributes
    ----------
    network, method
        Whose they are.
    cells
        ``(N, K, h, w)`` maps at their own resolution.
    logits
        ``(N, K)``.
    common
        ``(N, K)``: faces and targets with a map in every network of the architecture; None where
        the comparison on them is left out.
    right
        ``(N,)``: faces that the trained network of this architecture has right.
    moved
        By the name of a move, maps ``(M, K, h, w)`` of the moved faces; empty without them.
    shared
        By subset of faces, for each target the labels of the emotions that every network of the
        architecture has enough maps of; all that this network has enough of where it is not given.
    """

    network: Network
    method: str
    cells: Tensor
    logits: Tensor
    common: NDArray[np.bool_] | None = None
    right: NDArray[np.bool_] | None = None
    moved: Mapping[str, Tensor] = field(default_factory=dict)
    shared: Mapping[str, Sequence[frozenset[int]]] = field(default_factory=dict)
