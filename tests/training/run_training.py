"""Trains a tiny net on a few built-in faces; dies by SIGKILL at a given step if told to."""

import dataclasses
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from fer_xai.models.registry import MODELS, Architecture
from fer_xai.types import Faces
from tests.helpers import TinyNet
from tests.killed import killed
from training import run as module
from training.recipes import Overrides
from training.trainee import Trainee

if "tiny" not in MODELS:
    MODELS.register("tiny")(Architecture(build=TinyNet, cam_layer="relu2", paper_layer="conv2"))

_READ: dict[tuple[object, ...], Faces] = {}
"""Built-in faces that this process has drawn, by data, source, split and limit."""


def training_run(out: Path, **options: Any) -> module.TrainingRun:
    """A run of the tiny net; options are the run's, or override its recipe."""
    settings = {"limit": 160, "precision": "fp32"} | options
    names = {field.name for field in dataclasses.fields(Overrides)}
    overrides = {"epochs": 4, "dropout_from": 0} | {
        name: settings.pop(name) for name in names & set(settings)
    }
    return module.TrainingRun(
        model=settings.pop("model", "tiny"),
        device=settings.pop("device", "cpu"),
        progress=False,
        out=out,
        overrides=Overrides(**overrides),
        **settings,
    )


@contextmanager
def faces_read_once() -> Iterator[None]:
    """Built-in faces are drawn once for all runs of the same data, split and limit."""
    original, kept = module.TrainingRun.faces, _READ

    def faces(run: module.TrainingRun, split: str) -> Faces:
        key = (run.data, run.source, split, run.limit)
        if key not in kept and run.data.startswith("synthetic"):
            kept[key] = original(run, split)
        return kept[key] if key in kept else original(run, split)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.TrainingRun, "faces", faces)
        yield


def _die_at(step: int) -> None:
    training_step = Trainee.training_step

    def dying(self: Trainee, batch: Any) -> Any:
        if self.global_step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return training_step(self, batch)

    Trainee.training_step = dying


def killed_run(out: Path, step: int, **options: Any) -> None:
    """A run in another process that a SIGKILL ends at a step.

    It has one thread, as the test processes have: sums over threads are rounded in another order.
    """
    killed(_dying_run, out, step, options)


def _dying_run(out: Path, step: int, options: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    _die_at(step)
    module.train(training_run(out, **options))
