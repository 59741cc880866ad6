"""Pairs of maps: which faces take part, which pairs are compared, and how alike two maps are.

A pair inside one cluster (two frames of one person, two copies of a face) says nothing about an
emotion, so no function here ever forms one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_length, check_tensor
from fer_xai.errors import InputError
from metrics.statistics.clusters import cluster_codes, named_units

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

LEAST = 5
"""Fewest units (faces, or persons) of an emotion whose pairs get an interval."""
STEP = 1e-6
"""Similarities closer than this are tied: float32 maps give no more digits."""
EXACT_UP_TO = 10_000
"""Most faces of which every pair is compared; above, a seeded sample of pairs is."""
SAMPLED = 200_000
"""Pairs that are drawn within an emotion, and between two, where pairs are sampled."""
_HALF = np.int32(round(1 / STEP))
_LEVELS = 2 * int(_HALF) + 2
_RANKED_UP_TO = 1000
"""Most faces whose pairs get their own ranks, a shorter scale than all steps."""
_TABLE_UP_TO = 4000
"""Most faces whose similarities come from one product, in a table of 64 MB at most: the product is
symmetric, so that half of it is computed, and nothing else competes with its threads."""
UNIT = 5e-3
"""Largest distance of a row's length from 1; half precision stays below."""
_CHUNK = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Members:
    """The M faces that are compared.

    Attributes
    ----------
    used
        ``(M,)`` their positions among all faces.
    rows
        ``(M, P)`` unit vectors.
    emotions
        ``(E,)`` labels of all emotions, in order.
    codes
        ``(M,)`` position of each face's emotion in ``emotions``.
    units
        ``(M,)`` number of each face's cluster, from 0 on.
    left_out
        For each emotion that has too few units for an interval, the reason.

    Examples
    --------
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1]]))
    >>> found = members(rows, torch.tensor([0, 0, 5]), clusters=["a", "a", "b"])
    >>> found.units.tolist(), found.left_out[5]
    ([0, 0, 1], '1 map of 1 person, and 5 persons are needed')
    """

    used: Codes
    rows: NDArray[np.float32]
    emotions: Codes
    codes: Codes
    units: Codes
    left_out: dict[int, str]

    @property
    def counted(self) -> list[int]:
        """Positions of the emotions that have enough units for an interval."""
        return [k for k, e in enumerate(self.emotions.tolist()) if e not in self.left_out]

    @property
    def n_units(self) -> int:
        """Number of units, those of emotions that are left out included."""
        return int(self.units.max()) + 1 if len(self.units) else 0


def members(
    rows: Tensor,
    labels: Tensor,
    *,
    clusters: Sequence[object] | NDArray[np.int64] | None = None,
    defined: Tensor | None = None,
) -> Members:
    """The faces that are compared: those with a map, and with ``defined`` where it is given.

    Parameters
    ----------
    rows
        ``(N, P)`` unit vectors; NaN rows are undefined maps.
    labels
        ``(N,)`` emotion of each face.
    clusters
        N labels, such as the person of each face; each face is its own by default, and where its
        label is empty, None or NaN.
    defined
        ``(N,)`` bool: maps that take part, if they are finite; all by default.

    Returns
    -------
    Members
        The faces, their emotions and units, and the emotions with too few units.

    Raises
    ------
    InputError
        If rows or labels are no tensors, rows are infinite or no unit vectors, or anything differs
        in length.

    Examples
    --------
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1]]))
    >>> members(rows, torch.tensor([0, 0, 5]), defined=torch.tensor([True, False, True])).used
    array([0, 2])
    """
    finite = _finite_rows(rows)
    check_tensor("labels", labels, "(N,)")
    check_length("labels", len(labels), len(rows))
    if defined is not None:
        check_length("marks of defined maps", len(defined), len(rows))
        finite &= defined.cpu().bool()
    used = finite.nonzero()[:, 0].numpy()
    groups = cluster_codes(None if clusters is None else list(clusters), len(rows))[used]
    emotions, codes = torch.unique(labels.cpu(), return_inverse=True)
    kept = codes.numpy()[used]
    units = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    persons = named_units(units) == "clusters"
    left_out = {}
    for position, emotion in enumerate(emotions.tolist()):
        here = units[kept == position]
        count = len(np.unique(here))
        if count < LEAST:
            left_out[emotion] = _reason(len(here), count, persons=persons)
    return Members(
        used=used,
        rows=rows.cpu()[finite].numpy(),
        emotions=emotions.numpy().astype(np.int64),
        codes=kept,
        units=units,
        left_out=left_out,
    )


