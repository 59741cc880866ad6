"""Deletion and insertion: what happens to the score as pixels go, or come, in a map's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fer_xai.checks import check_choice, check_count
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.pixel_order import ORDERS, Order
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.scores import OUTPUTS, Output, ranks_of, target_scores
from metrics.core.undefined import nan_where_undefined


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """A score along perturbed images.

    Attributes
    ----------
    fractions
        ``(S + 1,)`` share of pixels that was taken (deletion) or put back (insertion), from 0 to 1,
        as it was, not as it was asked for.
    scores
        ``(B, S + 1)``.
    """

    fractions: Tensor
    scores: Tensor

    @property
    def auc(self) -> Tensor:
        """``(B,)`` area under each curve, by the trapezoid rule over the actual fractions."""
        return torch.trapezoid(self.scores, self.fractions, dim=1)

    @property
    def error(self) -> Tensor:
        """``(B,)`` how far the area may be off for having so few steps: a third of its difference
        to the area over every other one (Richardson). NaN for an odd number of steps.
        """
        steps = len(self.fractions) - 1
        if steps < 2 or steps % 2:
            return torch.full((len(self.scores),), torch.nan)
        half = torch.trapezoid(self.scores[:, ::2], self.fractions[::2], dim=1)
        return (self.auc - half).abs() / 3

    @property
    def mean(self) -> Tensor:
        """``(B,)`` mean over all points that are defined."""
        return self.scores.nanmean(dim=1)

    @property
    def perturbed_mean(self) -> Tensor:
        """``(B,)`` mean over all points but the unperturbed one."""
        return self.scores[:, 1:].mean(dim=1)

    @property
    def aopc(self) -> Tensor:
        """``(B,)`` mean of score(0) − score(k) over all points (Samek et al., 2017, eq. 12)."""
        return (self.scores[:, :1] - self.scores).mean(dim=1)


def deletion(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    steps: int = 64,
    fill: str = "blur",
    order: Order = "morf",
    output: Output = "probability",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Curve:
    """How fast does the score fall as the map's first pixels are taken? Lower areas are better.

    Petsiuk et al., BMVC 2018, section 4.1, but over the actual fractions, with the unperturbed
    point, and with ties broken by seed. Their presets are black for deletion and a blur for
    insertion (``fill``); a fill that the model was never trained on can lower a score by itself,
    which is why curves of one fill alone compare maps and not models.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a cache of these images, which other metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``; signed maps keep their sign.
    targets
        ``(B,)`` canonical emotion indices.
    steps
        S: points beside the unperturbed one; no more than there are pixels.
    fill
        A name of :data:`fer_xai.perturb.fills.FILLS`, or ``linear``
        (:class:`metrics.core.score_cache.ScoreCache`).
    order
        ``morf``: most relevant first; ``lerf``: least relevant first (higher areas are better: it
        is insertion read backwards, with the same area).
    output
        Probability, logit or log-probability of the target.
    ids, seed
        Of ties and random fills.

    Returns
    -------
    Curve
        Scores at S + 1 fractions; NaN for a map that is not finite.

    Raises
    ------
    InputError
        For maps or targets that do not fit, or steps that are not from 1 to the number of pixels.
    """
    check_choice("output", output, OUTPUTS)
    cache = cache_of(model, images, ids=ids, seed=seed)
    ranks = ranks_of(cache, maps)
    counts = step_counts(cache.pixels, steps)
    logits = cache.removed(ranks, counts, fill=fill, order=order)
    return curve_of(cache, logits, counts, targets, output, maps=maps)


def insertion(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    steps: int = 64,
    fill: str = "blur",
    order: Order = "morf",
    output: Output = "probability",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Curve:
    """How fast does the score rise as the map's first pixels are put back? Higher areas are better.

    Petsiuk et al., BMVC 2018, section 4.1. Putting the first k back is taking the last P − k, so
    a cache has these images in common with deletion in the other order. Parameters, returns and
    errors are those of :func:`deletion`.
    """
    check_choice("order", order, ORDERS)
    check_choice("output", output, OUTPUTS)
    cache = cache_of(model, images, ids=ids, seed=seed)
    ranks = ranks_of(cache, maps)
    counts = step_counts(cache.pixels, steps)
    gone = [cache.pixels - count for count in counts]
    other: Order = "lerf" if order == "morf" else "morf"
    logits = cache.removed(ranks, gone, fill=fill, order=other)
    return curve_of(cache, logits, counts, targets, output, maps=maps)


def step_counts(pixels: int, steps: int) -> list[int]:
    """How many pixels are gone at each of S + 1 points, from none to all, as even as can be."""
    check_count("steps", steps)
    if steps > pixels:
        raise InputError(f"Expected at most {pixels} steps, one a pixel, got {steps}.")
    return [round(index * pixels / steps) for index in range(steps + 1)]


def curve_of(
    cache: ScoreCache,
    logits: Tensor,
    counts: Sequence[int],
    targets: Tensor,
    output: Output,
    *,
    maps: Tensor,
) -> Curve:
    """The curve of logits ``(B, S + 1, C)`` after so many pixels; NaN for undefined maps."""
    return Curve(
        fractions=torch.tensor(counts, dtype=torch.float64).div(cache.pixels).float(),
        scores=nan_where_undefined(target_scores(cache, logits, targets, output), maps),
    )


METRICS.register("deletion")(
    MetricSpec(
        name="deletion",
        fn=deletion,
        family="faithfulness",
        question=(
            "How fast does the target's probability fall as the map's first pixels are blurred?"
        ),
        higher_is_better=False,
        bounds=(0.0, 1.0),
        needs=("model", "images", "maps", "targets"),
        read="auc",
        passes=(2, 63),
        reference="Petsiuk et al., BMVC 2018, sec. 4.1",
    )
)
METRICS.register("insertion")(
    MetricSpec(
        name="insertion",
        fn=insertion,
        family="faithfulness",
        question=(
            "How fast does the target's probability rise as the map's first pixels return to a "
            "blurred face?"
        ),
        higher_is_better=True,
        bounds=(0.0, 1.0),
        needs=("model", "images", "maps", "targets"),
        read="auc",
        passes=(2, 63),
        reference="Petsiuk et al., BMVC 2018, sec. 4.1",
    )
)
# RISE sets pixels to zero after normalisation, which is the mean colour of its training images.
METRICS.register("deletion_rise")(
    MetricSpec(
        name="deletion_rise",
        fn=deletion,
        family="faithfulness",
        question=(
            "How fast does the target's probability fall as the map's first pixels turn black?"
        ),
        higher_is_better=False,
        bounds=(0.0, 1.0),
        needs=("model", "images", "maps", "targets"),
        options={"fill": "black"},
        read="auc",
        passes=(2, 63),
        reference="Petsiuk et al., BMVC 2018, sec. 4.1",
    )
)
# RISE blurs with this kernel (at 224 pixels a side); where it pads with the mean colour, the
# image is mirrored here.
METRICS.register("insertion_rise")(
    MetricSpec(
        name="insertion_rise",
        fn=insertion,
        family="faithfulness",
        question=(
            "How fast does the target's probability rise as the map's first pixels return to a "
            "face under RISE's blur?"
        ),
        higher_is_better=True,
        bounds=(0.0, 1.0),
        needs=("model", "images", "maps", "targets"),
        options={"fill": "blur_rise"},
        read="auc",
        passes=(2, 63),
        reference="Petsiuk et al., BMVC 2018, sec. 4.1",
    )
)
# Callers hand in the face's own skin (fer_xai.landmarks.skin_fill).
METRICS.register("deletion_skin")(
    MetricSpec(
        name="deletion_skin",
        fn=deletion,
        family="faithfulness",
        question=(
            "How fast does the target's probability fall as the map's first pixels are covered "
            "with the face's own skin?"
        ),
        higher_is_better=False,
        bounds=(0.0, 1.0),
        needs=("model", "images", "maps", "targets"),
        options={"fill": "skin"},
        read="auc",
        passes=(2, 63),
        reference="Petsiuk et al., BMVC 2018, sec. 4.1",
    )
)
METRICS.register("insertion_skin")(
    MetricSpec(
        name="insertion_skin",
        fn=insertion,
        family="faithfulness",
        question=(
            "How fast does the target's probability rise as the map's first pixels return to a "
            "face covered with its own skin?"
        ),
        higher_is_better=True,
        bounds=(0.0, 1.0),
        needs=("model", "images", "maps", "targets"),
        options={"fill": "skin"},
        read="auc",
        passes=(2, 63),
        reference="Petsiuk et al., BMVC 2018, sec. 4.1",
    )
)
METRICS.register("aopc")(
    MetricSpec(
        name="aopc",
        fn=deletion,
        family="faithfulness",
        question=(
            "How much of the target's probability is lost, on average, along the deletion curve?"
        ),
        higher_is_better=True,
        bounds=(-1.0, 1.0),
        needs=("model", "images", "maps", "targets"),
        read="aopc",
        passes=(2, 63),
        redundant_with=("deletion",),
        reference="Samek et al., TNNLS 2017, eq. 12",
    )
)
