"""Deletion and insertion: the score as pixels are removed, or return, in the order of a map."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from fer_xai.checks import check_choice, check_count
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.curve import Curve, curve_of
from metrics.core.pixel_order import ORDERS, Order
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.scores import OUTPUTS, Output, ranks_of


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
    """How fast does the score fall as the map's first pixels are removed? Lower areas are better.

    Petsiuk et al., BMVC 2018, section 4.1, but over the actual fractions, with the unperturbed
    point, and with ties broken by seed. Their presets are black for deletion and a blur for
    insertion (``fill``). A fill that the model was never trained on can lower a score by itself, so
    curves of one fill compare maps and not models.

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
    steps
        S: number of points beside the unperturbed one, from 1 to the number of pixels.
    fill
        Name of what replaces removed pixels: one of :data:`fer_xai.perturb.fills.FILLS`, or a fill
        of your own in the score cache (:class:`metrics.core.score_cache.ScoreCache`).
    order
        ``morf`` removes the most relevant pixels first. ``lerf`` removes the least relevant first:
        then higher areas are better, and the curve is that of :func:`insertion` read backwards.
    output
        Score of the target: ``probability``, ``logit`` or ``log_probability``.
    ids
        Names of the faces, which seed ties and random fills; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Curve
        Scores at S + 1 fractions; NaN for a map that is not finite.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, an option is none of its choices, or ``steps`` is
        out of range.

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
    >>> curve = deletion(model, images, maps, targets, steps=4, fill="black")
    >>> curve
    Curve(1 curve of 5 points, fractions 0 to 1)
    >>> curve.auc < deletion(model, images, -maps, targets, steps=4, fill="black").auc
    tensor([True])
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

    Petsiuk et al., BMVC 2018, section 4.1. Putting the first k pixels back is removing the last
    P − k, so a score cache shares these images with :func:`deletion` in the other order.

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
    steps
        S: number of points beside the unperturbed one, from 1 to the number of pixels.
    fill
        Name of what replaces removed pixels: one of :data:`fer_xai.perturb.fills.FILLS`, or a fill
        of your own in the score cache (:class:`metrics.core.score_cache.ScoreCache`).
    order
        ``morf`` puts the most relevant pixels back first, ``lerf`` the least relevant.
    output
        Score of the target: ``probability``, ``logit`` or ``log_probability``.
    ids
        Names of the faces, which seed ties and random fills; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Curve
        Scores at S + 1 fractions; NaN for a map that is not finite.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, an option is none of its choices, or ``steps`` is
        out of range.

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
    >>> curve = insertion(model, images, maps, targets, steps=4, fill="black")
    >>> curve.auc > insertion(model, images, -maps, targets, steps=4, fill="black").auc
    tensor([True])
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
    """Number of removed pixels at each of S + 1 evenly spaced points, from none to all.

    Examples
    --------
    >>> step_counts(10, 4)
    [0, 2, 5, 8, 10]
    """
    check_count("steps", steps)
    if steps > pixels:
        raise InputError(f"Expected at most {pixels} steps, one a pixel, got {steps}.")
    return [round(index * pixels / steps) for index in range(steps + 1)]


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
# The skin is made of facial regions, which the score cache is given.
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
