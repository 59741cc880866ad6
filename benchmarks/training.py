"""Training throughput: the loop with all its chores against bare forward and backward passes."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.nn import functional as F

from benchmarks.report import Row, Section, Target
from benchmarks.timing import Spread, ratio, timed_precisions
from fer_xai import FERModel, load_model
from fer_xai.data.datasets.synthetic import synthetic_faces
from training import loop
from training.recipes import Overrides
from training.run import TrainingRun

N_FACES = 2048


def measure(*, rounds: int) -> Section:
    """Rows of GiMeFive and ResNet18."""
    precision = timed_precisions()[-1]
    section = Section(
        rows=[],
        seconds={},
        notes=[
            f"Training: an epoch of {N_FACES} built-in faces by `training.run`'s loop (augmentation, "
            "optimiser, logs, checkpoint at its end), against as many bare forward and backward passes "
            "on images in memory, same model, batch size and autocast (bf16, unless this CPU "
            f"emulates it: here {precision}); they take turns within one run. The target is 0.85.",
        ],
    )
    for name in ("gimefive", "resnet18"):
        turns = Turns(load_model(name).train(), bf16=precision == "bf16")
        run = TrainingRun(model=name, overrides=Overrides(epochs=rounds + 1, dropout_from=0.0))
        with tempfile.TemporaryDirectory() as folder:
            loop.fit(
                run.fresh_model(),
                run.settings(),
                Path(folder),
                train=synthetic_faces(N_FACES),
                checked={},
                seed=0,
                device="cpu",
                precision=precision,
                progress=False,
                callbacks=[turns],
            )
        seconds = {key: values[1:] for key, values in turns.seconds.items()}  # the first warms up
        section.rows.append(
            Row(
                name=f"Training, {name}: bare / loop",
                ours=f"{turns.faces / Spread.of(seconds['ours']).median:.0f} faces/s",
                peer=f"{turns.faces / Spread.of(seconds['bare']).median:.0f} faces/s",
                ratio=ratio(seconds, "bare", "ours"),
                target=Target(bound=0.85, at_least=True),
                agreement="",
            )
        )
        section.seconds[name] = seconds
        section.settings[name] = {"faces": turns.faces, "batch_size": run.settings().batch_size}
    return section


class Turns(Callback):  # type: ignore[misc]
    """After each epoch, as many bare steps."""

    def __init__(self, model: FERModel, *, bf16: bool) -> None:
        self.bf16 = bf16
        self.model = model.to(memory_format=torch.channels_last)
        self.seconds: dict[str, list[float]] = {"ours": [], "bare": []}
        self.faces = 0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """The epoch before has ended with its checkpoint: bare steps, then the clock again."""
        del pl_module
        if trainer.current_epoch:
            self.seconds["ours"].append(time.perf_counter() - self.started)
            started = time.perf_counter()
            self._bare(trainer.num_training_batches, trainer.train_dataloader.batch_size)
            self.seconds["bare"].append(time.perf_counter() - started)
        self.started = time.perf_counter()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """The last epoch has its turn too."""
        self.on_train_epoch_start(trainer, pl_module)

    def _bare(self, steps: int, batch_size: int) -> None:
        self.faces = steps * batch_size
        images = torch.rand(batch_size, 3, self.model.size, self.model.size)
        images = images.contiguous(memory_format=torch.channels_last)
        columns: Tensor = torch.arange(batch_size) % len(self.model.emotions)
        for _ in range(steps):
            self.model.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                loss = F.cross_entropy(self.model(images).float(), columns, label_smoothing=0.1)
            loss.backward()
