"""One training step, one validation step, one optimiser: the part a reader wants to see."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy
from torchvision.ops import StochasticDepth

from fer_xai.draws.initial import repeatable
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.models import FERModel
from fer_xai.models.registry import architecture
from fer_xai.seeding import generator
from training.alignment import Alignment
from training.augmenting import augment, move_areas
from training.recipes import Recipe
from training.samples import Batch

WARM_UP = 0.05
"""Share of the steps in which the cosine schedule rises."""
SECOND_MOMENT = 0.999
"""AdamW's β₂; its β₁ is the recipe's momentum."""
DROPOUTS = {nn.Dropout: "p", nn.MultiheadAttention: "dropout", StochasticDepth: "p"}
"""Modules that drop out, each with its attribute for the rate."""


def built_in_scale(net: nn.Module) -> bool:
    """Whether a network keeps the scale that it was built with: those with LayerNorm do.

    Examples
    --------
    >>> normalised = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    >>> built_in_scale(normalised), built_in_scale(nn.Linear(4, 4))
    (True, False)
    """
    return any(isinstance(module, nn.LayerNorm) for module in net.modules())


def check_initialisation(model: str) -> None:
    """Refuse to initialise by He a network that keeps the scale that it was built with.

    Parameters
    ----------
    model
        Architecture by name.

    Raises
    ------
    InputError
        If it has LayerNorms.

    Examples
    --------
    >>> check_initialisation("gimefive")
    """
    with torch.device("meta"):
        kept = built_in_scale(architecture(model).build(len(SIX)))
    if kept:
        raise InputError(
            f"Expected --initialisation torch for {model}, whose LayerNorms it is built "
            "with a scale of its own for, got he: it would change nothing, leave it out."
        )


def initialise(net: nn.Module, *, seed: int) -> None:
    """He initialisation of convolutions and linear layers, in place, biases zero.

    Weights are the same on every machine. Their scale is that of ReLU networks: one with LayerNorm
    (transformers, ConvNeXt) stays as built.

    Examples
    --------
    >>> one, other = nn.Linear(4, 2), nn.Linear(4, 2)
    >>> initialise(one, seed=0)
    >>> initialise(other, seed=0)
    >>> torch.equal(one.weight, other.weight), one.bias.tolist()
    (True, [0.0, 0.0])
    """
    if built_in_scale(net):
        return
    with repeatable(seed, "initialise"):
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def weight_settings(model: FERModel) -> dict[str, Any]:
    """What a file of weights says of its network: architecture, emotions, size and colour.

    Examples
    --------
    >>> model = FERModel(nn.Flatten(), emotions=["sad", "happy"], size=2, name="tiny")
    >>> weight_settings(model)
    {'model': 'tiny', 'emotions': ['sadness', 'happiness'], 'size': 2, 'greyscale': False}
    """
    return {
        "model": model.name,
        "emotions": list(model.emotions),
        "size": model.size,
        "greyscale": model.greyscale,
    }


class Trainee(lightning.LightningModule):  # type: ignore[misc]
    """A FERModel in training.

    Logs the training loss (and accuracy, without mixup), and loss, accuracy and macro recall on the
    validation faces. Dropout and mixup are seeded by (seed, step, process), so that a resumed run
    repeats an unbroken one.

    Parameters
    ----------
    model
        To be trained; put into training mode.
    recipe
        How.
    seed
        Seed of dropout and mixup.
    priors
        ``(C,)`` share of each output column among the training faces, for the logit adjustment.
    checked
        Names of the validation loaders: ``valid``, and ``test`` for the paper's way of counting.
    align
        What the maps of faces with landmarks are aligned with, in batches that bring areas.

    Examples
    --------
    >>> net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(12, 2))
    >>> trainee = Trainee(FERModel(net, emotions=["sad", "happy"], size=2), Recipe(), seed=0)
    >>> trainee(torch.rand(3, 3, 2, 2)).shape, trainee.model.training
    (torch.Size([3, 2]), True)
    """

    def __init__(
        self,
        model: FERModel,
        recipe: Recipe,
        *,
        seed: int,
        priors: Tensor | None = None,
        checked: Sequence[str] = ("valid",),
        align: Alignment | None = None,
    ) -> None:
        super().__init__()
        self.align = align
        # load_model hands out models in evaluation mode, and Lightning leaves modes as they are
        self.model = model.train().to(memory_format=torch.channels_last)
        self.recipe, self.seed, self.checked = recipe, seed, tuple(checked)
        self.dropouts = [
            (module, name, getattr(module, name))
            for module in model.modules()
            for kind, name in DROPOUTS.items()
            if isinstance(module, kind)
        ]
        classes = len(model.emotions)
        shares = torch.full((classes,), 1 / classes) if priors is None else priors
        shift = recipe.logit_adjustment * shares.log() if recipe.logit_adjustment else shares * 0
        self.register_buffer("shift", shift, persistent=False)
        self.accuracy = nn.ModuleDict(
            {name: MulticlassAccuracy(classes, average="micro") for name in self.checked}
        )
        self.macro_recall = MulticlassAccuracy(classes, average="macro")

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, C)`` of images ``(B, 3, H, W)`` in [0, 1]."""
        return self.model(images).float()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Beside the weights stands how the network is fed, so that a checkpoint can be loaded."""
        checkpoint["fer_xai"] = weight_settings(self.model)

    def on_train_epoch_start(self) -> None:
        """Dropout sets in, and ends, when the recipe says."""
        self.begun = time.perf_counter()
        recipe = self.recipe
        on = recipe.dropout_from <= self.current_epoch / recipe.epochs < recipe.dropout_until
        for module, name, rate in self.dropouts:
            setattr(module, name, rate if on else 0.0)

    def on_train_epoch_end(self) -> None:
        """How long the epoch took, its checks included."""
        self.log("seconds", time.perf_counter() - self.begun, sync_dist=True)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed what is random in the step that follows."""
        del batch, batch_idx
        step = generator(self.seed, self.global_step, self.trainer.global_rank)
        torch.manual_seed(step.initial_seed())

    def training_step(self, batch: Batch) -> Tensor:
        """Loss of one augmented batch; one that is no number stops the run.

        It is the cross-entropy, and where maps are aligned, 1 less the mean alignment of the faces
        that have landmarks, times the weight.
        """
        pixels, columns, numbers, *areas = batch
        images = augment(pixels.float() / 255, numbers, kind=self.recipe.augmentation)
        images = images.contiguous(memory_format=torch.channels_last)
        if self.recipe.mixup:
            share = torch.distributions.Beta(self.recipe.mixup, self.recipe.mixup).sample()
            partner = torch.randperm(len(images)).to(images.device)
            images = torch.lerp(images[partner], images, share.to(images.device))
            logits = self(images)
            loss = share * self._loss(logits, columns) + (1 - share) * self._loss(
                logits, columns[partner]
            )
        else:
            logits, kept = self._pass(images)
            loss = self._loss(logits, columns)
            if self.align is not None and self.align.weight:
                moved = move_areas(areas[0], numbers, kind=self.recipe.augmentation)
                scores = self.align.scores(kept, logits, columns, moved)
                known = ~scores.isnan()
                if bool(known.any()):
                    aligned = scores[known].mean()
                    loss = loss + self.align.weight * (1 - aligned)
                    self._log_alignment("train", aligned, int(known.sum()))
            right = (logits.detach().argmax(dim=1) == columns).float().mean()
            self.log("train_accuracy", right, on_step=False, on_epoch=True, sync_dist=True)
        if not bool(torch.isfinite(loss)):
            raise InputError(
                f"Expected a finite loss, got {loss.item()} at step {self.global_step}: the "
                "checkpoint of the last whole epoch, if there is one, is kept; start another run "
                "with a lower --learning-rate."
            )
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        return loss

    def _pass(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits, and the outputs of the layer whose maps are aligned."""
        if self.align is None:
            return self(images), []
        with self.align.watched(self.model) as kept:
            return self(images), kept

    def _log_alignment(self, part: str, aligned: Tensor, faces: int) -> None:
        self.log(
            f"{part}_alignment",
            aligned.detach(),
            on_step=False,
            on_epoch=True,
            sync_dist=True,
            add_dataloader_idx=False,
            batch_size=faces,
        )

    def _loss(self, logits: Tensor, columns: Tensor) -> Tensor:
        return F.cross_entropy(
            logits + self.shift, columns, label_smoothing=self.recipe.label_smoothing
        )

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Loss and accuracy on faces that are never trained on.

        A loader named ``test`` holds the test faces, for the paper's way of counting: its accuracy
        is logged as ``test_accuracy`` and nothing is chosen by it.
        """
        del batch_idx
        pixels, columns, _, *areas = batch
        with torch.inference_mode(mode=False), torch.no_grad():  # maps are gradients
            images = (pixels.float() / 255).contiguous(memory_format=torch.channels_last)
            logits, kept = self._pass(images)
            if self.align is not None and areas:
                scores = self.align.scores(kept, logits, columns.clone(), areas[0]).detach()
                if bool((~scores.isnan()).any()):
                    self._log_alignment("valid", scores.nanmean(), int((~scores.isnan()).sum()))
        logits, name = logits.detach(), self.checked[dataloader_idx]
        accuracy: Any = self.accuracy[name]
        accuracy.update(logits, columns)
        logged = {"add_dataloader_idx": False, "on_step": False, "on_epoch": True}
        self.log(f"{name}_accuracy", accuracy, prog_bar=name == "valid", **logged)
        if name == "valid":
            self.macro_recall.update(logits, columns)
            self.log("valid_loss", F.cross_entropy(logits, columns), sync_dist=True, **logged)
            self.log("valid_macro_recall", self.macro_recall, prog_bar=True, **logged)

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser; vectors (biases, norms) are not decayed by AdamW."""
        recipe = self.recipe
        optimizer: torch.optim.Optimizer
        cycled = recipe.cycled_momentum()
        if recipe.optimizer == "sgd":
            optimizer = torch.optim.SGD(
                self.model.parameters(),
                lr=recipe.learning_rate,
                momentum=recipe.momentum,
                weight_decay=recipe.weight_decay,
            )
        else:
            matrices = [p for p in self.model.parameters() if p.ndim > 1]
            vectors = [p for p in self.model.parameters() if p.ndim <= 1]
            groups: list[dict[str, Any]] = [
                {"params": matrices},
                {"params": vectors, "weight_decay": 0.0},
            ]
            optimizer = torch.optim.AdamW(
                groups,
                lr=recipe.learning_rate,
                betas=(recipe.momentum, SECOND_MOMENT),
                weight_decay=recipe.weight_decay,
                # a fifth of the time on a CPU; Lightning cannot clip with it
                fused=not recipe.clip and self.device.type in ("cpu", "cuda"),
            )
        if recipe.schedule == "constant":
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        schedule: torch.optim.lr_scheduler.LRScheduler
        if recipe.schedule == "onecycle":
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimizer,
                max_lr=recipe.learning_rate,
                total_steps=steps,
                base_momentum=cycled[0],
                max_momentum=cycled[1],
            )
        else:
            schedule = torch.optim.lr_scheduler.LambdaLR(
                optimizer, lambda step: cosine(step, steps=steps)
            )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def cosine(step: int, *, steps: int) -> float:
    """Share of the peak rate at a step: linear to 1, then half a cosine to 0.

    >>> [round(cosine(step, steps=100), 2) for step in (0, 4, 5, 52, 99)]
    [0.2, 1.0, 1.0, 0.51, 0.0]
    """
    rise = max(1, round(WARM_UP * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
