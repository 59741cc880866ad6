"""The gate: a method whose maps random networks would have given as well gets no rank."""

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
from metrics.statistics.tests import permutation_p_value

MIN_NETWORKS = 10
"""Fewer say little about chance."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Gate:
    """Whether an explanation depends on what the model has learned, at least grossly.

    The verdict holds a *mean* over faces and networks against the 95th percentile of *single*
    pairs of the null. Single pairs spread much wider than such a mean would under the null, so the
    verdict is a bar and no test at 5 %: a method passes whose maps are more like those of random
    networks than chance has it, as long as they are so by little. How much more they are is
    ``excess``, and whether chance would do as much is ``p``; both stand beside the verdict.

    Attributes
    ----------
    similarity
        ``(N, R)`` of each face's map with that of R random networks; NaN where undefined.
    null
        ``(N, R, D)`` with D moved and mirrored copies of these networks' maps.
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
        """Over faces with a defined map."""
        return float(self.per_face.nanmean()) if len(self.similarity) else float("nan")

    @property
    def passed(self) -> bool:
        """Whether the mean lies no higher than the threshold; False where nothing is defined."""
        return self.mean <= self.threshold

    @property
    def null_mean(self) -> float:
        """What the mean is of moved maps, over all draws."""
        return float(self.null.nanmean(dim=1).nanmean(dim=0).mean())

    @property
    def excess(self) -> float:
        """How much more alike the maps are than moved ones, ``mean - null_mean``."""
        return self.mean - self.null_mean

    @property
    def p(self) -> float:
        """One-sided Monte-Carlo p of the mean among the D means of the null, (1 + #≥) / (1 + D).

        It speaks of these faces and networks, and is at its least 1 / (1 + D). Maps that share no
        more than a liking for the middle of the face have a small one.
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
        """Faces that nothing can be said of: their map is undefined, or all networks' are."""
        return int(self.similarity.isnan().all(dim=1).sum())

    @property
    def undefined(self) -> int:
        """Pairs of a face and a network without a similarity."""
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

    Each face's map is held against those of R networks that are random throughout. Some likeness
    is to be expected of maps as smooth as these, wherever they point: the null holds the same
    trained map against the same random networks' maps after they were moved (round the border, by
    at least a quarter of the side along at least one axis) and mirrored at random, which keeps
    their smoothness and their values and takes away where they point. The gate fails where the
    mean similarity, over faces and networks, lies above the 95th percentile of single pairs of the
    null. That is a bar against gross likeness, and not a test of whether there is any: ``excess``
    and ``p`` of the result say that (:class:`Gate`).

    The null is *not* the likeness of random networks to each other: an edge detector, or a
    Gaussian on the centre, gives the same map for every network, trained or not, so its trained
    map is as much like a random network's as random networks' are like each other, and it would
    pass. Moved maps do not match it: it fails.

    It is a gate and no score: noise that is drawn anew for each network passes as well, and so may
    a method that depends on the weights and on nothing else that matters. Noise drawn by the face's
    name is a map that ignores the model: it fails.

    Parameters
    ----------
    model, images, maps, targets, explain, similarity, absolute, batchnorm, calibration, ids, seed
        As in :func:`~metrics.randomisation.mprt.mprt`.
    networks
        R, at least 10.
    draws
        D: moved copies of a network's map, for each face.

    Returns
    -------
    Gate
        Similarities, null, threshold and verdict, with excess and p; undefined pairs are left out
        and counted.

    Raises
    ------
    InputError
        As :func:`~metrics.randomisation.mprt.mprt`, or for fewer networks or no draws.
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
    """Copies of maps ``(B, H, W)``, moved round the border and mirrored at random.

    By at least a quarter of the side along at least one axis, all such moves being equally likely;
    mirrored along each axis in half of the cases. ``names`` seed each map's draws.
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
