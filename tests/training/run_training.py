"""Trains a tiny net on a few built-in faces; dies by SIGKILL at a given step if told to.

python -m tests.training.run_training OUT STEP [OPTIONS]    (options of the run, as JSON)
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from fer_xai.models.registry import MODELS, Architecture
from fer_xai.types import Faces
from tests.helpers import TinyNet
from training import run as module
from training.recipes import Overrides
from training.trainee import Trainee

if "tiny" not in MODELS:
    MODELS.register("tiny")(Architecture(build=TinyNet, cam_layer="relu2", paper_layer="conv2"))


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
    original, kept = module.TrainingRun.faces, {}

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
    command = [sys.executable, "-m", "tests.training.run_training", str(out), str(step)]
    killed = subprocess.run([*command, json.dumps(options)], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()


if __name__ == "__main__":
    torch.set_num_threads(1)
    out, step, *options = sys.argv[1:]
    _die_at(int(step))
    module.train(training_run(Path(out), **(json.loads(options[0]) if options else {})))
