"""Scores of a target in logits, and checks of the maps that are scored."""

from __future__ import annotations

from torch import Tensor

from fer_xai.checks import check_choice, check_targets, check_tensor
from fer_xai.errors import InputError
from fer_xai.scores import OUTPUTS, Output, scores
from metrics.core.score_cache import ScoreCache

__all__ = ["OUTPUTS", "Output", "check_maps", "ranks_of", "target_scores"]


def ranks_of(cache: ScoreCache, maps: Tensor) -> Tensor:
    """Ranks of maps, made once for each cache and tensor of maps.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 2, 1)), torch.nn.Flatten())
    >>> model = FERModel(halves, emotions=["happiness", "anger"], size=2)
    >>> cache = ScoreCache(model, torch.ones(1, 3, 2, 2))
    >>> maps = torch.tensor([[[0.5, 2.0], [-1.0, 0.0]]])
    >>> ranks_of(cache, maps).tolist(), ranks_of(cache, maps) is ranks_of(cache, maps)
    ([[[1, 0], [3, 2]]], True)
    """
    check_maps(cache, maps)
    return cache.ranked(maps)


def check_maps(cache: ScoreCache, maps: Tensor) -> None:
    """Check that maps fit a cache's images.

    Raises
    ------
    InputError
        If they do not, with the shape that was expected.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 2, 1)), torch.nn.Flatten())
    >>> model = FERModel(halves, emotions=["happiness", "anger"], size=2)
    >>> check_maps(ScoreCache(model, torch.ones(1, 3, 2, 2)), torch.rand(1, 4, 4))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected maps (1, 2, 2) to fit the images, got (1, 4, 4): ...
    """
    check_tensor("maps", maps, "(B, H, W)")
    if maps.shape != (len(cache), *cache.images.shape[-2:]):
        raise InputError(
            f"Expected maps {(len(cache), *cache.images.shape[-2:])} to fit the images, got "
            f"{tuple(maps.shape)}: bring them to the images' size."
        )


def target_scores(cache: ScoreCache, logits: Tensor, targets: Tensor, output: Output) -> Tensor:
    """Scores ``(B, S)`` of each face's target, of logits ``(B, S, C)``.

    Raises
    ------
    InputError
        If targets are not one emotion of the model for each face, or the output is unknown.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 2, 1)), torch.nn.Flatten())
    >>> model = FERModel(halves, emotions=["happiness", "anger"], size=2)
    >>> cache = ScoreCache(model, torch.ones(1, 3, 2, 2))
    >>> logits, anger = torch.tensor([[[3.0, 1.0], [0.0, 0.0]]]), torch.tensor([3])
    >>> target_scores(cache, logits, anger, "probability")
    tensor([[0.1192, 0.5000]])
    """
    columns = cache.predictor.model.columns(check_targets(targets, len(cache)))
    check_choice("output", output, OUTPUTS)
    each = columns.to(logits.device)[:, None, None].expand(-1, logits.shape[1], 1)  # (B, S, 1)
    return scores(logits, each, output=output)[..., 0]


def score_losses(cache: ScoreCache, logits: Tensor, targets: Tensor, output: Output) -> Tensor:
    """Score of the clean face less that of each changed copy, ``(B, M)`` float64.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 2, 1)), torch.nn.Flatten())
    >>> model = FERModel(halves, emotions=["happiness", "anger"], size=2, mean=[0] * 3, std=[1] * 3)
    >>> cache = ScoreCache(model, torch.ones(1, 3, 2, 2))  # logits 1 and 1
    >>> score_losses(cache, torch.tensor([[[0.25, 1.0]]]), torch.tensor([0]), "logit")
    tensor([[0.7500]], dtype=torch.float64)
    """
    clean = target_scores(cache, cache.clean()[:, None], targets, output)
    return (clean - target_scores(cache, logits, targets, output)).double()