def _finite_rows(rows: Tensor) -> Tensor:
    """Bool ``(N,)``: rows without NaN, on the CPU.

    What is no table of unit vectors is refused: dot products would be no similarities.
    """
    check_tensor("rows", rows, "(N, P), from normalised_rows")
    if rows.ndim != 2:
        raise InputError(
            f"Expected rows (N, P) from normalised_rows, got {tuple(rows.shape)}: pass maps "
            "through normalised_rows first."
        )
    if bool(rows.isinf().any()):
        raise InputError(
            "Expected finite rows, or NaN where a map is undefined, got infinity: pass maps "
            "through normalised_rows first."
        )
    lengths = torch.linalg.vector_norm(rows.float(), dim=1)
    finite = lengths.isfinite()
    finite[~finite] = torch.isfinite(rows[~finite]).all(dim=1)  # but too long for float32
    lengths = lengths[finite]
    if bool((abs(lengths - 1) > UNIT).any()):
        raise InputError(
            "Expected rows of length 1 from normalised_rows, got lengths from "
            f"{float(lengths.min()):.3g} to {float(lengths.max()):.3g}: pass maps through "
            "normalised_rows first."
        )
    return finite.cpu()


def _reason(maps: int, units: int, *, persons: bool) -> str:
    said = f"{maps} map{'s' * (maps != 1)}"
    if persons:
        said += f" of {units} person{'s' * (units != 1)}"
    return f"{said}, and {LEAST} {'persons' if persons else 'maps'} are needed"


