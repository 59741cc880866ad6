"""The randomisation gate: a method whose maps random networks would also give gets no rank."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fer_xai.checks import check_count
from fer_xai.inference.predictor import Classifier, Predictor
from fer_xai.seeding import generator
from metrics.core.reexplaining import checked_maps, explained
from metrics.core.registry import Explain
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.similarity import Likeness, comparable, compared
from metrics.randomisation.random_networks import Statistics, randomised
from metrics.statistics.permuting import permutation_p_value

MIN_NETWORKS = 10
"""Fewer say little about chance."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Gate:
    """Whether an explanation depends on what the model has learned, at least grossly.

    The verdict compares a *mean* over faces and networks with the 95th percentile of *single* pairs
    of the null. Single pairs spread much wider than such a mean would under the null, so the
    verdict is a bar and not a test at 5 %: a method passes if its maps are only a little more like
    those of random networks than by chance. ``excess`` says how much more similar they are, and
    ``p`` whether chance would do as much; report both beside the verdict.

    Attributes
    ----------
    similarity
        ``(N, R)`` of each face's map with the maps of R random networks; NaN where undefined.
    null
        ``(N, R, D)`` of each face's map with D moved and mirrored copies of these networks' maps.

    Examples
    --------
    >>> null = torch.linspace(-1, 1, 60).reshape(1, 3, 20)
    >>> gate = Gate(similarity=torch.full((1, 3), 0.5), null=null)
    >>> gate.passed, round(gate.excess, 3), round(gate.p, 3)
    (True, 0.5, 0.048)
    """

    similarity: Tensor
    null: Tensor

    @property
    def threshold(self) -> float:
        """95th percentile of the null's single pairs, pooled; NaN if nothing is defined."""
        known = self.null[self.null.isfinite()].numpy()
        return float(np.quantile(known, 0.95)) if len(known) else float("nan")

    @property
    def per_face(self) -> Tensor:
        """``(N,)`` mean over the networks for which it is defined."""
        return self.similarity.nanmean(dim=1)

    @property
    def mean(self) -> float:
        """Mean over faces with a defined map."""
        return float(self.per_face.nanmean()) if len(self.similarity) else float("nan")

    @property
    def passed(self) -> bool:
        """Whether the mean lies no higher than the threshold; False where nothing is defined."""
        return self.mean <= self.threshold

    @property
    def null_mean(self) -> float:
        """Mean similarity with moved maps, over all draws."""
        return float(self.null.nanmean(dim=1).nanmean(dim=0).mean())

    @property
    def excess(self) -> float:
        """Difference of similarity from that with moved maps, ``mean - null_mean``."""
        return self.mean - self.null_mean

    @property
    def p(self) -> float:
        """One-sided Monte-Carlo p of the mean among the D means of the null, (1 + #≥) / (1 + D).

        It holds for these faces and networks, and is never below 1 / (1 + D). Maps that share no
        more than a preference for the middle of the face have a small p.
        """
        every = torch.cat([self.similarity[..., None], self.null], dim=2)
        mean, *null = every.nanmean(dim=1).nanmean(dim=0).tolist()  # 1 + D, summed alike
        return permutation_p_value(mean, null) if math.isfinite(mean) else float("nan")

    @property
    def share_above(self) -> float:
        """Share of the faces with a defined map whose own mean lies above the threshold."""
        known = self.per_face[self.per_face.isfinite()]
        return float((known > self.threshold).double().mean()) if len(known) else float("nan")

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
    draws: int = 20,
    similarity: Likeness = "spearman",
    absolute: bool = False,
    batchnorm: Statistics = "recalibrate",
    calibration: Tensor | None = None,
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Gate:
    """Would random networks have given the same maps? A method for which they do gets no rank.

    Each face's map is compared with the maps of R networks that are random throughout. Maps as
    smooth as these are somewhat similar wherever they point. So the null compares the same trained
    map with the same random networks' maps after these were moved (around the border, by at least a
    quarter of the side along at least one axis) and mirrored at random, which keeps their
    smoothness and their values, and removes where they point. The gate fails if the mean
    similarity, over faces and networks, is above the 95th percentile of single pairs of the null.
    That is a bar against gross similarity, and not a test of any similarity: ``excess`` and ``p``
    of the result give that (:class:`Gate`).

    The null is *not* the similarity between random networks: an edge detector, or a Gaussian on the
    centre, gives the same map for every network, trained or not, so its trained map is as similar
    to a random network's as random networks' maps are to each other, and it would pass. It does not
    match moved maps: so it fails.

    The gate is not a score: noise that is drawn anew for each network passes as well, and so may a
    method that depends on the weights and on nothing else that matters. Noise that is drawn by the
    face's name is a map that ignores the model: it fails.

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
    draws
        D, number of moved copies of a network's map, for each face.
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
        Names of the faces, which seed the moves; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Gate
        Similarities, null, threshold and verdict, with excess and p; undefined pairs are left out
        and counted.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, an option is none of its choices, there are too
        few networks or no draws, or BatchNorm has to be recalibrated on a single face.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> net = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 4, 8, stride=8), torch.nn.Flatten(), torch.nn.Linear(16, 7)
    ... )
    >>> model = FERModel(net, emotions="rafdb", size=16).eval()
    >>> images, targets = torch.rand(2, 3, 16, 16), torch.tensor([0, 5])
    >>> def explain(model, images, targets, ids):
    ...     images = images.requires_grad_()
    ...     scores = model(images).gather(1, model.columns(targets)[:, None])
    ...     return torch.autograd.grad(scores.sum(), images)[0].sum(dim=1)
    >>> maps = explain(model, images, targets, ["a", "b"])
    >>> def edges(model, images, targets, ids):
    ...     return images.diff(dim=3, prepend=images[..., :1]).sum(dim=1)
    >>> gate = randomisation_gate(model, images, edges(None, images, None, None), targets, edges)
    >>> gate.passed, round(gate.mean, 3)  # it ignores the model
    (False, 1.0)
    """
    check_count("networks", networks, low=MIN_NETWORKS)
    check_count("draws", draws)
    cache = cache_of(model, images, ids=ids, seed=seed)
    reference = comparable(checked_maps(cache, maps), similarity, absolute=absolute)
    found = torch.full((len(cache), networks), torch.nan)
    null = torch.full((len(cache), networks, draws), torch.nan)
    for number in range(networks if len(cache) else 0):
        network = randomised(
            cache.predictor.model,
            seed=generator(cache.seed, "network", number).initial_seed(),
            batchnorm=batchnorm,
            images=cache.images if calibration is None else calibration,
        )
        for faces, _, made in explained(cache, explain, network, targets):
            own, other = reference[faces], comparable(made, similarity, absolute=absolute)
            found[faces, number] = compared(own, other, similarity)
            names = [(cache.seed, cache.ids[face], "moved", number) for face in faces.tolist()]
            for draw, moved in enumerate(moved_copies(other, names, draws=draws)):
                null[faces, number, draw] = compared(own, moved, similarity)
    return Gate(similarity=found, null=null)


