"""Masking: the score of a face that is multiplied by its map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.scores import check_maps, target_scores
from metrics.core.undefined import nan_where_undefined, without_undefined


@dataclass(frozen=True, kw_only=True, eq=False)
class Confidence:
    """Probability of the target for the face, and for the face multiplied by its map.

    Attributes
    ----------
    clean, masked
        ``(B,)``.

    Examples
    --------
    >>> found = Confidence(clean=torch.tensor([0.8, 0.5]), masked=torch.tensor([0.6, 0.75]))
    >>> found.drop, found.increase, found.gain
    (tensor([0.2500, 0.0000]), tensor([0., 1.]), tensor([0.0000, 0.5000]))
    """

    clean: Tensor
    masked: Tensor

    @property
    def drop(self) -> Tensor:
        """``(B,)`` in [0, 1]: share of the confidence that is lost; 0 where it rises."""
        return (self.clean - self.masked).clamp(min=0) / self.clean

    @property
    def increase(self) -> Tensor:
        """``(B,)``: 1 where the confidence rises, else 0."""
        return torch.where(self.masked.isnan(), torch.nan, (self.masked > self.clean).float())

    @property
    def gain(self) -> Tensor:
        """``(B,)`` in [0, 1]: share of the missing confidence, 1 − clean, that is gained."""
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
    """Does the face keep its score when it is multiplied by its map? A smaller drop is better.

    Average drop and increase in confidence are the means of ``drop`` (lower is better) and
    ``increase`` (higher) over faces (Chattopadhay et al., WACV 2018, section 4.1); ``gain``
    (higher) is that of Zhang et al., "Opti-CAM", 2023. The positive part of a map is divided by its
    largest value; a map without a positive value leaves a black image. These metrics reward maps
    that are bright everywhere (a uniform one loses nothing), so compare them with the uniform
    control.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a score cache of these images, which metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``; negative values count as zero.
    targets
        ``(B,)`` canonical emotion indices, positions in :data:`fer_xai.emotions.EMOTIONS`.
    ids
        Names of the faces, if a new score cache is made; no draw depends on them.
    seed
        Seed of a new score cache; no draw depends on it.

    Returns
    -------
    Confidence
        ``drop``, ``increase`` and ``gain``, ``(B,)`` each; NaN for a map that is not finite. It
        takes one pass for each face and map.

    Raises
    ------
    InputError
        If maps or targets do not fit the images.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> quarters = torch.nn.Sequential(torch.nn.AvgPool3d((3, 8, 8)), torch.nn.Flatten())
    >>> names = ["happiness", "surprise", "sadness", "anger"]  # one for each quarter's brightness
    >>> model = FERModel(quarters, emotions=names, size=16)
    >>> images, targets = torch.ones(1, 3, 16, 16), torch.tensor([0])  # happiness
    >>> maps = torch.zeros(1, 16, 16)
    >>> maps[:, :8, :8] = 1  # the quarter that the logit of happiness depends on
    >>> masked_confidence(model, images, maps, targets).increase  # the other quarters turn black
    tensor([1.])
    >>> masked_confidence(model, images, maps * 0 + 1, targets).drop
    tensor([0.])
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


METRICS.register("average_drop")(
    MetricSpec(
        name="average_drop",
        fn=masked_confidence,
        family="faithfulness",
        question="Which share of the confidence is lost when the face is multiplied by its map?",
        higher_is_better=False,
        bounds=(0.0, 1.0),
        needs=("model", "images", "maps", "targets"),
        read="drop",
        passes=(1, 1),
        reference="Chattopadhay et al., WACV 2018, sec. 4.1",
    )
)
METRICS.register("average_increase")(
    MetricSpec(
        name="average_increase",
        fn=masked_confidence,
        family="faithfulness",
        question="Does the confidence rise when the face is multiplied by its map?",
        higher_is_better=True,
        bounds=(0.0, 1.0),
        needs=("model", "images", "maps", "targets"),
        read="increase",
        passes=(1, 1),
        reference="Chattopadhay et al., WACV 2018, sec. 4.1",
    )
)
METRICS.register("average_gain")(
    MetricSpec(
        name="average_gain",
        fn=masked_confidence,
        family="faithfulness",
        question=(
            "Which share of the missing confidence is gained when the face is multiplied by its "
            "map?"
        ),
        higher_is_better=True,
        bounds=(0.0, 1.0),
        needs=("model", "images", "maps", "targets"),
        read="gain",
        passes=(1, 1),
        reference="Zhang et al. 2023",
    )
)
