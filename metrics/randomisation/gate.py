"""The randomisation gate: a method whose maps random networks would also give gets no rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from fer_xai.checks import check_count, check_length, check_number
from fer_xai.draws.streams import Stream, stream
from fer_xai.inference.predictor import Classifier, Predictor
from fer_xai.seeding import seed_of
from metrics.core.reexplaining import checked_maps, explained
from metrics.core.registry import Explain
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.similarity import Likeness, comparable, compared
from metrics.randomisation.random_networks import Statistics, randomised
from metrics.statistics.clusters import cluster_codes
from metrics.statistics.crossed import crossed_interval, rows_needed
from metrics.statistics.intervals import Interval, mean_interval

MIN_NETWORKS = 10
"""Fewer random networks say little about the next one."""
GRID = 8
"""Cells a side of the grid on which maps of all methods are compared."""
MARGIN = 0.5
"""Largest likeness with random networks that passes: about half of a map's variance."""
_OTHERS = 20
"""Largest number of other faces that the null of a face is averaged over."""
_ROUNDING = 1e-6
"""Share of a map's largest magnitude below which the mean of a cell is rounding."""

Verdict = Literal["passes", "stopped", "undecided", "undefined"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Gate:
    """Whether an explanation depends on what the model has learned, as an effect with an interval.

    The effect is the mean likeness of a face's map with the maps that random networks give of that
    face. It is judged by its 95 % interval, over faces (or clusters of them) and random networks,
    against a margin that was declared beforehand. No p-value goes with it: the verdict is where the
    interval lies, and a p from draws of a null could not fall below one over their number.

    Attributes
    ----------
    similarity
        ``(N, R)`` of each face's map with the maps of R random networks; NaN where undefined.
    null
        ``(N, R)`` of each face's map with the same networks' maps of *other* faces, in the mean
        over these faces: what the method's maps of unrelated faces share.
    margin
        Largest likeness that passes.
    clusters
        N labels, such as the person of each face; each face is its own by default.

    Examples
    --------
    >>> own = torch.tensor([[0.10, 0.14], [0.06, 0.10], [0.14, 0.18], [0.08, 0.12], [0.12, 0.16]])
    >>> gate = Gate(similarity=own, null=torch.zeros(5, 2))
    >>> gate.verdict, round(gate.mean, 3), gate.interval.high < gate.margin
    ('passes', 0.12, True)
    >>> Gate(similarity=own, null=torch.zeros(5, 2), margin=0.11).verdict
    'undecided'
    """

    similarity: Tensor
    null: Tensor
    margin: float = MARGIN
    clusters: Sequence[object] | None = None

    @property
    def per_face(self) -> Tensor:
        """``(N,)`` mean over the networks for which it is defined."""
        return self.similarity.nanmean(dim=1)

    @property
    def interval(self) -> Interval:
        """Mean likeness with its 95 % interval, for new faces and new random networks."""
        return crossed_interval(self.similarity.numpy(), clusters=self.clusters, bounds=(-1, 1))

    @property
    def mean(self) -> float:
        """Mean likeness over faces with a defined map."""
        return self.interval.estimate

    @property
    def verdict(self) -> Verdict:
        """``passes`` where the interval lies wholly below the margin, ``stopped`` where it lies
        wholly above, ``undecided`` where it does not or there is none, and ``undefined`` where no
        pair of maps can be compared.
        """
        found = self.interval
        if not found.n:
            return "undefined"
        if found.high < self.margin:
            return "passes"
        return "stopped" if found.low > self.margin else "undecided"

    @property
    def passed(self) -> bool:
        """Whether the verdict is that it passes."""
        return self.verdict == "passes"

    @property
    def faces_needed(self) -> float:
        """Number of faces (clusters, if told) at which this likeness would be decided.

        It takes this mean, this scatter and this number of networks as they are; infinite where
        the networks' scatter alone reaches the margin, so that only more networks would help. NaN
        where it is decided already, or nothing is known.
        """
        if self.verdict != "undecided":
            return float("nan")
        return rows_needed(
            self.similarity.numpy(), self.margin, clusters=self.clusters, bounds=(-1, 1)
        )

    @property
    def null_mean(self) -> float:
        """Mean likeness with random networks' maps of other faces."""
        return mean_interval(self.null.nanmean(dim=1), clusters=self.clusters).estimate

    @property
    def excess(self) -> Interval:
        """What is due to the face: the likeness less that of other faces' maps, paired by face."""
        return crossed_interval(
            (self.similarity - self.null).numpy(), clusters=self.clusters, bounds=(-2, 2)
        )

    @property
    def share_above(self) -> float:
        """Share of the faces with a defined map whose own mean lies above the margin."""
        known = self.per_face[self.per_face.isfinite()]
        return float((known > self.margin).double().mean()) if len(known) else float("nan")

    @property
    def blank(self) -> int:
        """Number of faces without any similarity: their own map is undefined, or all others."""
        return int(self.similarity.isnan().all(dim=1).sum())

    @property
    def undefined(self) -> int:
        """Number of pairs of a face and a network without a similarity."""
        return int(self.similarity.isnan().sum())


def randomisation_gate(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    explain: Explain,
    *,
    networks: int = 10,
    margin: float = MARGIN,
    grid: int = GRID,
    similarity: Likeness = "spearman",
    absolute: bool = False,
    batchnorm: Statistics = "recalibrate",
    calibration: Tensor | None = None,
    ids: Sequence[str] | None = None,
    clusters: Sequence[object] | None = None,
    seed: int = 0,
) -> Gate:
    """Would random networks have given the same maps? A method for which they do gets no rank.

    Each face's map is compared with the maps of R networks that are random throughout, after the
    idea of Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018. All maps are first
    averaged over the cells of one grid, the same for every method: on their own pixels fine maps
    are unlike each other whatever they show, and coarse ones are alike by chance, so that
    resolution would decide. The mean likeness is held, with its interval, against a margin. Maps of
    which a share s of the variance ignores the network have a correlation of s with random
    networks' maps, so the default margin lets pass what depends on what the model has learned for
    more than half (simulated in ``benchmarks.calibration.gate``).

    The likeness is *not* held against that of moved maps or of other faces' maps: a Gaussian on the
    centre is as much like other faces' maps as like its own, and ignores the model all the same.
    Those stand beside it as the null.

    The gate is not a score: noise that is drawn anew for each network passes as well, and so may a
    method that depends on the weights and on nothing else that matters. Noise that is drawn by the
    face's name is a map that ignores the model: it is stopped. What is alike only in details that
    are smaller than a cell is not seen; a finer grid sees it.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a score cache of these images, which metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)`` of the trained network, made by ``explain``.
    targets
        ``(B,)`` canonical emotion indices, positions in :data:`fer_xai.emotions.EMOTIONS`.
    explain
        Callable that makes maps of a network (:class:`metrics.core.registry.Explain`).
    networks
        R, number of random networks; at least 10.
    margin
        Largest likeness that passes, between 0 and 1; declare it before looking.
    grid
        Cells a side of the grid on which maps are compared; at least 2, and 7 for ``ssim``.
    similarity
        ``spearman``, ``pearson`` or ``ssim`` (:func:`~metrics.core.similarity.map_similarity`).
    absolute
        Whether maps lose their sign first.
    batchnorm
        Running statistics of BatchNorm in the random networks: ``recalibrate`` takes them from
        images, ``keep`` leaves the trained ones, ``reset`` sets those of random layers to mean 0
        and variance 1 (:func:`~metrics.randomisation.random_networks.randomised`).
    calibration
        Images ``(N, 3, H, W)`` in [0, 1] for ``recalibrate``; the faces at hand by default, so that
        the score of a face depends a little on the others.
    ids
        Names of the faces, which methods with randomness get with each face; their positions by
        default.
    clusters
        B labels, such as the person of each face, which are the units of the interval; each face is
        its own by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Gate
        Similarities, null and verdict, with intervals; undefined pairs are left out and counted.

    Raises
    ------
    InputError
        If maps, targets or clusters do not fit the images, an option is none of its choices, a
        number is out of range, there are too few networks, or BatchNorm has to be recalibrated on a
        single face.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> net = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 4, 8, stride=8), torch.nn.Flatten(), torch.nn.Linear(16, 7)
    ... )
    >>> model = FERModel(net, emotions="rafdb", size=16).eval()
    >>> images, targets = torch.rand(24, 3, 16, 16), torch.arange(24) % 6
    >>> def edges(model, images, targets, ids):
    ...     return images.diff(dim=3, prepend=images[..., :1]).sum(dim=1)
    >>> gate = randomisation_gate(model, images, edges(None, images, None, None), targets, edges)
    >>> gate.verdict, round(gate.mean, 3)  # it ignores the model
    ('stopped', 1.0)
    """
    check_count("networks", networks, low=MIN_NETWORKS)
    check_count("grid", grid, low=2)
    check_number("margin", margin, 0, 1)
    cache = cache_of(model, images, ids=ids, seed=seed)
    n = len(cache)
    if clusters is not None:
        check_length("clusters", len(clusters), n)
    trained = on_grid(checked_maps(cache, maps), grid=grid)
    reference = comparable(trained, similarity, absolute=absolute)
    found = torch.full((n, networks), torch.nan)
    null = torch.full((n, networks), torch.nan)
    for number in range(networks if n else 0):
        network = randomised(
            cache.predictor.model,
            seed=seed_of(cache.seed, "network", number),
            batchnorm=batchnorm,
            images=cache.images if calibration is None else calibration,
        )
        made = torch.full_like(trained, torch.nan)
        for faces, _, some in explained(cache, explain, network, targets):
            made[faces] = on_grid(some, grid=grid)
        other = comparable(made, similarity, absolute=absolute)
        found[:, number] = compared(reference, other, similarity)
        null[:, number] = _with_other_faces(
            reference, other, similarity, clusters, stream(cache.seed, "other faces", number)
        )
    return Gate(
        similarity=found,
        null=null,
        margin=margin,
        clusters=None if clusters is None else [*clusters],
    )


def on_grid(maps: Tensor, *, grid: int = GRID) -> Tensor:
    """Maps ``(B, H, W)`` as means over the cells of a grid ``(B, grid, grid)``, float32.

    Where sides are no multiples of the grid, neighbouring cells share a line of pixels; maps of
    fewer pixels than cells have each repeated. Means that are zero but for rounding are zero; cells
    with a pixel that is not finite are not finite.

    Examples
    --------
    >>> on_grid(torch.tensor([[[1.0, 3.0, 0.0, 0.0], [1.0, 3.0, 0.0, 4.0]]]), grid=2)
    tensor([[[2., 0.],
             [2., 2.]]])
    """
    maps = maps.float()
    if not len(maps):
        return maps.new_zeros(0, grid, grid)
    cells = F.adaptive_avg_pool2d(maps[:, None], grid)[:, 0]
    least = _ROUNDING * maps.abs().flatten(1).amax(dim=1)[:, None, None]
    return torch.where(cells.abs() <= least, torch.zeros_like(cells), cells)


def _with_other_faces(
    own: Tensor,
    other: Tensor,
    similarity: Likeness,
    clusters: Sequence[object] | None,
    draw: Stream,
) -> Tensor:
    """``(N,)`` mean similarity with maps of faces of other clusters; NaN where there are none."""
    n = len(own)
    if n < 2:
        return torch.full((n,), torch.nan)
    codes = torch.as_tensor(cluster_codes(clusters, n))
    shifts = (draw.randperm(n - 1)[:_OTHERS] + 1).tolist()
    found = torch.stack([compared(own, other.roll(k, 0), similarity) for k in shifts])
    same = torch.stack([codes == codes.roll(k, 0) for k in shifts])
    return torch.where(same, torch.nan, found).nanmean(dim=0)
