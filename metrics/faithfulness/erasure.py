"""TODO."""

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
    """What is lost with the most relevant pixels, and without the others.

    Attributes
    ----------
    without, only
        ``(B, q)`` score less the score without the first pixels, and with only those, a bin each.
    """

    without: Tensor
    only: Tensor

    @property
    def comprehensiveness(self) -> Tensor:
        """``(B,)`` mean loss when the first pixels are taken; higher is better."""
        return self.without.mean(dim=1)

    @property
    def sufficiency(self) -> Tensor:
        """``(B,)`` mean loss when only they are left; lower is better."""
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
    """Comprehensiveness and sufficiency (DeYoung et al., "ERASER", ACL 2020, sec. 4.2).

    They are averaged over bins, on pixels instead of tokens. Parameters and errors are those of
    :func:`metrics.faithfulness.deletion.deletion`; ``bins`` are shares of the image, of which at
    least one pixel is taken and one left.
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
        passes=(1, 5),
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
        passes=(1, 5),
        reference="DeYoung et al., ACL 2020",
    )
)
