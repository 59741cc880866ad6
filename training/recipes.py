"""What a training run is: frozen settings, one recipe for the paper and one of ours."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

from fer_xai.errors import InputError
from training.augmenting import Kind as Augmentation

Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["onecycle", "cosine", "constant"]
Initialisation = Literal["he", "torch"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Optimisation settings of a run.

    Attributes
    ----------
    optimizer, schedule
        ``adamw`` or ``sgd``; ``onecycle`` (Smith & Topin 2019), ``cosine`` after a linear warm-up
        of 5 % of the steps (Loshchilov & Hutter, ICLR 2017), or ``constant``.
    learning_rate, weight_decay, momentum
        Peak rate of the schedule; decoupled decay for AdamW, L2 for SGD; SGD's momentum, or AdamW's
        β₁. Under ``onecycle`` the momentum is the middle of what the schedule cycles, from 0.05
        above it to 0.05 below it and back (:meth:`Recipe.cycled_momentum`). Strong decay keeps the
        weights before a BatchNorm from growing, and so the steps from shrinking.
    batch_size, epochs
        Images a step, over all processes; passes over the training faces.
    patience
        Epochs without a better validation accuracy before stopping; 0 never stops early.
    label_smoothing
        Share of the label that the cross-entropy spreads over all emotions.
    mixup
        α of mixup (Zhang et al., ICLR 2018): each batch is blended with a shuffled copy of itself
        by a share drawn from Beta(α, α). 0 is none.
    logit_adjustment
        τ of the logit-adjusted loss (Menon et al., ICLR 2021): τ · log prior is added to the logits
        in training alone, so that rare emotions are not given up for frequent ones. 1 aims at the
        macro recall, 0 at the accuracy; on RAF-DB's held-out training faces 0.2, put on trained
        logits, gave 1 point of macro recall for 0.1 and 0.2 of accuracy (two runs).
    ema
        Decay a step of the exponential moving average of weights that is validated and exported
        (Polyak & Juditsky 1992); 0 takes the weights themselves.
    clip
        Largest norm of a step's gradient; 0 never clips. A norm of 1 cut most steps of GiMeFive on
        RAF-DB short, those of hard batches most.
    dropout_from, dropout_until
        Shares of the epochs between which there is dropout: late, or early, as Liu et al.
        ("Dropout reduces underfitting", ICML 2023) advise for networks that fit too well or too
        little; none where both are equal. GiMeFive's five dropouts kept it at chance on balanced
        faces with faint cues; on RAF-DB's held-out training faces late ones were better than none
        or early ones.
    initialisation
        ``torch``, PyTorch's default, which the paper used (without BatchNorm it shrinks the signal
        layer by layer), or ``he`` (He et al. 2015, fan-in, for ReLUs; networks with LayerNorm are
        left as built).
    augmentation
        ``standard``: flip, affine, brightness and contrast, erasing; ``flip``: flip alone.

    Examples
    --------
    >>> Recipe(epochs=20).learning_rate
    0.001
    >>> Recipe(learning_rate=2.0, weight_decay=0.5)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected learning rate times weight decay, the share of a weight ...
    """

    optimizer: Optimizer = "adamw"
    schedule: Schedule = "onecycle"
    learning_rate: float = 1e-3
    weight_decay: float = 0.5
    momentum: float = 0.9
    batch_size: int = 64
    epochs: int = 60
    patience: int = 0
    label_smoothing: float = 0.1
    mixup: float = 0.0
    logit_adjustment: float = 0.2
    ema: float = 0.0
    clip: float = 0.0
    dropout_from: float = 0.5
    dropout_until: float = 1.0
    initialisation: Initialisation = "torch"
    augmentation: Augmentation = "standard"

    def __post_init__(self) -> None:
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            below = value < high or (value == high and name in REACHED)
            if not (low <= value and below and math.isfinite(value)):
                upper = f" {'to' if name in REACHED else 'to below'} {high:g}"
                raise InputError(
                    f"Expected {name.replace('_', ' ')} from {low:g}"
                    f"{upper if high < math.inf else ' or more'}, got {value:g}."
                )
        self._check_together()

    def _check_together(self) -> None:
        """Refuse numbers that are fine alone, but by which together nothing is learned."""
        if self.dropout_from > self.dropout_until:
            raise InputError(
                f"Expected dropout to set in before it ends, got dropout from {self.dropout_from:g}"
                f" and dropout until {self.dropout_until:g}: give both the same share to have none."
            )
        if self.learning_rate * self.weight_decay >= 1:
            raise InputError(
                f"Expected learning rate times weight decay, the share of a weight that a step "
                f"takes away, below 1, got {self.learning_rate * self.weight_decay:g}: nothing "
                "would be kept of what is learned, lower either."
            )
        if 0 < self.clip < SMALLEST_CLIP:
            raise InputError(
                f"Expected clip 0, which never clips, or {SMALLEST_CLIP:g} or more, got "
                f"{self.clip:g}: hardly anything would be learned."
            )
        if self.schedule == "onecycle" and not CYCLE <= self.momentum < 1 - CYCLE:
            raise InputError(
                f"Expected momentum from {CYCLE:g} to below {1 - CYCLE:g} under the schedule "
                f"onecycle, which cycles it by {CYCLE:g} either way, got {self.momentum:g}: take "
                "another --schedule for that momentum."
            )

    def cycled_momentum(self) -> tuple[float, float]:
        """Least and largest momentum (AdamW's β₁) of the schedule.

        >>> ACCURATE.cycled_momentum(), PAPER.cycled_momentum()
        ((0.85, 0.95), (0.9, 0.9))
        """
        if self.schedule != "onecycle":
            return self.momentum, self.momentum
        return round(self.momentum - CYCLE, 12), round(self.momentum + CYCLE, 12)


