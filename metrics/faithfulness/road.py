"""ROAD: what the score becomes as pixels are replaced by what their neighbours let expect."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from fer_xai.checks import check_choice, check_number, check_shares
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Classifier, Predictor
from fer_xai.perturb.linear import NOISE, linear_fill
from metrics.core.pixel_order import Order
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.scores import OUTPUTS, Output, ranks_of
from metrics.faithfulness.deletion import Curve, curve_of

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
    """Does the score fall as relevant pixels are imputed? Lower means are better, higher by LeRF.

    Rong et al., "A consistent and efficient evaluation strategy for attribution methods" (Remove
    And Debias), ICML 2022, sections 4.2 and 5: missing pixels become weighted means of their
    neighbours (:func:`fer_xai.perturb.linear.linear_imputation`), so that the shape of what was
    taken tells the network little, and noise is added to them. As in the authors' implementation,
    noise is added in image space before the network normalises, and what leaves [0, 1] by it is
    left so. Unlike there it is drawn once a face, so that all steps and both orders share it; a
    fraction is what is taken in either order (there LeRF takes the rest); ties are broken by seed,
    in exact numbers of pixels; and scores are the target's output on each face, where the paper has
    the accuracy over many.

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
    fractions
        S shares of the image, rising, above 0 and below 1.
    order
        ``morf`` takes the most relevant pixels first, ``lerf`` the least relevant.
    noise
        Standard deviation of what is added to each channel of an imputed pixel.
    output
        Probability, logit or log-probability of the target.
    ids, seed
        Of ties and noise.

    Returns
    -------
    Curve
        Scores at S + 1 fractions, the unperturbed face first; ``perturbed_mean`` leaves that out.
        NaN for a map that is not finite.

    Raises
    ------
    InputError
        For maps or targets that do not fit, fractions that do not rise from above 0 to below 1, or
        negative noise.
    """
    check_shares("fractions", fractions)
    if sorted(set(fractions)) != list(fractions):
        raise InputError(f"Expected fractions that rise, got {list(fractions)}: sort them.")
    check_number("noise", noise, 0, ends=True)
    check_choice("output", output, OUTPUTS)
    cache = cache_of(model, images, ids=ids, seed=seed)
    ranks = ranks_of(cache, maps)
    counts = [0, *(round(fraction * cache.pixels) for fraction in fractions)]
    logits = cache.removed(ranks, counts, fill=linear_fill(noise), order=order)
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
    """Do relevant pixels matter more than irrelevant ones? ``(B,)``; higher is better, 0 is chance.

    The mean over fractions of (LeRF − MoRF) / 2 of :func:`road`, as pytorch-grad-cam's
    ``ROADCombined``. Its percentile p is the share of the image that is *kept* (what lies below the
    p-th percentile of the map), so that fraction f is percentile 100·(1 − f), and 10 … 90 are the
    same nine either way. It takes every pixel of the threshold's value: of a map that is 60 % zero
    LeRF takes 60 % already at "10 %" and MoRF all at "50 %", of a blank map both take all. Here
    each takes as many as it says. Parameters and errors are those of :func:`road`.
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
