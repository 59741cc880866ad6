"""Scores of many variants of each face, in full batches across faces."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fer_xai.attributions.core.question import Question
from fer_xai.inference.predictor import Predictor
from fer_xai.perturb.fills import Prepared
from fer_xai.scores import scores

Change = Callable[[Tensor, Tensor], Tensor]
"""From faces ``(M,)`` and numbers of their variants ``(M,)`` to images ``(M, 3, H, W)``."""


def changed_scores(
    predictor: Predictor, question: Question, change: Change, *, variants: int
) -> Tensor:
    """Scores ``(B, P, K)`` of P variants of each face, on the CPU.

    Batches are filled across faces, so that few variants a face cost no half-empty passes.

    Parameters
    ----------
    predictor
        The model.
    question
        The faces and their K targets.
    change
        From faces ``(M,)`` and numbers of variants ``(M,)`` to images ``(M, 3, H, W)``.
    variants
        P.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> question = Question(images=torch.rand(2, 3, 8, 8), columns=torch.tensor([[1], [0]]))
    >>> change = lambda faces, numbers: question.images[faces] * numbers[:, None, None, None] / 4
    >>> changed_scores(Predictor(model, device="cpu"), question, change, variants=5).shape
    torch.Size([2, 5, 1])
    """
    total, targets = len(question) * variants, question.targets

    def scored(view: Predictor, part: slice) -> Tensor:
        rows = torch.arange(part.start, part.stop, device=view.device)
        faces, numbers = rows // variants, rows % variants
        images = change(faces, numbers).contiguous(memory_format=torch.channels_last)
        against = None if question.against is None else question.against[faces]
        logits = view.run(images)
        return scores(logits, question.columns[faces], against, output=question.output).cpu()

    found = predictor.each(total, scored)
    out = torch.cat(found) if found else torch.empty(0, targets)
    return out.reshape(len(question), variants, targets)


def masked_scores(
    predictor: Predictor,
    question: Question,
    keep: Callable[[Tensor, Tensor], Tensor],
    fill: Prepared,
    *,
    variants: int,
) -> Tensor:
    """Scores ``(B, P, K)`` of faces that are blended with a fill, on the CPU.

    Parameters
    ----------
    predictor
        The model.
    question
        The faces and their K targets.
    keep
        From faces ``(M,)`` and numbers of masks ``(M,)`` to the share of the face that is kept,
        ``(M, H, W)`` in [0, 1] or bool.
    fill
        The fill that shows where nothing is kept, ready for these faces
        (:meth:`~fer_xai.attributions.core.question.Question.filled`).
    variants
        P.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> question = Question(images=torch.rand(1, 3, 8, 8), columns=torch.tensor([[1]]))
    >>> keep = lambda faces, numbers: torch.arange(8).expand(len(faces), 8, 8) < 4
    >>> used = Predictor(model, device="cpu")
    >>> masked_scores(used, question, keep, question.filled("black"), variants=1).shape
    torch.Size([1, 1, 1])
    """

    def change(faces: Tensor, numbers: Tensor) -> Tensor:
        return fill.shown(keep(faces, numbers), faces)

    return changed_scores(predictor, question, change, variants=variants)
