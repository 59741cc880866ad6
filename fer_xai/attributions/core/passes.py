"""Scores of many changed variants of each face, in full batches across faces."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fer_xai.attributions.core.question import Question, scores
from fer_xai.inference.predictor import Predictor

Change = Callable[[Tensor, Tensor], Tensor]
"""From faces ``(M,)`` and numbers of their variants ``(M,)`` to images ``(M, 3, H, W)``."""


def changed_scores(
    predictor: Predictor, question: Question, change: Change, *, variants: int
) -> Tensor:
    """Scores ``(B, P, K)`` of P variants of each face, on the CPU.

    Batches are filled across faces, so few variants a face cost no half-empty passes.
    """
    total, targets = len(question) * variants, question.targets
    step = predictor.batch_size_for(total)
    out = torch.empty(total, targets)
    for start in range(0, total, step):
        rows = torch.arange(start, min(start + step, total), device=predictor.device)
        faces, numbers = rows // variants, rows % variants
        images = change(faces, numbers).contiguous(memory_format=torch.channels_last)
        against = None if question.against is None else question.against[faces]
        logits = predictor.run(images)
        found = scores(logits, question.columns[faces], against, output=question.output)
        out[start : start + len(rows)] = found.cpu()
    return out.reshape(len(question), variants, targets)


def masked_scores(
    predictor: Predictor,
    question: Question,
    keep: Callable[[Tensor, Tensor], Tensor],
    fill: Tensor,
    *,
    variants: int,
) -> Tensor:
    """Scores ``(B, P, K)`` of faces that are blended with a fill.

    Parameters
    ----------
    keep
        From faces ``(M,)`` and numbers ``(M,)`` to what is kept, ``(M, H, W)`` in [0, 1] or bool.
    fill
        ``(B, 3, H, W)``: what stands where nothing is kept.
    variants
        P.
    """
    images = question.images

    def change(faces: Tensor, numbers: Tensor) -> Tensor:
        mask = keep(faces, numbers)[:, None]  # (M, 1, H, W)
        if mask.dtype == torch.bool:
            return torch.where(mask, images[faces], fill[faces])
        return torch.lerp(fill[faces], images[faces], mask.float())

    return changed_scores(predictor, question, change, variants=variants)