def too_few_emotions(left_out: Mapping[int, str]) -> str:
    """Why fewer than two emotions leave nothing to compare.

    Examples
    --------
    >>> too_few_emotions({0: "4 maps, and 5 maps are needed"})
    'Fewer than two emotions can be compared (label 0: 4 maps, and 5 maps are needed).'
    """
    why = "; ".join(f"label {emotion}: {reason}" for emotion, reason in sorted(left_out.items()))
    return f"Fewer than two emotions can be compared{f' ({why})' if why else ''}."


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Pairs of faces of two units.

    Attributes
    ----------
    first, second
        ``(Q,)`` units of the two faces.
    levels
        ``(Q,)`` rank of the pair's similarity, from 1 on; pairs less than :data:`STEP` apart share
        one.

    Examples
    --------
    >>> found = Pairs(
    ...     first=np.array([0, 0]), second=np.array([1, 2]), levels=np.array([4, 9])
    ... )
    >>> len(found)
    2
    """

    first: Codes
    second: Codes
    levels: Codes

    def __len__(self) -> int:
        return len(self.levels)


class PairSource:
    """Pairs within an emotion and between two, from the faces' unit vectors, a block at a time.

    Every pair up to :data:`EXACT_UP_TO` faces; above, at most :data:`SAMPLED` within an emotion and
    between two, drawn by the seed.

    Examples
    --------
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1], [1, 1]]))
    >>> source = PairSource(members(rows, torch.tensor([0, 0, 5, 5])), seed=0)
    >>> len(source.within(0)), len(source.between(0, 1)), source.sampled
    (1, 4, False)
    """

    def __init__(
        self,
        faces: Members,
        *,
        seed: int,
        exact_up_to: int = EXACT_UP_TO,
        sample: int = SAMPLED,
    ) -> None:
        self.faces, self.seed, self.sample = faces, seed, sample
        self.sampled = len(faces.used) > exact_up_to
        self._of = [np.flatnonzero(faces.codes == k) for k in range(len(faces.emotions))]
        self._table: NDArray[np.integer] | None = None
        self._rows: dict[int, Array] = {}
        self.n_levels = _LEVELS
        if len(faces.used) <= _TABLE_UP_TO and not self.sampled:
            every = faces.rows.astype(np.float64)
            self._table = _steps(every @ every.T)
            if len(faces.used) <= _RANKED_UP_TO:
                scale, table = np.unique(self._table, return_inverse=True)
                self.n_levels, self._table = len(scale) + 1, 1 + table.reshape(self._table.shape)

    def within(self, emotion: int) -> Pairs:
        """Unordered pairs within an emotion, by its position."""
        own = self._of[emotion]
        if self.sampled and len(own) * (len(own) - 1) // 2 > self.sample:
            return self._drawn(own, own, emotion)
        first, second = np.triu_indices(len(own), k=1)
        return self._kept(own, own, first, second)

    def between(self, one: int, other: int) -> Pairs:
        """Pairs between two emotions, by their positions; ``first`` is of the first emotion."""
        own, theirs = self._of[one], self._of[other]
        if self.sampled and len(own) * len(theirs) > self.sample:
            return self._drawn(own, theirs, one * len(self._of) + other + len(self._of))
        grid = np.indices((len(own), len(theirs))).reshape(2, -1)
        return self._kept(own, theirs, grid[0], grid[1])

    def _kept(self, own: Codes, theirs: Codes, first: Codes, second: Codes) -> Pairs:
        """All pairs given by positions in two lists of faces, those inside a unit left out."""
        levels = self._block(own, theirs)[first, second].astype(np.int64)
        one, two = self.faces.units[own][first], self.faces.units[theirs][second]
        apart = one != two
        if apart.all():
            return Pairs(first=one, second=two, levels=levels)
        return Pairs(first=one[apart], second=two[apart], levels=levels[apart])

    def _block(self, own: Codes, theirs: Codes) -> NDArray[np.integer]:
        if self._table is not None:
            return self._table[np.ix_(own, theirs)]
        rows, others = self._double(own), self._double(theirs)
        if own is theirs and len(own) <= 4 * _CHUNK:  # half the work: the product is symmetric
            return _steps(rows @ rows.T)
        out = np.empty((len(own), len(theirs)), dtype=np.int32)
        for start in range(0, len(own), _CHUNK):
            part = slice(start, start + _CHUNK)
            out[part] = _steps(rows[part] @ others.T)
        return out

    def _double(self, some: Codes) -> Array:
        """Rows of an emotion's faces in double precision, made once."""
        emotion = int(self.faces.codes[some[0]]) if len(some) else -1
        if emotion not in self._rows:
            self._rows[emotion] = self.faces.rows[some].astype(np.float64)
        return self._rows[emotion]

    def _drawn(self, own: Codes, theirs: Codes, stream: int) -> Pairs:
        """Distinct random pairs of faces of two units; each face is drawn about equally often."""
        rng = np.random.default_rng((self.seed, stream))
        first = rng.permutation(np.resize(np.arange(len(own)), self.sample))
        second = rng.integers(0, len(theirs), self.sample)
        one, two = own[first], theirs[second]
        low, high = np.minimum(one, two), np.maximum(one, two)
        fresh = np.unique(low * len(self.faces.codes) + high, return_index=True)[1]
        one, two = one[fresh], two[fresh]
        apart = self.faces.units[one] != self.faces.units[two]
        one, two = one[apart], two[apart]
        levels = np.empty(len(one), dtype=np.int64)
        for start in range(0, len(one), _CHUNK):
            part = slice(start, start + _CHUNK)
            rows = self.faces.rows[one[part]].astype(np.float64)
            levels[part] = _steps((rows * self.faces.rows[two[part]]).sum(axis=1))
        return Pairs(first=self.faces.units[one], second=self.faces.units[two], levels=levels)


def _steps(similarities: Array) -> NDArray[np.int32]:
    """Similarities in [−1, 1] as whole steps from the lowest, which is 1."""
    steps = np.multiply(similarities, 1 / STEP)
    np.rint(steps, out=steps)
    np.clip(steps, -_HALF, _HALF, out=steps)
    found = steps.astype(np.int32)
    found += _HALF + 1
    return found
