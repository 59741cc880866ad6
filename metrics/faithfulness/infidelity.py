"""Infidelity: does a map predict how the score changes with small changes of the face?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from fer_xai.checks import check_choice, check_count, check_number
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.draws import Draws
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import FLAT, ScoreCache, cache_of
from metrics.core.scores import OUTPUTS, Output, check_maps, score_losses
from metrics.core.undefined import nan_where_undefined, without_undefined

SMALL = 0.01
"""Standard deviation of the changes in the registered scaled infidelity, for pixels in [0, 1]. With
changes as large as 0.2, a trained network's score is hardly linear any more, and its own gradient
predicts no more of it than noise."""
Scaling = Literal["none", "free", "share"]


def infidelity(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    samples: int = 64,
    sigma: float = 0.2,
    scaling: Scaling = "none",
    output: Output = "logit",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Tensor:
    """Does the map, times a change of the image, predict the change of the score? Lower is better.

    E[(Iᵀφ − (f(x) − f(x − I)))²] over I ~ N(0, σ²), with one value for the three channels of a
    pixel, so that φ may be a map whose channels were added up (Yeh et al., NeurIPS 2019, equation
    1). The plain value depends on the map's units: it is meant for gradients, and must not be
    compared between methods.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a score cache of these images, which metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1]; changed images are not clamped to this range.
    maps
        ``(B, H, W)``.
    targets
        ``(B,)`` canonical emotion indices, positions in :data:`fer_xai.emotions.EMOTIONS`.
    samples
        M, number of changes; at least 2.
    sigma
        σ, standard deviation of the changes, above 0.
    scaling
        ``none``: the map as it is. ``free``: the best multiple of the map, as with Captum's
        ``normalize=True``, which makes all methods comparable and ignores the map's sign.
        ``share``: the same as a share of E[Δ²], which makes faces and models comparable too. It is
        divided by 1 − 1/M, because the multiple is fitted to the same M changes (as in adjusted
        R²): a map that predicts nothing scores 1 on average and M/(M − 1) at worst. A map that is
        zero everywhere scores E[Δ²] with ``free``, and 1 with ``share``.
    output
        Score that was explained: ``logit``, ``probability`` or ``log_probability`` of the target.
    ids
        Names of the faces, which seed the changes; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Tensor
        ``(B,)``; NaN for a map that is not finite.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, an option is none of its choices, or a number is
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
    >>> images.requires_grad_()[0, 0, 0, 0].item()
    1.0
    >>> gradient = torch.autograd.grad(model(images)[:, 0].sum(), images)[0].sum(dim=1)
    >>> score = infidelity(model, images.detach(), gradient, targets)  # a linear model: exact
    >>> score < 1e-8
    tensor([True])
    """
    cache = cache_of(model, images, ids=ids, seed=seed)
    check_maps(cache, maps)
    check_count("samples", samples, low=2)
    check_number("sigma", sigma, 0)
    check_choice("scaling", scaling, get_args(Scaling))
    check_choice("output", output, OUTPUTS)
    size = cache.images.shape[-2:]
    draws = Draws(cache, "infidelity", lambda own: sigma * own.randn(samples, *size))
    logits = cache.ask(
        ("infidelity", samples, sigma),
        lambda faces, numbers: cache.images[faces] - draws.rows(faces, numbers)[:, None],
        copies=samples,
    )
    drops = score_losses(cache, logits, targets, output)
    predicted = (
        torch.stack(
            [
                draws[face].flatten(1).double() @ one.flatten().cpu().double()
                for face, one in enumerate(without_undefined(maps))
            ]
        )
        if len(cache)
        else drops
    )
    if scaling != "none":
        size_of = (predicted**2).mean(dim=1)
        beta = (predicted * drops).mean(dim=1) / size_of.clamp(min=1e-300)
        predicted = predicted * beta[:, None]
    left = ((predicted - drops) ** 2).mean(dim=1)
    if scaling == "share":
        all_of_it = (drops**2).mean(dim=1)
        left = left / torch.where(size_of > 0, 1 - 1 / samples, 1.0)
        left = torch.where(all_of_it > FLAT**2, left / all_of_it, torch.nan)
    return nan_where_undefined(left.float(), maps)


METRICS.register("infidelity")(
    MetricSpec(
        name="infidelity",
        fn=infidelity,
        family="faithfulness",
        question=(
            "How far is the map, times a random change of the image, from the change of the score?"
        ),
        higher_is_better=False,
        bounds=(0.0, math.inf),
        needs=("model", "images", "maps", "targets"),
        passes=(65, 0),
        reference="Yeh et al., NeurIPS 2019, eq. 1",
    )
)
METRICS.register("infidelity_scaled")(
    MetricSpec(
        name="infidelity_scaled",
        fn=infidelity,
        family="faithfulness",
        question=(
            "Which share of the score's small changes does the best multiple of the map fail to "
            "predict (1 is chance)?"
        ),
        higher_is_better=False,
        bounds=(0.0, 64 / 63),
        needs=("model", "images", "maps", "targets"),
        options={"scaling": "share", "samples": 64, "sigma": SMALL},
        passes=(65, 0),
        sign_blind=True,
        reference=(
            "Yeh et al., NeurIPS 2019, eq. 1, for the map's best multiple, as a share of the "
            "score's small changes"
        ),
    )
)
