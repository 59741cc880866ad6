"""Do sums of a map say how far the score moves? Random changes of a face, and their effects."""

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
"""Changes, of pixels in [0, 1], of the scaled infidelity that is registered. Of changes as large as
0.2 what a trained network's score does is next to nothing first-order, and its own gradient
foretells no more of it than noise."""
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
    """Does the map, times a change of the image, foretell the change of the score? Lower is better.

    E[(Iᵀφ − (f(x) − f(x − I)))²] over I ~ N(0, σ²), one value a pixel for its three channels, so
    that φ may be a map whose channels were added up (Yeh et al., NeurIPS 2019, eq. 1). The plain
    value depends on the map's units: it is meant for gradients, and compares nothing else.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a cache of these images, which other metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1]; changed ones are not clamped to it.
    maps
        ``(B, H, W)``.
    targets
        ``(B,)`` canonical emotion indices.
    samples, sigma
        Number and standard deviation of changes.
    scaling
        ``free``: of the best multiple of the map, as Captum's ``normalize=True`` has it, which
        makes maps of all methods comparable, and turns a blind eye to their sign; ``share``: the
        same as a share of E[Δ²], which makes faces and models comparable too, over 1 − 1/M for
        the multiple that was fitted to the same M changes (as adjusted R² has it), so that a map
        that foretells nothing has 1 on average, and M/(M − 1) at worst. One that is zero
        everywhere has E[Δ²], or 1.
    output
        Logit, probability or log-probability: that which was explained.
    ids, seed
        Of the changes.

    Returns
    -------
    Tensor
        ``(B,)``; NaN for a map that is not finite.

    Raises
    ------
    InputError
        For maps or targets that do not fit, an unknown scaling, or fewer than two samples.
    """
    cache = cache_of(model, images, ids=ids, seed=seed)
    check_maps(cache, maps)
    check_count("samples", samples, low=2)
    check_number("sigma", sigma, 0)
    check_choice("scaling", scaling, get_args(Scaling))
    check_choice("output", output, OUTPUTS)
    size = cache.images.shape[-2:]
    draws = Draws(cache, "infidelity", lambda g: sigma * torch.randn(samples, *size, generator=g))
    logits = cache.ask(
        ("infidelity", samples, sigma),
        lambda faces, numbers: cache.images[faces] - draws.rows(faces, numbers)[:, None],
        copies=samples,
    )
    drops = score_losses(cache, logits, targets, output)
    foretold = (
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
        size_of = (foretold**2).mean(dim=1)
        beta = (foretold * drops).mean(dim=1) / size_of.clamp(min=1e-300)
        foretold = foretold * beta[:, None]
    left = ((foretold - drops) ** 2).mean(dim=1)
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
