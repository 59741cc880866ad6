"""One training step, one validation step, one optimiser: the part a reader wants to see."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy

from fer_xai.errors import InputError
from fer_xai.models import FERModel
from training.recipes import Recipe


def initialise(net: nn.Module, *, seed: int) -> None:
    """He initialisation of convolutions and linear layers, in place, biases zero."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class Trainee(lightning.LightningModule):  # type: ignore[misc]
    """A FERModel in training.

    Logs loss, accuracy and macro recall on the validation faces, and the training loss.
    Dropout is seeded by (seed, step, process), so that a resumed run repeats an unbroken one.
    """

    def __init__(self, model: FERModel, recipe: Recipe, *, seed: int) -> None:
        super().__init__()
        # load_model hands out models in evaluation mode, and Lightning leaves modes as they are
        self.model = model.train().to(memory_format=torch.channels_last)
        self.recipe, self.seed = recipe, seed
        self.dropouts = {m: m.p for m in model.modules() if isinstance(m, nn.Dropout)}
        classes = len(model.emotions)
        self.accuracy = MulticlassAccuracy(classes, average="micro")
        self.macro_recall = MulticlassAccuracy(classes, average="macro")

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits ``(B, C)`` of uint8 faces ``(B, 3, H, W)``."""
        images = pixels.float().div_(255).contiguous(memory_format=torch.channels_last)
        return self.model(images)

    def on_train_epoch_start(self) -> None:
        """Dropout sets in with the recipe's epoch."""
        for module, p in self.dropouts.items():
            module.p = p if self.current_epoch >= self.recipe.late_dropout else 0.0

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed what is random in the step that follows."""
        del batch, batch_idx
        torch.manual_seed(
            (self.seed * 10_007 + self.global_step) * 1_009 + self.trainer.global_rank
        )

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Cross-entropy of one batch; a loss that is no number stops the run."""
        pixels, columns = batch
        loss = F.cross_entropy(
            self(pixels).float(), columns, label_smoothing=self.recipe.label_smoothing
        )
        if not bool(torch.isfinite(loss)):
            raise InputError(
                f"Expected a finite loss, got {float(loss)} at step {self.global_step}: the last "
                "epoch's checkpoint is kept; lower the learning rate and start again from it."
            )
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Loss and accuracy on faces that are never trained on."""
        pixels, columns = batch
        logits = self(pixels).float()
        self.accuracy.update(logits, columns)
        self.macro_recall.update(logits, columns)
        self.log("valid_loss", F.cross_entropy(logits, columns), sync_dist=True)
        self.log("valid_accuracy", self.accuracy, prog_bar=True)
        self.log("valid_macro_recall", self.macro_recall, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser; vectors (biases, norms) are not decayed by AdamW."""
        recipe = self.recipe
        optimizer: torch.optim.Optimizer
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
                weight_decay=recipe.weight_decay,
            )
        if recipe.schedule == "constant":
            return optimizer
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=recipe.learning_rate,
            total_steps=int(self.trainer.estimated_stepping_batches),
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
