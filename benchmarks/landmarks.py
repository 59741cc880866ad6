"""Faces a second of the built-in landmark provider."""

from __future__ import annotations

import numpy as np

from benchmarks.report import Row, Section, Target, shown
from benchmarks.timing import Spread, alternate
from fer_xai.detect import Landmarks, locate
from fer_xai.detect.network import LandmarkNet
from fer_xai.detect.provider import Pixels
from fer_xai.detect.providers.builtin import Builtin

N_FACES, SIZES = 512, (48, 100, 224)
TARGET = Target(bound=1000, at_least=True, unit=" faces/s")


class Untrained(Builtin):
    """The provider with weights that were never trained: as fast, and always there."""

    version = "benchmark"

    def network(self) -> LandmarkNet:
        """The network, as it is initialised."""
        return LandmarkNet().eval().requires_grad_(False)


def measure(*, rounds: int) -> Section:
    """Faces a second, images as files hold them to points, nothing kept on disk."""
    provider = Untrained()
    rows, seconds = [], {}
    for size in SIZES:
        shape = (N_FACES, size, size, 3)
        images = list(np.random.default_rng(size).integers(0, 256, shape, dtype=np.uint8))

        def located(images: list[Pixels] = images) -> Landmarks:
            return locate(images, provider, cache=None)

        taken = alternate({"ours": located}, rounds=rounds)
        seconds[f"{size} pixels"] = taken
        rate = Spread.of([N_FACES / value for value in taken["ours"]])
        rows.append(
            Row(
                name=f"Landmarks: {N_FACES} crops of {size}×{size}, both ways",
                ours=f"{shown(rate, 0)} faces/s",
                value=rate.median,
                target=TARGET,
            )
        )
    return Section(
        rows=rows,
        seconds=seconds,
        notes=["Landmarks: resizing, and the network on each crop and its mirror image."],
        settings={"faces": N_FACES},
    )
