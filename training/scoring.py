"""Scores of a classifier on labelled faces: accuracy, recall, F1, calibration, confusion."""

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
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.types import Faces

BINS = 15
"""Bins of the calibration error."""
DIGITS = 4
"""Of a share on a card."""


def logits_of(predictor: Predictor, faces: Faces, *, flip: bool = False) -> Tensor:
    """Logits ``(N, C)``; with ``flip`` the mean of a face's and its mirror image's."""
    logits = predictor.logits(faces)
    if not flip:
        return logits
    mirrored = faces.pixels(predictor.model.size).flip(-1)
    return (logits + predictor.logits(mirrored)) / 2


def scores(predictor: Predictor, faces: Faces, *, flip: bool = False) -> dict[str, Any]:
    """How well a model names the emotions of labelled faces.

    Parameters
    ----------
    predictor
        The model.
    faces
        Labelled with emotions that the model knows.
    flip
        Average logits over each face and its mirror image.

    Returns
    -------
    dict
        ``faces``; ``accuracy``; ``macro_recall`` and ``macro_f1`` (emotions weigh equally, those
        without a face left out); ``calibration_error`` (expected calibration error, 15 equal bins,
        Guo et al., ICML 2017); ``recall`` by emotion; ``confusion``, rows true, columns predicted,
        in the order of ``emotions``; ``flip_averaged``.

    Raises
    ------
    InputError
        If there are no faces, or some show an emotion that the model does not know.
    """
    if not len(faces):
        raise InputError("Expected labelled faces to score a model on, got none.")
    truth = predictor.model.columns(faces.labels)
    logits = logits_of(predictor, faces, flip=flip)
    return scores_of_logits(logits, truth, emotions=predictor.emotions) | {"flip_averaged": flip}


def scores_of_logits(logits: Tensor, truth: Tensor, *, emotions: Sequence[str]) -> dict[str, Any]:
    """Scores of logits ``(N, C)`` against true columns ``(N,)``: as :func:`scores` describes.

    Rounded to four digits, for a card; :func:`exact_scores` are not.
    """
    return _rounded(exact_scores(logits, truth, emotions=emotions))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, DIGITS) if isinstance(value, float) else value


def exact_scores(logits: Tensor, truth: Tensor, *, emotions: Sequence[str]) -> dict[str, Any]:
    """Scores of logits, not rounded: what tables and differences are computed from."""
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
