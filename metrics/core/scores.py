"""Scores of a target in logits, and checks of the maps that are scored."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from fer_xai.checks import check_choice, check_targets, check_tensor
from fer_xai.errors import InputError
from metrics.core.score_cache import ScoreCache

Output = Literal["probability", "logit", "log_probability"]
OUTPUTS = get_args(Output)


def ranks_of(cache: ScoreCache, maps: Tensor) -> Tensor:
    """Ranks of maps, made once for each cache and tensor of maps."""
    check_maps(cache, maps)
    return cache.ranked(maps)


def check_maps(cache: ScoreCache, maps: Tensor) -> None:
    """Check that maps fit a cache's images.

    Raises
    ------
    InputError
        If they do not, with the shape that was expected.
    """
    check_tensor("maps", maps, "(B, H, W)")
    if maps.shape != (len(cache), *cache.images.shape[-2:]):
        raise InputError(
            f"Expected maps {(len(cache), *cache.images.shape[-2:])} to fit the images, got "
            f"{tuple(maps.shape)}: bring them to the images' size."
        )


def target_scores(cache: ScoreCache, logits: Tensor, targets: Tensor, output: Output) -> Tensor:
    """Scores ``(B, S)`` of each face's target, of logits ``(B, S, C)``."""
    columns = cache.predictor.model.columns(check_targets(targets, len(cache)))
    check_choice("output", output, OUTPUTS)
    values = logits.float()
    if output == "probability":
        values = values.softmax(dim=-1)
    elif output == "log_probability":
        values = values.log_softmax(dim=-1)
    return values.gather(2, columns[:, None, None].expand(-1, values.shape[1], 1))[..., 0]


def score_losses(cache: ScoreCache, logits: Tensor, targets: Tensor, output: Output) -> Tensor:
    """Score of the clean face less that of each changed copy, ``(B, M)`` float64."""
    clean = target_scores(cache, cache.clean()[:, None], targets, output)
    return (clean - target_scores(cache, logits, targets, output)).double()
