"""Erasure: the score without the first pixels of a map, and with only these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from fer_xai.checks import check_choice, check_shares
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.scores import OUTPUTS, Output, ranks_of, target_scores
from metrics.core.undefined import nan_where_undefined

BINS = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Shares of the image that are kept or taken (DeYoung et al., ACL 2020, sec. 4.2)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Erasure:
    """Losses of score without the most relevant pixels, and with only these.

    Attributes
    ----------
    without, only
        ``(B, q)`` score of the face less the score without the first pixels, and with only those,
        for each of q bins.

    Examples
    --------
    >>> import torch
    >>> found = Erasure(without=torch.tensor([[0.2, 0.6]]), only=torch.tensor([[0.1, 0.0]]))
    >>> found.comprehensiveness, found.sufficiency
    (tensor([0.4000]), tensor([0.0500]))
    """

    without: Tensor
    only: Tensor

    @property
    def comprehensiveness(self) -> Tensor:
        """``(B,)`` mean loss without the first pixels; higher is better."""
        return self.without.mean(dim=1)

    @property
    def sufficiency(self) -> Tensor:
        """``(B,)`` mean loss with only the first pixels; lower is better."""
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
    """Are the map's first pixels needed for the score, and are they enough?

    Comprehensiveness (higher is better) and sufficiency (lower is better) of DeYoung et al.,
    "ERASER", ACL 2020, section 4.2, averaged over bins, for pixels instead of tokens.

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
    bins
        Shares of the image, above 0 and below 1; at least one pixel is removed, and one is left.
    fill
        Name of what replaces removed pixels: one of :data:`fer_xai.perturb.fills.FILLS`, or a fill
        of your own in the score cache (:class:`metrics.core.score_cache.ScoreCache`).
    output
        Score of the target: ``probability``, ``logit`` or ``log_probability``.
    ids
        Names of the faces, which seed ties and random fills; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Erasure
        ``comprehensiveness`` and ``sufficiency``, ``(B,)`` each; NaN for a map that is not finite.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, bins are out of range, or the output is unknown.

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
    >>> found = erasure(model, images, maps, targets, bins=(0.25,), fill="black")
    >>> found.comprehensiveness > 0, found.sufficiency < 0  # the other quarters speak against it
    (tensor([True]), tensor([True]))
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


METRICS.register("comprehensiveness")(
    MetricSpec(
        name="comprehensiveness",
        fn=erasure,
        family="faithfulness",
        question=(
            "How much of the target's probability is lost without the map's first 1, 5, 10, 20 "
            "and 50 % of pixels?"
        ),
        higher_is_better=True,
        bounds=(-1.0, 1.0),
        needs=("model", "images", "maps", "targets"),
        read="comprehensiveness",
        passes=(1, 10),
        reference="DeYoung et al., ACL 2020",
    )
)
METRICS.register("sufficiency")(
    MetricSpec(
        name="sufficiency",
        fn=erasure,
        family="faithfulness",
        question=(
            "How much of the target's probability is lost when only the map's first 1, 5, 10, 20 "
            "and 50 % of pixels are left?"
        ),
        higher_is_better=False,
        bounds=(-1.0, 1.0),
        needs=("model", "images", "maps", "targets"),
        read="sufficiency",
        passes=(1, 10),
        reference="DeYoung et al., ACL 2020",
    )
)
