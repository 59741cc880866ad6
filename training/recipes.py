"""What a training run is: frozen settings, one recipe for the paper and one of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Optimisation settings of a run.

    Attributes
    ----------
    optimizer, schedule
        ``adamw`` or ``sgd``; ``onecycle`` (Smith & Topin 2019) or ``constant``.
    learning_rate, weight_decay, momentum
        Peak rate of the schedule; decoupled decay for AdamW, L2 for SGD; SGD's momentum.
    batch_size, epochs
        Images a step; passes over the training faces.
    patience
        Epochs without a better validation accuracy before stopping; 0 never stops early.
    label_smoothing
        Of the cross-entropy.
    late_dropout
        Epochs at the start without dropout (Liu et al., "Dropout reduces underfitting", ICML 2023).
        On balanced faces with faint cues GiMeFive's five dropouts kept it at chance from the first
        step; once it has found the cues they no longer do.
    initialisation
        ``he`` (He et al. 2015, fan-in, for ReLUs) or ``torch``, PyTorch's default, which the paper
        used: without BatchNorm it shrinks the signal layer by layer.
    augmentation
        ``standard``: flip, affine, brightness and contrast, erasing; ``flip``: flip alone.
    """

    optimizer: Literal["adamw", "sgd"] = "adamw"
    schedule: Literal["onecycle", "constant"] = "onecycle"
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    momentum: float = 0.9
    batch_size: int = 64
    epochs: int = 40
    patience: int = 0
    label_smoothing: float = 0.1
    late_dropout: int = 0
    initialisation: Literal["he", "torch"] = "he"
    augmentation: Literal["standard", "flip"] = "standard"


ACCURATE = Recipe()
"""Ours: AdamW, one cycle, augmentation and label smoothing."""

PAPER = Recipe(
    optimizer="sgd",
    schedule="constant",
    learning_rate=1e-3,
    weight_decay=1e-4,
    batch_size=16,
    epochs=80,
    patience=15,
    label_smoothing=0.0,
    initialisation="torch",
    augmentation="flip",
)
"""GiMeFive as published (arXiv 2402.15662): SGD without schedule, early stop on validation."""

RECIPES: dict[str, Recipe] = {"accurate": ACCURATE, "paper": PAPER}
