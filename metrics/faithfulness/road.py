"""ROAD: the score as pixels are replaced by values predicted from their neighbours."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from fer_xai.checks import check_choice, check_number, check_shares
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Classifier, Predictor
from fer_xai.perturb.fills.linear import NOISE, Linear
from metrics.core.curve import Curve, curve_of
from metrics.core.pixel_order import Order
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.scores import OUTPUTS, Output, ranks_of

FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of the image that are taken."""


def road(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    fractions: Sequence[float] = FRACTIONS,
    order: Order = "morf",
    noise: float = NOISE,
    output: Output = "probability",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Curve:
    """Does the score fall as relevant pixels are imputed? Lower means are better.

    Rong et al., "A consistent and efficient evaluation strategy for attribution methods" (Remove
    And Debias), ICML 2022, sections 4.2 and 5. Missing pixels become weighted means of their
    neighbours (the fill ``linear``, :class:`fer_xai.perturb.fills.linear.Linear`), so that the
    shape of the removed part tells the network little, and noise is added to them. As in the
    authors' implementation, noise is added in image space before the network normalises, and values
    that it moves out of [0, 1] stay so. It differs in four ways: noise is drawn once for each face,
    so that all steps and both orders share it; a fraction is the removed share in either order
    (there, LeRF removes the rest); ties are broken by seed, with exact numbers of pixels; and the
    result is the target's score for each face, where the paper reports the accuracy over many.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a score cache of these images, which metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``; signed maps keep their sign.
    targets
        ``(B,)`` canonical emotion indices, positions in :data:`fer_xai.emotions.EMOTIONS`.
    fractions
        S shares of the image, in rising order, above 0 and below 1.
    order
        ``morf`` removes the most relevant pixels first, ``lerf`` the least relevant (then higher is
        better).
    noise
        Standard deviation of the noise that is added to each channel of an imputed pixel, 0 or
        more.
    output
        Score of the target: ``probability``, ``logit`` or ``log_probability``.
    ids
        Names of the faces, which seed ties and noise; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Curve
        Scores at S + 1 fractions, the unperturbed face first; ``perturbed_mean`` leaves that out.
        NaN for a map that is not finite.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, fractions do not rise from above 0 to below 1,
        noise is negative, or an option is none of its choices.

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
    >>> images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> road(model, images, maps, targets, fractions=(0.1, 0.5))
    Curve(1 curve of 3 points, fractions 0 to 0.5)
    """
    check_shares("fractions", fractions)
    if sorted(set(fractions)) != list(fractions):
        raise InputError(f"Expected fractions that rise, got {list(fractions)}: sort them.")
    check_number("noise", noise, 0, ends=True)
    check_choice("output", output, OUTPUTS)
    cache = cache_of(model, images, ids=ids, seed=seed)
    ranks = ranks_of(cache, maps)
    counts = [0, *(round(fraction * cache.pixels) for fraction in fractions)]
    logits = cache.removed(ranks, counts, fill=Linear(noise).name, order=order)
    return curve_of(cache, logits, counts, targets, output, maps=maps)


def road_combined(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    fractions: Sequence[float] = FRACTIONS,
    noise: float = NOISE,
    output: Output = "probability",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Tensor:
    """Do relevant pixels matter more than irrelevant ones? Higher is better, 0 is chance.

    The mean over fractions of (LeRF − MoRF) / 2 of :func:`road`, as in pytorch-grad-cam's
    ``ROADCombined``. Its percentile p is the share of the image that is *kept* (the pixels below
    the p-th percentile of the map), so that fraction f is percentile 100·(1 − f), and 10 … 90 are
    the same nine either way. It takes every pixel that has the threshold's value: with a map that
    is 60 % zero, LeRF removes 60 % already at "10 %" and MoRF everything at "50 %"; with a blank
    map both remove everything. Here each removes exactly the fraction.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a score cache of these images, which metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``; signed maps keep their sign.
    targets
        ``(B,)`` canonical emotion indices, positions in :data:`fer_xai.emotions.EMOTIONS`.
    fractions
        S shares of the image, in rising order, above 0 and below 1.
    noise
        Standard deviation of the noise that is added to each channel of an imputed pixel, 0 or
        more.
    output
        Score of the target: ``probability``, ``logit`` or ``log_probability``.
    ids
        Names of the faces, which seed ties and noise; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Tensor
        ``(B,)``; in [−½, ½] for probabilities; NaN for a map that is not finite.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, fractions do not rise from above 0 to below 1,
        noise is negative, or an option is none of its choices.

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
    >>> images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> road_combined(model, images, maps, targets, fractions=(0.1, 0.5)).shape
    torch.Size([1])
    """
    cache = cache_of(model, images, ids=ids, seed=seed)

    def mean(order: Order) -> Tensor:
        return road(
            cache,
            images,
            maps,
            targets,
            fractions=fractions,
            order=order,
            noise=noise,
            output=output,
        ).perturbed_mean

    return (mean("lerf") - mean("morf")) / 2


METRICS.register("road_morf")(
    MetricSpec(
        name="road_morf",
        fn=road,
        family="faithfulness",
        question=(
            "How high does the target's probability stay when the most relevant pixels are imputed?"
        ),
        higher_is_better=False,
        bounds=(0.0, 1.0),
        needs=("model", "images", "maps", "targets"),
        options={"order": "morf"},
        read="perturbed_mean",
        passes=(1, 9),
        reference="Rong et al., ICML 2022",
    )
)
METRICS.register("road_lerf")(
    MetricSpec(
        name="road_lerf",
        fn=road,
        family="faithfulness",
        question=(
            "How high does the target's probability stay when the least relevant pixels are "
            "imputed?"
        ),
        higher_is_better=True,
        bounds=(0.0, 1.0),
        needs=("model", "images", "maps", "targets"),
        options={"order": "lerf"},
        read="perturbed_mean",
        passes=(1, 9),
        reference="Rong et al., ICML 2022",
    )
)
METRICS.register("road")(
    MetricSpec(
        name="road",
        fn=road_combined,
        family="faithfulness",
        question=(
            "How much more does the score suffer when relevant pixels are imputed than when "
            "irrelevant ones are?"
        ),
        higher_is_better=True,
        bounds=(-0.5, 0.5),
        needs=("model", "images", "maps", "targets"),
        passes=(1, 18),
        redundant_with=("road_morf", "road_lerf"),
        reference="Rong et al., ICML 2022",
    )
)