CYCLE = 0.05
"""By which the schedule ``onecycle`` moves the momentum either way."""
SMALLEST_CLIP = 1e-6
"""Norms of gradients below it are as good as none."""
BOUNDS: dict[str, tuple[float, float]] = {
    "learning_rate": (1e-9, math.inf),
    "weight_decay": (0, math.inf),
    "momentum": (0, 1),
    "batch_size": (1, math.inf),
    "epochs": (1, math.inf),
    "patience": (0, math.inf),
    "label_smoothing": (0, 1),
    "mixup": (0, math.inf),
    "logit_adjustment": (0, math.inf),
    "ema": (0, 1),
    "clip": (0, math.inf),
    "dropout_from": (0, 1),
    "dropout_until": (0, 1),
}
"""Least and largest value of each number of a recipe; NaN and infinity are within none."""
REACHED = ("dropout_from", "dropout_until")
"""Numbers that may be as large as their bound; of the others nothing would be learned there."""


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What a run changes of its recipe; settings that are not given stay the recipe's.

    Examples
    --------
    >>> made = Overrides(epochs=20).applied_to(RECIPES["paper"])
    >>> made.epochs, made.optimizer
    (20, 'sgd')
    """

    optimizer: Optimizer | None = None
    """adamw or sgd."""
    schedule: Schedule | None = None
    """onecycle, cosine (after a warm-up) or constant."""
    learning_rate: float | None = None
    """Peak learning rate."""
    weight_decay: float | None = None
    """Weight decay."""
    momentum: float | None = None
    """Momentum of SGD, or AdamW's beta 1; the schedule onecycle cycles it by 0.05 either way."""
    batch_size: int | None = None
    """Images a step, over all processes."""
    epochs: int | None = None
    """Passes over the training faces."""
    patience: int | None = None
    """Epochs without a better validation accuracy before stopping; 0 never stops."""
    label_smoothing: float | None = None
    """Label smoothing."""
    mixup: float | None = None
    """Alpha of mixup; 0 is none."""
    logit_adjustment: float | None = None
    """Tau of the logit-adjusted loss, for rare emotions; 0 is none."""
    ema: float | None = None
    """Decay a step of the weights' moving average; 0 is none."""
    clip: float | None = None
    """Largest norm of a gradient; 0 never clips."""
    dropout_from: float | None = None
    """Share of the epochs after which dropout sets in."""
    dropout_until: float | None = None
    """Share of the epochs after which it ends."""
    initialisation: Initialisation | None = None
    """he or torch."""
    augmentation: Augmentation | None = None
    """standard or flip."""

    def applied_to(self, recipe: Recipe) -> Recipe:
        """The recipe with these changes.

        Raises
        ------
        InputError
            For values that cannot be trained with, or that would change nothing.
        """
        given = {name: value for name, value in vars(self).items() if value is not None}
        made = dataclasses.replace(recipe, **given)
        if "patience" in given and made.patience >= made.epochs:
            raise InputError(
                f"Expected a patience below the {made.epochs} epochs, got {made.patience}: the run "
                "would never stop early, set --patience 0 for that."
            )
        return made


NOTHING = Overrides()
"""No changes."""

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
    logit_adjustment=0.0,
    dropout_from=0.0,
    initialisation="torch",
    augmentation="flip",
)
"""GiMeFive as published (arXiv 2402.15662): SGD without schedule, early stop on validation."""

RECIPES: dict[str, Recipe] = {"accurate": ACCURATE, "paper": PAPER}


def check_held_out(fraction: float, *, patience: int) -> None:
    """Refuse a share of faces that cannot be held out, or no share where a run stops early by them.

    Parameters
    ----------
    fraction
        Share of the training faces that is held out for validation.
    patience
        Epochs without a better validation accuracy before stopping, 0 for no early stop.

    Raises
    ------
    InputError
        Telling the share, or the patience.

    Examples
    --------
    >>> check_held_out(0.1, patience=15)
    >>> check_held_out(0, patience=15)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected validation faces to stop early by (patience 15), got none...
    """
    if not 0 <= fraction < 1:
        raise InputError(
            f"Expected a share from 0 to below 1 for --valid-fraction, got {fraction}."
        )
    if patience and not fraction:
        raise InputError(
            f"Expected validation faces to stop early by (patience {patience}), got none: set "
            "--patience 0 or a --valid-fraction."
        )


def check_average(recipe: Recipe, faces: int) -> None:
    """An average that still is half the first step's weights at the end has learned too little.

    Raises
    ------
    InputError
        For a decay that is too close to 1 for the number of steps.

    Examples
    --------
    >>> check_average(Recipe(ema=0.99, epochs=10), faces=640)  # 100 steps
    >>> check_average(Recipe(ema=0.999, epochs=10), faces=640)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected an --ema that forgets the first of 100 steps, got 0.999, ...
    """
    steps = recipe.epochs * (faces // recipe.batch_size)
    if recipe.ema and recipe.ema**steps > 0.5:
        raise InputError(
            f"Expected an --ema that forgets the first of {steps} steps, got {recipe.ema:g}, which "
            f"keeps {recipe.ema**steps:.0%} of it to the end: choose a smaller decay, or more "
            "epochs."
        )
