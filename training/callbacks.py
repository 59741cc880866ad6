"""Lightning's callbacks as the loop needs them: checkpoints that can be moved, a line an epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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


class OutOfTimeError(Exception):
    """A training stopped before its last epoch, since its time is over; it can go on.

    Examples
    --------
    >>> str(OutOfTimeError(Path("runs/mine")))
    'runs/mine'
    """


_UNTIL: ContextVar[float] = ContextVar("time until which is trained", default=float("inf"))


@contextmanager
def within(hours: float | None) -> Iterator[None]:
    """Let trainings stop after the epoch in which this many hours have passed.

    Parameters
    ----------
    hours
        Hours from now on; None for no limit.

    Examples
    --------
    >>> with within(0.0):
    ...     time_is_over()
    True
    """
    until = float("inf") if hours is None else time.monotonic() + 3600 * hours
    token = _UNTIL.set(until)
    try:
        yield
    finally:
        _UNTIL.reset(token)


def time_is_over() -> bool:
    """Whether the hours of :func:`within` have passed.

    Examples
    --------
    >>> time_is_over()
    False
    """
    return time.monotonic() >= _UNTIL.get()


class StopInTime(Callback):  # type: ignore[misc]
    """Stops after the epoch in which the time ran out, unless it was the last one.

    Examples
    --------
    >>> StopInTime().stopped
    False
    """

    stopped = False

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Look at the clock."""
        del pl_module
        if time_is_over() and trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            self.stopped = trainer.should_stop = True
