"""How well a classifier names emotions: accuracy, recall, F1, calibration, confusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
)

from fer_xai.emotions import EMOTIONS

BINS = 15
"""Bins of the calibration error."""
DIGITS = 4
"""Digits of a share on a card."""


def scores_of_logits(logits: Tensor, truth: Tensor, *, emotions: Sequence[str]) -> dict[str, Any]:
    """Scores of logits as :func:`exact_scores` has them, rounded to four digits for a card.

    Parameters
    ----------
    logits
        ``(N, C)``: outputs of a model, a row a face.
    truth
        ``(N,)`` int64: the true output column of each face.
    emotions
        Names of the C columns.

    Returns
    -------
    dict
        As :func:`exact_scores` returns.

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    >>> scores_of_logits(logits, torch.tensor([0, 1, 1]), emotions=["fear", "anger"])["accuracy"]
    0.6667
    """
    return _rounded(exact_scores(logits, truth, emotions=emotions))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, DIGITS) if isinstance(value, float) else value


def exact_scores(logits: Tensor, truth: Tensor, *, emotions: Sequence[str]) -> dict[str, Any]:
    """Scores of logits, not rounded: tables and differences are computed from these.

    Parameters
    ----------
    logits
        ``(N, C)``: outputs of a model, a row a face.
    truth
        ``(N,)`` int64: the true output column of each face.
    emotions
        Names of the C columns.

    Returns
    -------
    dict
        ``faces``; ``accuracy``; ``macro_recall`` and ``macro_f1`` (emotions weigh equally, those
        without a face left out); ``calibration_error`` (expected calibration error, 15 equal bins,
        Guo et al., ICML 2017); ``recall`` by emotion; ``confusion``, rows true, columns predicted,
        in the order of ``emotions``.

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    >>> found = exact_scores(logits, torch.tensor([0, 1, 1]), emotions=["fear", "anger"])
    >>> found["confusion"], found["recall"]
    ([[1, 0], [1, 1]], {'anger': 0.5, 'fear': 1.0})
    """
    classes = len(emotions)
    confusion = multiclass_confusion_matrix(logits, truth, classes)
    counts = confusion.sum(dim=1)
    present = counts > 0
    recall = confusion.diagonal()[present].double() / counts[present]
    f1 = multiclass_f1_score(logits, truth, classes, average="none")[present]
    error = multiclass_calibration_error(logits.softmax(dim=1), truth, classes, n_bins=BINS)
    names = [name for name, here in zip(emotions, present, strict=True) if here]
    by_name = dict(zip(names, recall.tolist(), strict=True))
    return {
        "faces": len(truth),
        "accuracy": int(confusion.diagonal().sum()) / int(counts.sum()),
        "macro_recall": float(recall.mean()),
        "macro_f1": float(f1.mean()),
        "calibration_error": float(error),
        "recall": {name: by_name[name] for name in EMOTIONS if name in by_name},
        "emotions": list(emotions),
        "confusion": confusion.tolist(),
    }
