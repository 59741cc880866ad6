"""Scores of many changed copies of each face, in full batches across faces."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fer_xai.attributions.core.registry import Question
from fer_xai.inference.predictor import Predictor
from fer_xai.scores import scores

Change = Callable[[Tensor, Tensor], Tensor]
"""From faces ``(M,)`` and numbers of their copies ``(M,)`` to images ``(M, 3, H, W)``."""


def changed_scores(
    predictor: Predictor, question: Question, change: Change, *, copies: int
) -> Tensor:
    """Scores ``(B, P, K)`` of P copies of each face, on the CPU.

    Batches are filled across faces, so few copies a face cost no half-empty passes.
    """
    total, targets = len(question) * copies, question.targets

    def scored(view: Predictor, part: slice) -> Tensor:
        rows = torch.arange(part.start, part.stop, device=view.device)
        faces, numbers = rows // copies, rows % copies
        images = change(faces, numbers).contiguous(memory_format=torch.channels_last)
        against = None if question.against is None else question.against[faces]
        logits = view.run(images)
        return scores(logits, question.columns[faces], against, output=question.output).cpu()

    found = predictor.each(total, scored)
    out = torch.cat(found) if found else torch.empty(0, targets)
    return out.reshape(len(question), copies, targets)


def masked_scores(
    predictor: Predictor,
    question: Question,
    keep: Callable[[Tensor, Tensor], Tensor],
    fill: Tensor,
    *,
    copies: int,
) -> Tensor:
    """Scores ``(B, P, K)`` of faces that are blended with a fill.

    Parameters
    ----------
    keep
        From faces ``(M,)`` and numbers ``(M,)`` to what is kept, ``(M, H, W)`` in [0, 1] or bool.
    fill
        ``(B, 3, H, W)``: what stands where nothing is kept.
    copies
        P.
    """
    images = question.images

    def change(faces: Tensor, numbers: Tensor) -> Tensor:
        mask = keep(faces, numbers)[:, None]  # (M, 1, H, W)
        if mask.dtype == torch.bool:
            return torch.where(mask, images[faces], fill[faces])
        return torch.lerp(fill[faces], images[faces], mask.float())

    return changed_scores(predictor, question, change, copies=copies)
