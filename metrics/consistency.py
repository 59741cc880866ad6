"""Consistency: do maps of faces that show one emotion resemble each other more than others' do?

All functions compare maps on one common mask, in one frame (register them first). Undefined maps
(constant on the mask, or unregistered) are NaN rows: they take no part, and are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_choice, check_length, check_tensor
from fer_xai.errors import InputError
from metrics.ranking import average_ranks, levels_of
from metrics.spec import MetricSpec
from metrics.statistics import icc_a1, kendalls_w, permutations
from metrics.undefined import nan_where_undefined

Kind = Literal["pearson", "cosine", "spearman"]
Array = NDArray[np.float64]
PSEUDO_SHARE = 0.01
"""Weight of a uniform map mixed into region profiles, so that an empty region has a finite gain."""
_PERMUTED_TOGETHER = 64
_CHUNK = 128


def normalised_rows(maps: Tensor, mask: Tensor, *, kind: Kind = "pearson") -> Tensor:
    """Maps as unit vectors whose dot products are their similarities.

    Parameters
    ----------
    maps
        ``(N, H, W)``.
    mask
        ``(H, W)`` bool: the P pixels compared.
    kind
        ``pearson`` centres, ``cosine`` does not, ``spearman`` centres ranks (ties averaged, after
        quantising to 2⁻¹⁶ of each map's largest magnitude: maps move by about 1e-6 with the batch
        size, which would otherwise reorder plateaus).

    Returns
    -------
    Tensor
        ``(N, P)`` float32 on the CPU. Rows are NaN where the similarity is undefined: maps that are
        constant (zero, for cosine) on the mask, or not finite everywhere, on the mask or off it.

    Raises
    ------
    InputError
        For an unknown kind, maps that do not fit the mask, or a mask of fewer than two pixels.
    """
    check_choice("similarity", kind, get_args(Kind))
    if maps.ndim != 3 or maps.shape[1:] != mask.shape:
        raise InputError(f"Expected maps (N, {', '.join(map(str, mask.shape))}) to fit the mask, "
                         f"got {tuple(maps.shape)}.")  # fmt: skip
    if int(mask.sum()) < 2:
        raise InputError("Expected a mask of at least two pixels to compare maps on.")
    values = maps.cpu()
    rows = values[:, mask.cpu()].double()  # (N, P)
    if kind == "spearman":
        rows = average_ranks(levels_of(rows))
    rows = nan_where_undefined(rows, values)
    scale = rows.abs().amax(dim=1, keepdim=True)
    if kind != "cosine":
        rows = rows - rows.mean(dim=1, keepdim=True)
    norm = rows.norm(dim=1, keepdim=True)
    # A constant map has rounding noise left after centring: it has no pattern to compare.
    empty = norm <= 1e-6 * scale * rows.shape[1] ** 0.5
    return torch.where(empty, torch.nan, rows / norm).float()


@dataclass(frozen=True, kw_only=True, eq=False)
class Similarity:
    """Mean similarity of each face to faces of its own emotion, and to the others.

    Attributes
    ----------
    within, between
        ``(N,)`` mean over the face's pairs, never with itself; NaN where undefined.
    matrix
        ``(E, E)`` mean over pairs of distinct faces of two emotions; the diagonal is within.
    emotions
        ``(E,)`` label of each row of the matrix.
    """

    within: Array
    between: Array
    matrix: Array
    emotions: NDArray[np.int64]

    @property
    def macro_within(self) -> float:
        """Mean of the diagonal: emotions weigh equally."""
        return _mean(np.diag(self.matrix))

    @property
    def macro_between(self) -> float:
        """Mean over pairs of different emotions."""
        off = ~np.eye(len(self.matrix), dtype=bool)
        return _mean(self.matrix[off])

    @property
    def macro_excess(self) -> float:
        """How much more alike maps are within an emotion than between emotions."""
        return self.macro_within - self.macro_between


def similarity(rows: Tensor, labels: Tensor) -> Similarity:
    """Mean pairwise similarities, exact, in O(N·P): by sums of unit vectors instead of pairs.

    The mean over pairs of two sets is the dot product of their sums over the number of pairs; for
    one set, the square of its sum less the N pairs of a face with itself.

    Parameters
    ----------
    rows
        ``(N, P)`` unit vectors from :func:`normalised_rows`.
    labels
        ``(N,)`` emotion of each face.

    Raises
    ------
    InputError
        For anything but tensors, or labels of another number.
    """
    rows, labels = _labelled(rows, labels)
    x = rows.double()
    defined = torch.isfinite(x).all(dim=1)
    x = torch.where(defined[:, None], x, 0.0)
    emotions, codes = torch.unique(labels, return_inverse=True)
    onehot = torch.nn.functional.one_hot(codes, len(emotions)).double() * defined[:, None]
    sums = onehot.T @ x  # (E, P)
    counts = onehot.sum(dim=0)  # (E,)
    to = x @ sums.T  # (N, E): similarity to each emotion, summed
    own = to.gather(1, codes[:, None])[:, 0] - (x * x).sum(dim=1)
    n_own = counts[codes] - 1
    rest = to.sum(dim=1) - to.gather(1, codes[:, None])[:, 0]
    n_rest = counts.sum() - counts[codes]
    within = torch.where(defined & (n_own > 0), own / n_own, torch.nan)
    between = torch.where(defined & (n_rest > 0), rest / n_rest, torch.nan)
    products = sums @ sums.T
    pairs = counts[:, None] * counts[None]
    selves = onehot.T @ (x * x).sum(dim=1)
    products = products - torch.diag(selves)
    pairs = pairs - torch.diag(counts)
    matrix = torch.where(pairs > 0, products / pairs, torch.nan)
    return Similarity(
        within=within.numpy(), between=between.numpy(), matrix=matrix.numpy(),
        emotions=emotions.numpy(),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Separability:
    """How well similarity tells pairs of one emotion from pairs of two.

    Attributes
    ----------
    auc
        Mean over emotions; 0.5 is chance.
    per_emotion
        ``(E,)``, mean over the other emotions, in the order of ``emotions``; NaN where an emotion
        has fewer than two maps.
    emotions
        ``(E,)`` labels.
    influence
        ``(N,)`` derivative of ``auc`` by the weight of each face; NaN for faces that take no part.
    n_undefined
        Faces without a defined map.
    """

    auc: float
    per_emotion: Array
    emotions: NDArray[np.int64]
    influence: Array
    n_undefined: int


def _labelled(rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Both on the CPU."""
    check_tensor("rows", rows, "(N, P), from normalised_rows")
    check_tensor("labels", labels, "(N,)")
    check_length("labels", len(labels), len(rows))
    return rows.cpu(), labels.cpu()


