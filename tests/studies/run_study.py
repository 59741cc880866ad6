"""Runs the consistency study on a few faces with a tiny net; dies by SIGKILL where it is told to.

python -m tests.studies.run_study OUT WEIGHTS [WRITE PHASE]: at the given write of a file, ``during``
leaves half of it, ``unnamed`` all of it under its temporary name, ``named`` dies just after.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fer_xai.models.registry import MODELS, Architecture
from studies.questions.gradcam_consistency import scores
from studies.questions.gradcam_consistency import study as module
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


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 3:
        _die_at(int(sys.argv[3]), sys.argv[4])
    study(Path(sys.argv[1]), Path(sys.argv[2])).run()
