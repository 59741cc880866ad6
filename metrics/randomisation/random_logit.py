"""Random logit: is the map of another emotion the same?"""

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
    """How similar is the map of another emotion? Lower is better.

    Sixt et al., "When explanations lie: why many modified BP attributions fail", ICML 2020: the
    similarity of the target's map with the map of another emotion, which is drawn for each face
    among those of the model. SSIM is taken in two dimensions.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a score cache of these images, which metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)`` of the trained network, made by ``explain``.
    targets
        ``(B,)`` canonical emotion indices, positions in :data:`fer_xai.emotions.EMOTIONS`.
    explain
        Callable that makes maps of a network (:class:`metrics.core.registry.Explain`).
    similarity
        ``spearman``, ``pearson`` or ``ssim`` (:func:`~metrics.core.similarity.map_similarity`).
    absolute
        Whether maps lose their sign first.
    ids
        Names of the faces, which seed the draw of the other emotion; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Tensor
        ``(B,)`` in [−1, 1]; NaN where either map is undefined, or the model has a single emotion.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, or the similarity is unknown.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> net = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 4, 8, stride=8), torch.nn.Flatten(), torch.nn.Linear(16, 7)
    ... )
    >>> model = FERModel(net, emotions="rafdb", size=16).eval()
    >>> images, targets = torch.rand(2, 3, 16, 16), torch.tensor([0, 5])
    >>> def explain(model, images, targets, ids):
    ...     images = images.requires_grad_()
    ...     scores = model(images).gather(1, model.columns(targets)[:, None])
    ...     return torch.autograd.grad(scores.sum(), images)[0].sum(dim=1)
    >>> maps = explain(model, images, targets, ["a", "b"])
    >>> random_logit(model, images, maps, targets, explain).shape
    torch.Size([2])
    >>> same = lambda model, images, targets, ids: images.mean(dim=1)  # ignores the target
    >>> random_logit(model, images, images.mean(dim=1), targets, same)
    tensor([1., 1.])
    """
    cache = cache_of(model, images, ids=ids, seed=seed)
    reference = comparable(checked_maps(cache, maps), similarity, absolute=absolute)
    classes = len(cache.predictor.emotions)
    out = torch.full((len(cache),), torch.nan)
    if classes < 2:
        return out
    away = 1 + cache.streams("random logit").randint(classes - 1)
    columns = cache.predictor.model.columns(check_targets(targets, len(cache))) + away
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
