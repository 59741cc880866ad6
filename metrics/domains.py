"""How far apart two data sets are: features of a network, and the emotions they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_xai.checks import check_count
from fer_xai.draws.streams import stream
from fer_xai.errors import InputError
from metrics.statistics.clusters import Array, by_appearance, cluster_codes
from metrics.statistics.permuting import permutation_p_value

PERMUTATIONS = 99
"""Random halves of the pooled faces: no p falls below 1 / (1 + this)."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Frechet:
    """The Fréchet distance of two sets of features, beside what it is without any difference.

    Attributes
    ----------
    distance
        Squared Fréchet distance of normal distributions with the sets' means and covariances.
    from_means, from_covariances
        Its two parts.
    null
        ``(B,)`` distances of random divisions of the pooled faces, of the same sizes; empty where
        no division leaves two faces on either side, as of one person.
    p_value
        One-sided p of both sets being from one distribution; NaN without divisions.
    faces
        Number of faces of each set.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = frechet_distance(rng.normal(size=(50, 2)), rng.normal(1.0, size=(50, 2)))
    >>> found
    Frechet(distance 1.5, without a difference 0.12, 50 and 50 faces)
    """

    distance: float
    from_means: float
    from_covariances: float
    null: Array
    p_value: float
    faces: tuple[int, int]

    @property
    def chance(self) -> float:
        """Mean distance of random divisions: what the distance of as many faces is by chance."""
        return float(self.null.mean()) if len(self.null) else float("nan")

    @property
    def excess(self) -> float:
        """The distance above that of chance."""
        return self.distance - self.chance

    def __repr__(self) -> str:
        return (
            f"Frechet(distance {self.distance:.2g}, without a difference {self.chance:.2g}, "
            f"{self.faces[0]} and {self.faces[1]} faces)"
        )


def frechet_distance(
    features_a: ArrayLike,
    features_b: ArrayLike,
    *,
    clusters_a: Sequence[object] | None = None,
    clusters_b: Sequence[object] | None = None,
    repeats: int = PERMUTATIONS,
    seed: int = 0,
) -> Frechet:
    """How far are the features of two data sets apart?

    The squared distance of two normal distributions, ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½) (Dowson
    & Landau, "The Fréchet distance between multivariate normal distributions", Journal of
    Multivariate Analysis 1982), which is known as the FID where the features are Inception's
    (Heusel et al., NeurIPS 2017). It depends on the network and the scale of its features, so that
    distances of two networks cannot be compared.

    The distance of finite samples is too large (Chong & Forsyth, "Effectively unbiased FID and
    Inception score", CVPR 2020), the more so the fewer faces and the more dimensions. So beside it
    stands what it is without any difference: the pooled faces are divided at random into sets of
    the same sizes. Faces of one person stay together. The null is for two sets of one distribution;
    where they differ, the bias is about as large, and the excess a better estimate than the
    distance, but not an unbiased one.

    Parameters
    ----------
    features_a, features_b
        ``(N, D)`` and ``(M, D)`` features of faces.
    clusters_a, clusters_b
        Labels of persons, N and M of them; each face is its own by default. A label that stands in
        both sets is one person.
    repeats
        Number of random divisions; 0 for none.
    seed
        Seed of the divisions.

    Returns
    -------
    Frechet
        With ``.distance``, ``.chance``, ``.excess`` and ``.p_value``.

    Raises
    ------
    InputError
        If shapes do not fit, a feature is not finite, or a set has no more faces than features: its
        covariance is singular then.

    Examples
    --------
    >>> a = np.array([[0.0], [1.0], [2.0]])
    >>> found = frechet_distance(a, 2 * a + 3, repeats=0)  # means 1 and 5, deviations 1 and 2
    >>> found.distance, found.from_means, found.from_covariances
    (17.0, 16.0, 1.0)
    """
    check_count("the number of random divisions", repeats, low=0)
    a, b = (np.asarray(one, dtype=np.float64) for one in (features_a, features_b))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not a.shape[1]:
        raise InputError(
            f"Expected features (N, D) and (M, D) of one network, got {a.shape} and {b.shape}."
        )
    for one in (a, b):
        if len(one) <= one.shape[1]:
            raise InputError(
                f"Expected more faces than features in both sets, got {len(a)} and {len(b)} faces "
                f"of {a.shape[1]} features: hand in more faces, or a projection to fewer features."
            )
        if not np.isfinite(one).all():
            raise InputError("Expected finite features, got NaN or infinity.")
    both = np.concatenate([a, b])
    first = np.arange(len(both)) < len(a)
    means, covariances = _parts(both, first)
    codes = _persons(clusters_a, clusters_b, len(a), len(b))
    divisions = (_division(codes, len(a), seed, repeat) for repeat in range(repeats))
    null = np.array([sum(_parts(both, one)) for one in divisions if one is not None])
    return Frechet(
        distance=means + covariances,
        from_means=means,
        from_covariances=covariances,
        null=null,
        p_value=permutation_p_value(means + covariances, null) if len(null) else float("nan"),
        faces=(len(a), len(b)),
    )


