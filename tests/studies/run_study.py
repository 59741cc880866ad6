"""Runs the consistency study on a few faces with a tiny net; dies by SIGKILL where it is told to."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure

from fer_xai.attributions import CONTROLS
from fer_xai.models.registry import MODELS, Architecture
from studies.questions.gradcam_consistency import maps, scores
from studies.questions.gradcam_consistency import study as module
from studies.questions.landmark_alignment import chance as alignment
from studies.reporting import page
from tests.helpers import TinyNet

if "tiny" not in MODELS:
    MODELS.register("tiny")(Architecture(build=TinyNet, cam_layer="relu2", paper_layer="conv2"))

module.CALIBRATION = 48  # faces are slow to draw
scores.SSIM_PAIRS = 20


def study(out: Path, weights: Path, **options: Any) -> module.GradcamConsistency:
    settings = {"limit": 30, "untrained": 2, "moved": 6, "batch_size": 8} | options
    return module.GradcamConsistency(
        models=(f"tiny={weights}",), device="cpu", progress=False, out=out, **settings
    )


@contextmanager
def sparing() -> Iterator[None]:
    """Few controls instead of nine, and pictures that are not drawn: for tests of something else."""
    few = {maps: ("random", "centre"), alignment: ("shuffled", "uniform", "centre")}
    with pytest.MonkeyPatch.context() as patch:
        for place, names in few.items():
            patch.setattr(place, "CONTROLS", {name: CONTROLS[name] for name in names})
        patch.setattr(page, "png", undrawn)
        yield


def undrawn(figure: Figure) -> bytes:
    """No picture."""
    plt.close(figure)
    return b""


def dying_study(out: Path, weights: Path, write: int, phase: str, options: dict[str, Any]) -> None:
    """A run with few controls that a SIGKILL ends at the given write of a file.

    ``during`` leaves half of the file, ``unnamed`` all of it under its temporary name, and
    ``named`` dies just after.
    """
    torch.set_num_threads(1)
    _die_at(write, phase)
    with sparing():
        study(out, weights, **options).run()


def _die_at(write: int, phase: str) -> None:
    writes, original, rename = iter(range(1, 10_000)), Path.write_bytes, Path.replace
    state = {"now": False}

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def write_bytes(self: Path, content: bytes) -> int:
        state["now"] = next(writes) == write
        if state["now"] and phase == "during":
            original(self, content[: len(content) // 2])
            die()
        return original(self, content)

    def replace(self: Path, target: Path) -> Path:
        if state["now"] and phase == "unnamed":
            die()
        found = rename(self, target)
        if state["now"]:
            die()
        return found

    patched: dict[str, Callable[..., Any]] = {"write_bytes": write_bytes, "replace": replace}
    for name, function in patched.items():
        setattr(Path, name, function)
