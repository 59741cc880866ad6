"""Is what a map shows enough, and is it needed? Scores of faces that keep, or lack, the shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fer_xai.checks import check_choice, check_shares
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.scores import OUTPUTS, Output, check_maps, ranks_of, target_scores
from metrics.core.undefined import nan_where_undefined, without_undefined

BINS = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Shares of the image that are kept or taken (DeYoung et al., ACL 2020, sec. 4.2)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Confidence:
    """The target's probability on the face, and on the face seen through its map.

    Attributes
    ----------
    clean, masked
        ``(B,)``.
    """

    clean: Tensor
    masked: Tensor

    @property
    def drop(self) -> Tensor:
        """``(B,)`` in [0, 1]: share of the confidence that is lost, 0 where it rises."""
        return (self.clean - self.masked).clamp(min=0) / self.clean

    @property
    def increase(self) -> Tensor:
        """``(B,)``: 1 where the confidence rises, else 0."""
        return torch.where(self.masked.isnan(), torch.nan, (self.masked > self.clean).float())

    @property
    def gain(self) -> Tensor:
        """``(B,)`` in [0, 1]: share of what was lacking to certainty that is gained."""
        lacking = 1 - self.clean
        gained = (self.masked - self.clean).clamp(min=0)
        return torch.where(lacking > 0, gained / lacking.clamp(min=1e-12), torch.nan)


def masked_confidence(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Confidence:
    """Does the face keep its score when it is multiplied by its map?

    Average drop and increase in confidence are the means of ``drop`` and ``increase`` over faces
    (Chattopadhay et al., WACV 2018, sec. 4.1); ``gain`` is that of Zhang et al., "Opti-CAM", 2023.
    A map's positive part is divided by its largest value; a map without any shows nothing, so that
    a black image is left. These reward maps that are bright all over (a uniform one loses nothing):
    read them beside the uniform control.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a cache of these images, which other metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``.
    targets
        ``(B,)`` canonical emotion indices.
    ids, seed
        Of a new cache.

    Returns
    -------
    Confidence
        One pass a face and map; ``masked`` is NaN for a map that is not finite.

    Raises
    ------
    InputError
        For maps or targets that do not fit.
    """
    cache = cache_of(model, images, ids=ids, seed=seed)
    check_maps(cache, maps)
    shown = without_undefined(maps).to(cache.images).clamp(min=0)
    shown = shown / shown.amax(dim=(1, 2), keepdim=True).clamp(min=1e-30)
    logits = cache.ask(
        ("masked", cache.key_of(maps)),
        lambda faces, _: cache.images[faces] * shown[faces][:, None],
        copies=1,
    )
    clean = target_scores(cache, cache.clean()[:, None], targets, "probability")[:, 0]
    masked = target_scores(cache, logits, targets, "probability")[:, 0]
    return Confidence(clean=clean, masked=nan_where_undefined(masked, maps))


@dataclass(frozen=True, kw_only=True, eq=False)
class Erasure:
    """What is lost with the most relevant pixels, and without the others.

    Attributes
    ----------
    without, only
        ``(B, q)`` score less the score without the first pixels, and with only those, a bin each.
    """

    without: Tensor
    only: Tensor

    @property
    def comprehensiveness(self) -> Tensor:
        """``(B,)`` mean loss when the first pixels are taken; higher is better."""
        return self.without.mean(dim=1)

    @property
    def sufficiency(self) -> Tensor:
        """``(B,)`` mean loss when only they are left; lower is better."""
        return self.only.mean(dim=1)


def erasure(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    bins: Sequence[float] = BINS,
    fill: str = "blur",
    output: Output = "probability",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Erasure:
    """Comprehensiveness and sufficiency (DeYoung et al., "ERASER", ACL 2020, sec. 4.2).

    They are averaged over bins, on pixels instead of tokens. Parameters and errors are those of
    :func:`metrics.faithfulness.deletion.deletion`; ``bins`` are shares of the image, of which at
    least one pixel is taken and one left.
    """
    check_shares("bins", bins)
    check_choice("output", output, OUTPUTS)
    cache = cache_of(model, images, ids=ids, seed=seed)
    ranks = ranks_of(cache, maps)
    total = cache.pixels
    counts = [min(max(1, round(share * total)), total - 1) for share in bins]
    gone = cache.removed(ranks, counts, fill=fill, order="morf")
    left = cache.removed(ranks, [total - count for count in counts], fill=fill, order="lerf")
    clean = target_scores(cache, cache.clean()[:, None], targets, output)
    clean = nan_where_undefined(clean, maps)
    return Erasure(
        without=clean - target_scores(cache, gone, targets, output),
        only=clean - target_scores(cache, left, targets, output),
    )


def _spec(
    name: str, fn: Callable[..., Any], read: str, low: float, *, better: bool, reference: str
) -> MetricSpec:
    return METRICS.register(name)(
        MetricSpec(
            name=name,
            fn=fn,
            family="faithfulness",
            higher_is_better=better,
            bounds=(low, 1.0),
            needs=("model", "images", "maps", "targets"),
            read=read,
            reference=reference,
        )
    )


_CHATTOPADHAY, _ERASER = "Chattopadhay et al., WACV 2018, sec. 4.1", "DeYoung et al., ACL 2020"
AVERAGE_DROP = _spec(
    "average_drop", masked_confidence, "drop", 0.0, better=False, reference=_CHATTOPADHAY
)
AVERAGE_INCREASE = _spec(
    "average_increase", masked_confidence, "increase", 0.0, better=True, reference=_CHATTOPADHAY
)
AVERAGE_GAIN = _spec(
    "average_gain", masked_confidence, "gain", 0.0, better=True, reference="Zhang et al. 2023"
)
COMPREHENSIVENESS = _spec(
    "comprehensiveness", erasure, "comprehensiveness", -1.0, better=True, reference=_ERASER
)
SUFFICIENCY = _spec("sufficiency", erasure, "sufficiency", -1.0, better=False, reference=_ERASER)