def _parts(both: Array, first: NDArray[np.bool_]) -> tuple[float, float]:
    """Distances of means and of covariances of two parts of the faces.

    The trace of (Σ₁ Σ₂)^½ is the sum of singular values of Σ₁^½ Σ₂^½, whose factors may be the
    centred features themselves, so that no root of a matrix is taken.
    """
    one, other = both[first], both[~first]
    gap = one.mean(axis=0) - other.mean(axis=0)
    factors = [
        np.linalg.qr(x - x.mean(axis=0), mode="r") / np.sqrt(len(x) - 1) for x in (one, other)
    ]
    shared = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    spread = sum(float((factor**2).sum()) for factor in factors) - 2 * float(shared)
    return float(gap @ gap), max(spread, 0.0)


def _persons(
    clusters_a: Sequence[object] | None, clusters_b: Sequence[object] | None, n: int, m: int
) -> NDArray[np.int64]:
    if clusters_a is None and clusters_b is None:
        return np.arange(n + m)
    lists = [
        [None] * size if clusters is None else list(clusters)
        for clusters, size in ((clusters_a, n), (clusters_b, m))
    ]
    for labels, size in zip(lists, (n, m), strict=True):
        cluster_codes(labels, size)
    return by_appearance(cluster_codes(lists[0] + lists[1], n + m))


def _division(
    codes: NDArray[np.int64], size: int, seed: int, repeat: int
) -> NDArray[np.bool_] | None:
    """Persons in random order, as many of them first as hold the faces of the first set.

    Both parts have two faces or more; None where there is no such place to cut.
    """
    order = stream(seed, "frechet", repeat).randperm(int(codes.max()) + 1).numpy()
    places = np.argsort(order[codes], kind="stable")  # faces, a person's together
    ends = np.r_[np.flatnonzero(np.diff(order[codes][places])) + 1, len(codes)]
    ends = ends[(ends >= 2) & (ends <= len(codes) - 2)]
    if not len(ends):
        return None
    cut = ends[np.argmin(np.abs(ends - size))]
    found = np.zeros(len(codes), dtype=bool)
    found[places[:cut]] = True
    return found


def prior_shift(
    emotions_a: Sequence[str], emotions_b: Sequence[str]
) -> tuple[float, Mapping[str, float]]:
    """How different are the shares of the emotions in two data sets?

    The total variation, half of the sum of differences of shares: the largest share of faces that
    one set would have to relabel to get the other's shares.

    Parameters
    ----------
    emotions_a, emotions_b
        Name of the emotion of each face.

    Returns
    -------
    tuple
        The total variation, from 0 to 1, and the share in the second set less that in the first by
        emotion.

    Raises
    ------
    InputError
        If a set has no face.

    Examples
    --------
    >>> prior_shift(["fear", "fear", "anger", "anger"], ["fear", "anger", "anger", "anger"])
    (0.25, {'anger': 0.25, 'fear': -0.25})
    """
    for emotions in (emotions_a, emotions_b):
        if not len(emotions):
            raise InputError("Expected labelled faces in both sets, got a set without any.")
    names = sorted({*emotions_a, *emotions_b})
    one, other = (
        np.array([sum(e == name for e in emotions) / len(emotions) for name in names])
        for emotions in (list(emotions_a), list(emotions_b))
    )
    shifts = dict(zip(names, (other - one).tolist(), strict=True))
    return float(np.abs(other - one).sum() / 2), shifts
