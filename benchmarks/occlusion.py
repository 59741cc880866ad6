"""Faces behind occluders in bulk: what making them costs beside the bare forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.report import Row, Section
from benchmarks.timing import Spread, alternate, ratio
from fer_xai import Predictor, load_model
from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.inference.lazy import LazyImages
from fer_xai.perturb import occlusions
from fer_xai.perturb.occluders import OCCLUDERS

N_FACES = 12
OCCLUDED = tuple(name for name in OCCLUDERS if name != "patch")
SHARES = (0.05, 0.1, 0.2, 0.3)
GOAL = 0.85


def measure(*, rounds: int) -> Section:
    """Rows of GiMeFive: eleven occluders in four sizes, against as many clean faces."""
    faces = synthetic_faces(N_FACES)
    images = (faces.pixels(64).float() / 255).contiguous()
    points = faces.landmarks_at(64)
    predictor = Predictor(load_model("gimefive"), device="cpu", batch_size=16)
    copies = len(OCCLUDED) * len(SHARES)
    many = images.repeat(copies, 1, 1, 1)
    seconds = alternate(
        {
            "occluded": partial(score, predictor, images, points),
            "bare": partial(predictor.logits, many),
            "making": partial(make, images, points),
        },
        rounds=rounds,
    )
    total = len(many)
    section = Section(
        rows=[
            Row(
                name="Occluded faces, gimefive: bare pass / occluding and passing",
                ours=_cell(seconds["occluded"], total),
                peer=_cell(seconds["bare"], total),
                ratio=ratio(seconds, "bare", "occluded"),
                agreement=f"goal {GOAL}",
            ),
            Row(
                name="Occluded faces, gimefive: bare pass / occluding alone",
                ours=_cell(seconds["making"], total),
                peer=_cell(seconds["bare"], total),
                ratio=ratio(seconds, "bare", "making"),
                agreement="",
            ),
        ],
        seconds={"occlusion": seconds},
        notes=[
            f"Occlusion: {N_FACES} built-in faces at 64 px behind {len(OCCLUDED)} occluders in "
            f"{len(SHARES)} sizes, {copies} images a face, and as many clean images for the bare pass; "
            "Predictor at a batch size of 16, checks of the images included; images are drawn while "
            "others are passed (LazyImages), as the study of occlusion does it.",
        ],
    )
    section.settings["occlusion"] = {
        "faces": N_FACES,
        "occluders": list(OCCLUDED),
        "shares": list(SHARES),
        "batch_size": predictor.batch_size,
    }
    return section


def occluded(images: Tensor, points: NDArray[np.float32]) -> Iterator[Tensor]:
    """Batches of occluded faces."""
    for _, _, found in occlusions(images, points, OCCLUDED, shares=SHARES):
        yield found.images


def make(images: Tensor, points: NDArray[np.float32]) -> int:
    """Occlude the faces, and nothing else."""
    return sum(len(batch) for batch in occluded(images, points))


def score(predictor: Predictor, images: Tensor, points: NDArray[np.float32]) -> Tensor:
    """Logits of all occluded faces, drawn while others are passed, as the study does."""
    total = len(images) * len(OCCLUDED) * len(SHARES)
    return predictor.logits(LazyImages(occluded(images, points), total))


def _cell(seconds: list[float], images: int) -> str:
    return f"{images / Spread.of(seconds).median:.0f} images/s"