def moved_copies(
    maps: Tensor, names: Sequence[tuple[object, ...]], *, draws: int
) -> Iterator[Tensor]:
    """Copies of maps ``(B, H, W)`` that are moved around the border and mirrored at random.

    They are moved by at least a quarter of the side along at least one axis, all such moves being
    equally likely, and mirrored along each axis in half of the cases. ``names`` seed each map's
    draws.

    Examples
    --------
    >>> maps = torch.zeros(1, 8, 8)
    >>> maps[0, 0, 0] = 1
    >>> copies = list(moved_copies(maps, [(0, "face a")], draws=3))
    >>> [float(copy.sum()) for copy in copies], [float(copy[0, 0, 0]) for copy in copies]
    ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
    """
    height, width = maps.shape[-2:]
    far = [
        torch.minimum(torch.arange(side), side - torch.arange(side)) >= side / 4
        for side in (height, width)
    ]
    moves = (far[0][:, None] | far[1][None]).nonzero()  # (K, 2)
    plans = []
    for name in names:
        own = generator(*name)
        chosen = moves[torch.randint(len(moves), (draws,), generator=own)]
        flips = torch.randint(2, (draws, 2), generator=own)
        plans.append(torch.cat([chosen, flips], dim=1).tolist())
    for draw in range(draws):
        copies = []
        for one, plan in zip(maps, plans, strict=True):
            down, right, *flips = plan[draw]
            axes = [axis for axis in (0, 1) if flips[axis]]
            copies.append(one.flip(axes).roll((down, right), (0, 1)))
        yield torch.stack(copies)
