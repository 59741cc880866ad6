"""Statistics of scores over faces: the unit is the face (or the person), never the pair.

Pairs of faces share faces: resampling pairs as if they were independent gave a standard deviation
of .002 where .010 was true. Everything here resamples, permutes or perturbs faces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fer_xai.checks import check_count, name_or_unknown
from fer_xai.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its uncertainty.

    Attributes
    ----------
    estimate, low, high
        Point and bounds.
    standard_error
        Over faces or clusters.
    n
        Units (faces or clusters) behind it.
    scheme
        How the interval was made, for captions.
    freedom
        Degrees of freedom of the standard error.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    n: int
    scheme: str
    freedom: float = float("inf")

    @property
    def p_value(self) -> float:
        """Two-sided p of the estimate being zero, by its standard error (Student's t)."""
        if not self.standard_error > 0:
            return float("nan")
        return float(2 * stats.t.sf(abs(self.estimate) / self.standard_error, self.freedom))

    def units_needed(self, half_width: float) -> float:
        """How many units would have given a 95 % interval of this half width; NaN if unknown."""
        if not half_width > 0:
            raise InputError(f"Expected a positive half width, got {half_width}.")
        return float(np.ceil(self.n * (1.96 * self.standard_error / half_width) ** 2))


def influence_interval(
    estimate: float,
    influence: ArrayLike,
    *,
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
    extra_variance: float = 0.0,
    extra_n: int = 0,
) -> Interval:
    """Interval of a statistic from each face's influence on it (infinitesimal jackknife).

    With U_i the derivative of the statistic by the weight of face i, its variance over samples of
    faces is Σ (U_i − Ū)² (Efron 1982, "The jackknife, the bootstrap and other resampling plans",
    §6.3); within a cluster (a person, a group of copies) influences add up before squaring.

    Parameters
    ----------
    estimate
        The statistic.
    influence
        ``(N,)``; NaN for faces that do not take part.
    clusters
        N labels; each face is its own by default, and where its label is empty, None or NaN.
    level
        Coverage; t quantile with n − 1 degrees of freedom.
    extra_variance, extra_n
        Variance of the estimate from another source, and the units it was measured on (the
        untrained networks): it is added, and the degrees of freedom follow Welch & Satterthwaite.
    """
    values = np.asarray(influence, dtype=np.float64)
    used = np.isfinite(values)
    sums = _cluster_sums(values[used], None if clusters is None else _pick(clusters, used))
    n = len(sums)
    if n < 2:
        return Interval(estimate=estimate, low=np.nan, high=np.nan, standard_error=np.nan, n=n,
                        scheme="influence")  # fmt: skip
    variance = float(((sums - sums.mean()) ** 2).sum() * n / (n - 1))
    error = float(np.sqrt(variance + extra_variance))
    freedom = float(n - 1)
    if extra_variance > 0:
        parts = variance**2 / (n - 1) + extra_variance**2 / max(extra_n - 1, 1)
        freedom = (variance + extra_variance) ** 2 / parts
    reach = float(stats.t.ppf(0.5 + level / 2, freedom)) * error
    return Interval(
        estimate=float(estimate), low=float(estimate) - reach, high=float(estimate) + reach,
        standard_error=error, n=n, freedom=freedom,
        scheme=f"infinitesimal jackknife over {'faces' if clusters is None else 'clusters'}",
    )  # fmt: skip


def mean_interval(
    values: ArrayLike, *, clusters: Sequence[object] | None = None, level: float = 0.95
) -> Interval:
    """Mean of a score over faces with its interval; NaN scores are left out."""
    scores = np.asarray(values, dtype=np.float64)
    used = np.isfinite(scores)
    if not used.any():
        return Interval(estimate=np.nan, low=np.nan, high=np.nan, standard_error=np.nan, n=0,
                        scheme="influence")  # fmt: skip
    mean = float(scores[used].mean())
    return influence_interval(mean, (scores - mean) / used.sum(), clusters=clusters, level=level)


def bootstrap_interval(
    statistic: Callable[[Array], float],
    n: int,
    *,
    repeats: int = 1000,
    seed: int = 0,
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
) -> Interval:
    """Percentile bootstrap over faces (or clusters) of a statistic of face weights.

    The statistic gets how often each face was drawn, ``(n,)``, instead of a list with repeats, so
    that a statistic over pairs can leave out the pairs of a face with itself that resampling
    creates.

    Parameters
    ----------
    statistic
        From multiplicities to a number.
    n
        Number of faces.
    repeats, seed
        Resamples B, and their seed.
    clusters
        N labels: whole clusters are drawn; a face with an empty label is its own.
    level
        Coverage.

    Raises
    ------
    InputError
        For no faces, fewer than two resamples, or labels that do not fit.
    """
    check_count("the number of faces", n)
    if repeats < 2:
        raise InputError(f"Expected at least 2 bootstrap repeats, got {repeats}.")
    groups = _codes(clusters, n)
    count = int(groups.max()) + 1
    rng = np.random.default_rng(seed)
    draws = np.array(
        [
            statistic(
                np.bincount(rng.integers(0, count, count), minlength=count)[groups].astype(
                    np.float64
                )
            )
            for _ in range(repeats)
        ]
    )
    low, high = np.nanquantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(
        estimate=float(statistic(np.ones(n))), low=float(low), high=float(high),
        standard_error=float(np.nanstd(draws, ddof=1)), n=count,
        scheme=f"percentile bootstrap over {'faces' if clusters is None else 'clusters'}, "
        f"B = {repeats}",
    )  # fmt: skip


def permutations(
    labels: NDArray[np.int64],
    *,
    repeats: int,
    seed: int,
    clusters: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Orders that shuffle labels among exchangeable faces.

    Faces of one cluster are not exchangeable with those of another one. A cluster that shows
    several labels (a person) is shuffled within; clusters of one label (copies of a face, or single
    faces) swap their label as a whole with others of the same size.

    Parameters
    ----------
    labels
        ``(N,)``.
    repeats, seed
        How many orders, and their seed.
    clusters
        ``(N,)``; each face is its own by default, and where its label is empty, None or NaN.

    Returns
    -------
    ndarray
        ``(repeats, N)``: ``labels[order]`` are the labels under each permutation.
    """
    n = len(labels)
    groups = _codes(None if clusters is None else list(clusters), n)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1])
    mixed = [faces for faces in members if len(np.unique(labels[faces])) > 1]
    by_size: dict[int, list[NDArray[np.int64]]] = {}
    for faces in members:
        if len(np.unique(labels[faces])) == 1:
            by_size.setdefault(len(faces), []).append(faces)
    blocks = [np.stack(block) for block in by_size.values()]
    rng = np.random.default_rng(seed)
    orders = np.tile(np.arange(n), (repeats, 1))
    for order in orders:
        for faces in mixed:
            order[faces] = rng.permutation(faces)
        for block in blocks:
            order[block] = block[rng.permutation(len(block))]
    return orders


def permutation_p_value(observed: float, permuted: ArrayLike) -> float:
    """One-sided p of a statistic among its values under permuted labels, (1 + #≥) / (1 + B).

    NaN where the statistic, or one of its values, is undefined.
    """
    values = np.asarray(permuted, dtype=np.float64)
    if np.isnan(observed) or np.isnan(values).any():
        return float("nan")
    return float((1 + (values >= observed).sum()) / (1 + len(values)))


def holm(p_values: ArrayLike) -> Array:
    """Holm's step-down adjusted p-values of a declared family (Holm 1979); NaN stays NaN."""
    p = np.asarray(p_values, dtype=np.float64)
    out = np.full_like(p, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    m = len(order)
    scaled = np.minimum(p[order] * (m - np.arange(m)), 1.0)
    out[order] = np.maximum.accumulate(scaled)
    return out


def wilcoxon_p(differences: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed-rank test that paired differences are centred on zero.

    Zeros are ranked and dropped from the statistic (Pratt 1959); NaN is left out, and returned
    where fewer than two differences are not zero.
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[np.isfinite(values)]
    if np.count_nonzero(values) < 2:
        return float("nan")
    return float(stats.wilcoxon(values, zero_method="pratt").pvalue)


def rank_biserial(differences: ArrayLike) -> float:
    """Effect size of the signed-rank test, in [−1, 1] (Kerby 2014): share of the rank sum above
    zero less the share below it, (W⁺ − W⁻) / (W⁺ + W⁻).

    Of the ranks that :func:`wilcoxon_p` tests, zeros ranked and dropped (Pratt 1959), so that the
    two never point to different sides; NaN where all are zero.
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not values.any():
        return float("nan")
    ranks = stats.rankdata(np.abs(values)) * np.sign(values)
    return float(ranks.sum() / np.abs(ranks).sum())


def cohens_d(differences: ArrayLike) -> float:
    """Standardised mean of paired differences, d_z = mean / SD."""
    values = np.asarray(differences, dtype=np.float64)
    values = values[np.isfinite(values)]
    sd = values.std(ddof=1) if len(values) > 1 else 0.0
    return float(values.mean() / sd) if sd > 0 else float("nan")


def auc_to_d(auc: float) -> float:
    """Standardised difference of means that an AUC stands for, √2·Φ⁻¹(AUC).

    Exact for two normal distributions of one variance (Ruscio, "A probability-based measure of
    effect size", Psychological Methods 2008).
    """
    return float(np.sqrt(2) * stats.norm.ppf(auc))


def icc_a1(ratings: ArrayLike) -> float:
    """ICC(A,1): absolute agreement of single raters, two-way random effects.

    McGraw & Wong, "Forming inferences about some intraclass correlation coefficients",
    Psychological Methods 1996, case 2A. Here regions are the subjects and faces the raters: the
    question is whether one face's profile can stand for another's, level included, so agreement
    (A) rather than consistency (C), and a single rater (1) rather than a mean.

    Parameters
    ----------
    ratings
        ``(subjects, raters)``; a rater with a NaN is left out.
    """
    table = np.asarray(ratings, dtype=np.float64)
    table = table[:, np.isfinite(table).all(axis=0)]
    n, k = table.shape
    if n < 2 or k < 2:
        return float("nan")
    grand = table.mean()
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    between_rows = k * ((rows - grand) ** 2).sum() / (n - 1)
    between_columns = n * ((columns - grand) ** 2).sum() / (k - 1)
    rest = table - rows[:, None] - columns[None] + grand
    error = (rest**2).sum() / ((n - 1) * (k - 1))
    total = between_rows + (k - 1) * error + k * (between_columns - error) / n
    return float((between_rows - error) / total) if total > 1e-12 else float("nan")


def kendalls_w(ratings: ArrayLike) -> float:
    """Kendall's W of raters' rankings of subjects, corrected for ties (Kendall & Smith 1939).

    Parameters
    ----------
    ratings
        ``(subjects, raters)``; a rater with a NaN is left out. NaN where no rater tells any two
        subjects apart.
    """
    table = np.asarray(ratings, dtype=np.float64)
    table = table[:, np.isfinite(table).all(axis=0)]
    n, m = table.shape
    if n < 2 or m < 2:
        return float("nan")
    ranks = stats.rankdata(table, axis=0)
    sums = ranks.sum(axis=1)
    ties = 0.0
    for column in ranks.T:
        counts = np.unique(column, return_counts=True)[1].astype(np.float64)
        ties += float((counts**3 - counts).sum())
    spread = 12 * float(((sums - sums.mean()) ** 2).sum())
    most = m**2 * (n**3 - n) - m * ties
    return float(spread / most) if most > 0 else float("nan")


def mean_spearman(w: float, raters: int) -> float:
    """Mean pairwise Spearman correlation that a Kendall's W of m raters stands for."""
    return (raters * w - 1) / (raters - 1) if raters > 1 else float("nan")


def _codes(clusters: Sequence[object] | None, n: int) -> NDArray[np.int64]:
    if clusters is None:
        return np.arange(n)
    if len(clusters) != n:
        raise InputError(f"Expected {n} cluster labels, one a face, got {len(clusters)}.")
    names = [name_or_unknown(cluster) for cluster in clusters]
    own = [name or f"\x00{index:012d}" for index, name in enumerate(names)]  # unknown: its own
    return np.unique(np.array(own), return_inverse=True)[1].astype(np.int64)


def _cluster_sums(values: Array, clusters: Sequence[object] | None) -> Array:
    codes = _codes(clusters, len(values))
    return np.bincount(codes, weights=values).astype(np.float64) if len(values) else values


def _pick(labels: Sequence[object], used: NDArray[np.bool_]) -> list[object]:
    if len(labels) != len(used):
        raise InputError(f"Expected {len(used)} cluster labels, one a face, got {len(labels)}.")
    return [label for label, keep in zip(labels, used, strict=True) if keep]