def _mean(values: Array) -> float:
    """Mean of what is defined; NaN if nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def separability(rows: Tensor, labels: Tensor) -> Separability:
    """Can the emotion of a pair be read off its maps' likeness? Higher is more consistent.

    For each ordered pair of emotions, the area under the ROC curve of the similarity of pairs
    within the first against pairs across the two (ties count half); then the mean over the second
    emotion, and over the first: emotions weigh equally on both sides, however many faces they have.
    Every pair is used. The influence of a face is found from the placements of its pairs (Hanley &
    McNeil's AUC as a two-sample U statistic): intervals follow from
    :func:`metrics.statistics.influence_interval`, paired ones from differences of influences.

    Parameters
    ----------
    rows
        ``(N, P)`` unit vectors from :func:`normalised_rows`.
    labels
        ``(N,)`` emotion of each face.

    Raises
    ------
    InputError
        For anything but tensors, or labels of another number.
    """
    rows, labels = _labelled(rows, labels)
    defined = torch.isfinite(rows).all(dim=1)
    used = defined.nonzero()[:, 0]
    x, kept = rows[used], labels[used]
    gram = (x @ x.T).numpy()  # (M, M)
    emotions = torch.unique(labels).numpy()
    members = [np.flatnonzero(kept.numpy() == emotion) for emotion in emotions]
    aucs = np.full(len(emotions), np.nan)
    influences: list[Array] = []
    for position, inside in enumerate(members):
        others = [faces for k, faces in enumerate(members) if k != position and len(faces)]
        if len(inside) < 2 or not others:
            continue
        influence = np.zeros(len(used))
        within = _Within(gram[np.ix_(inside, inside)])
        found = []
        for outside in others:
            auc, by_inside, by_outside = within.against(gram[np.ix_(inside, outside)])
            found.append(auc)
            influence[inside] += by_inside / len(others)
            influence[outside] += by_outside / len(others)
        aucs[position] = np.mean(found)
        influences.append(influence)
    influence = np.full(len(rows), np.nan)
    if influences:
        influence[used.numpy()] = np.mean(influences, axis=0)
    return Separability(
        auc=_mean(aucs),
        per_emotion=aucs,
        emotions=emotions,
        influence=influence,
        n_undefined=int((~defined).sum()),
    )


class _Within:
    """Similarities of the pairs within one emotion, sorted once."""

    def __init__(self, inside: NDArray[np.float32]) -> None:
        self.n = len(inside)
        self.first, self.second = np.triu_indices(self.n, k=1)
        values = inside[self.first, self.second]
        self.order = np.argsort(values)
        self.sorted = values[self.order]

    def against(self, across: NDArray[np.float32]) -> tuple[float, Array, Array]:
        """AUC against pairs ``(n, m)`` across two emotions, and each face's influence on it.

        Returns the AUC, ``(n,)`` influences of the faces inside and ``(m,)`` of those outside.
        """
        flat = across.reshape(-1)
        order = np.argsort(flat)
        ordered = flat[order]
        # share of the other kind's pairs that lie below, ties half
        place = np.empty(len(self.sorted))
        place[self.order] = (
            np.searchsorted(ordered, self.sorted, "left")
            + np.searchsorted(ordered, self.sorted, "right")
        ) / (2 * len(flat))
        place_across = np.empty(len(flat))
        place_across[order] = 1 - (
            np.searchsorted(self.sorted, ordered, "left")
            + np.searchsorted(self.sorted, ordered, "right")
        ) / (2 * len(self.sorted))
        auc = float(place.mean())
        excess = (place - auc) / len(place)
        own = np.bincount(self.first, excess, self.n) + np.bincount(self.second, excess, self.n)
        excess_across = (place_across.reshape(across.shape) - auc) / len(flat)
        return auc, own + excess_across.sum(axis=1), excess_across.sum(axis=0)


def permuted_excess(
    rows: Tensor,
    labels: Tensor,
    *,
    repeats: int,
    seed: int,
    clusters: NDArray[np.int64] | None = None,
) -> tuple[float, Array]:
    """Excess of within- over between-emotion similarity, and its values when emotions are shuffled.

    Faces' emotions are permuted, never pairs, by :func:`metrics.statistics.permutations`: within a
    person who shows several emotions, and copies of a face together.

    Returns
    -------
    observed, permuted
        The macro excess, and ``(repeats,)`` values under permutation; NaN where fewer than two
        emotions have a map to compare.
    """
    rows, labels = rows.cpu(), labels.cpu()
    defined = torch.isfinite(rows).all(dim=1)
    if not bool(defined.any()):
        return float("nan"), np.full(repeats, np.nan)
    x, kept = rows[defined].double(), labels[defined]
    gram = x @ x.T
    emotions, codes = torch.unique(kept, return_inverse=True)
    classes = len(emotions)
    if classes < 2:  # no pair of two emotions: all maps are blank, say
        return float("nan"), np.full(repeats, np.nan)
    counts = torch.bincount(codes, minlength=classes).double()
    pairs = counts[:, None] * counts - torch.diag(counts)
    off = ~torch.eye(classes, dtype=torch.bool)
    groups = None if clusters is None else clusters[defined.numpy()]
    shuffled = permutations(codes.numpy(), repeats=repeats, seed=seed, clusters=groups)
    orders = torch.cat([torch.arange(len(codes))[None], torch.from_numpy(shuffled)])
    found = []
    for part in torch.split(orders, _PERMUTED_TOGETHER):  # of (1 + repeats, M)
        onehot = torch.nn.functional.one_hot(codes[part], classes).double()  # (b, M, E)
        onehot = onehot.permute(1, 0, 2)  # (M, b, E)
        to = (gram @ onehot.flatten(1)).view_as(onehot)  # similarity to each emotion, summed
        sums = torch.einsum("mbe,mbf->bef", onehot, to)
        selves = torch.einsum("mbe,m->be", onehot, gram.diagonal())
        matrix = (sums - torch.diag_embed(selves)) / pairs  # (b, E, E)
        within = matrix.diagonal(dim1=1, dim2=2).nanmean(dim=1)
        found.append(within - matrix[:, off].mean(dim=1))
    excess = torch.cat(found).numpy()
    return float(excess[0]), excess[1:]


def region_profiles(maps: Tensor, regions: Tensor) -> Tensor:
    """Where a map's positive mass lies, as log-gain over each region's area.

    gain = share of the mass / share of the area, so a uniform map has log-gain 0 everywhere;
    shares alone mostly measure area. One per cent of a uniform map is mixed in, which keeps empty
    regions finite (at log .01).

    Parameters
    ----------
    maps
        ``(N, H, W)``.
    regions
        ``(N, R, H, W)`` or ``(R, H, W)`` bool, a partition.

    Returns
    -------
    Tensor
        ``(N, R)``; NaN for blank maps and those that are not finite, faces without regions, and
        regions without a pixel.

    Raises
    ------
    InputError
        For regions that do not fit the maps.
    """
    if regions.ndim not in (3, 4) or regions.shape[-2:] != maps.shape[1:]:
        raise InputError(
            f"Expected regions (R, H, W) or (N, R, H, W) of the size of the maps "
            f"{tuple(maps.shape)}, got {tuple(regions.shape)}."
        )
    if regions.ndim == 4:
        check_length("sets of regions", len(regions), len(maps))
    maps, regions = maps.cpu(), regions.cpu()
    masks = regions if regions.ndim == 4 else regions[None].expand(len(maps), -1, -1, -1)
    positive = nan_where_undefined(maps.clamp(min=0), maps).flatten(1)  # (N, P)
    flat = masks.flatten(2)  # (N, R, P)
    mass = torch.cat(
        [
            torch.einsum("np,nrp->nr", part.double(), inside.double())
            for part, inside in zip(
                torch.split(positive, _CHUNK), torch.split(flat, _CHUNK), strict=True
            )
        ]
    )
    share = mass / mass.sum(dim=1, keepdim=True)
    area = flat.sum(dim=2).double() / flat.shape[2]
    gain = share / area
    log_gain = torch.log((1 - PSEUDO_SHARE) * gain + PSEUDO_SHARE)
    return torch.where((area > 0) & torch.isfinite(log_gain), log_gain, torch.nan).float()


def profile_reliability(profiles: Tensor, labels: Tensor) -> dict[int, tuple[float, float, int]]:
    """Do faces of one emotion agree on where the evidence lies?

    Returns
    -------
    dict
        For each emotion: ICC(A,1), Kendall's W, and the number of faces (raters) behind them.
        Regions that more than half of the faces lack are left out, and then faces that lack one.
    """
    out: dict[int, tuple[float, float, int]] = {}
    profiles, labels = profiles.cpu(), labels.cpu()
    for emotion in torch.unique(labels):
        table = profiles[labels == emotion].numpy()
        table = table[np.isfinite(table).any(axis=1)]
        table = table[:, np.isfinite(table).mean(axis=0) > 0.5] if len(table) else table
        table = table[np.isfinite(table).all(axis=1)] if len(table) else table
        out[int(emotion)] = (icc_a1(table.T), kendalls_w(table.T), len(table))
    return out


@dataclass(frozen=True, kw_only=True, eq=False)
class SelfConsistency:
    """Whether a map moves with the face.

    Attributes
    ----------
    equivariant
        ``(N,)`` Pearson correlation of the moved image's map with the map, moved.
    unmoved
        ``(N,)`` the same for a map that stays where it was: what coarse cells give for nothing.
    gain
        ``(N,)`` equivariant − unmoved.
    """

    equivariant: Array
    unmoved: Array
    gain: Array


def self_consistency(
    maps: Tensor, maps_of_moved: Tensor, maps_moved: Tensor, mask: Tensor
) -> SelfConsistency:
    """Gain of following the face over not moving at all. Higher is better, 0 is no following.

    Parameters
    ----------
    maps
        ``(N, H, W)`` maps of the faces.
    maps_of_moved
        ``(N, H, W)`` maps of the moved faces (flipped, shifted, turned, brightened).
    maps_moved
        ``(N, H, W)`` the first maps, moved likewise.
    mask
        ``(H, W)`` bool: pixels that come from inside the image.
    """
    for name, other in (("maps of moved faces", maps_of_moved), ("moved maps", maps_moved)):
        check_length(name, len(other), len(maps))
    still, made, moved = (normalised_rows(m, mask) for m in (maps, maps_of_moved, maps_moved))
    equivariant = (made * moved).sum(dim=1).double().numpy()
    unmoved = (still * moved).sum(dim=1).double().numpy()
    return SelfConsistency(equivariant=equivariant, unmoved=unmoved, gain=equivariant - unmoved)


SEPARABILITY = MetricSpec(
    name="separability",
    fn=separability,
    family="consistency",
    higher_is_better=True,
    bounds=(0.0, 1.0),
    needs=("maps", "labels"),
    reference="AUC of same- against different-emotion pairs, Pearson, emotions weighing equally",
)
SIMILARITY = MetricSpec(
    name="similarity",
    fn=similarity,
    family="consistency",
    higher_is_better=None,
    bounds=(-1.0, 1.0),
    needs=("maps", "labels"),
    reference="mean pairwise similarity within and between emotions",
)
