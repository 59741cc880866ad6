"""Lightning's callbacks as the loop needs them: checkpoints that can be moved, a line an epoch."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, ModelCheckpoint


class Checkpoint(ModelCheckpoint):  # type: ignore[misc]
    """Lightning's, for runs that may be moved: it keeps its files by absolute path."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on in this folder, wherever the run began."""

        def here(path: str) -> str:
            return str(Path(self.dirpath) / Path(path).name) if path else path

        moved = dict(state_dict)
        moved["dirpath"] = self.dirpath
        for key in ("best_model_path", "last_model_path", "kth_best_model_path"):
            moved[key] = here(moved.get(key, ""))
        moved["best_k_models"] = {here(k): v for k, v in moved.get("best_k_models", {}).items()}
        super().load_state_dict(moved)


class EpochLines(Callback):  # type: ignore[misc]
    """A line an epoch on standard error, with the time that is left."""

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Start the clock."""
        del pl_module
        self.started, self.first = time.perf_counter(), trainer.current_epoch

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Say how far it is."""
        del pl_module
        if trainer.global_rank:
            return
        done = trainer.current_epoch + 1
        seconds = (time.perf_counter() - self.started) / (done - self.first)
        figures = "  ".join(
            f"{name} {float(trainer.callback_metrics[name]):.3f}"
            for name in (
                "train_loss",
                "valid_loss",
                "valid_accuracy",
                "valid_macro_recall",
                "valid_alignment",
            )
            if name in trainer.callback_metrics
        )
        sys.stderr.write(
            f"epoch {done}/{trainer.max_epochs}  {figures}  {seconds:.0f} s an epoch, "
            f"{seconds * (trainer.max_epochs - done) / 60:.0f} min left\n"
        )
