"""TODO."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fer_xai.checks import check_targets
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.reexplaining import checked_maps, explained
from metrics.core.registry import METRICS, Explain, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.similarity import Likeness, comparable, compared


def random_logit(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    explain: Explain,
    *,
    similarity: Likeness = "ssim",
    absolute: bool = False,
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Tensor:
    """Is the map of another emotion the same? Lower is better.

    Sixt et al., "When explanations lie: why many modified BP attributions fail", ICML 2020: the
    similarity of the target's map with that of another class, drawn for each face
    among the emotions that the model has. SSIM is taken in two dimensions.

    Parameters
    ----------
    model, images, maps, targets, explain, similarity, absolute, ids, seed
        As in :func:`mprt`.

    Returns
    -------
    Tensor
        ``(B,)`` in [−1, 1]; NaN where either map is undefined, or the model has one emotion.

    Raises
    ------
    InputError
        For maps or targets that do not fit, or another similarity.
    """
    cache = cache_of(model, images, ids=ids, seed=seed)
    reference = comparable(checked_maps(cache, maps), similarity, absolute=absolute)
    classes = len(cache.predictor.emotions)
    out = torch.full((len(cache),), torch.nan)
    if classes < 2:
        return out
    away = [
        int(torch.randint(1, classes, (), generator=own))
        for own in cache.generators("random logit")
    ]
    columns = cache.predictor.model.columns(check_targets(targets, len(cache))) + torch.tensor(
        away, dtype=torch.int64
    )
    others = cache.predictor.model.canonical(columns % classes)
    for faces, _, found in explained(cache, explain, cache.predictor.model, others):
        other = comparable(found, similarity, absolute=absolute)
        out[faces] = compared(reference[faces], other, similarity)
    return out


METRICS.register("random_logit")(
    MetricSpec(
        name="random_logit",
        fn=random_logit,
        family="randomisation",
        question="How similar is the map of another emotion?",
        higher_is_better=False,
        bounds=(-1.0, 1.0),
        needs=("model", "images", "maps", "targets", "explain"),
        sign_blind=True,
        reference="Sixt et al., ICML 2020",
    )
)
