"""Logits in bulk: Predictor against the plain model."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from benchmarks.report import Row, Section
from benchmarks.timing import Spread, alternate, best_batch_size, ratio
from fer_xai import FERModel, Predictor, load_model
from fer_xai.data.datasets.synthetic import synthetic_faces

N_IMAGES = 256
N_SEARCH = 128  # images for the search of the batch size


def measure(*, rounds: int) -> Section:
    """Rows of GiMeFive and ResNet18."""
    section = Section(
        rows=[],
        seconds={},
        notes=[
            f"Logits: {N_IMAGES} built-in faces; the plain model runs eagerly in inference mode at the "
            "batch size of 8, 16, 32, 64 that suits it best, Predictor at its own choice, checks of the "
            "images included. Agreement is the largest difference over the largest logit.",
        ],
    )
    images = (synthetic_faces(N_IMAGES).pixels(64).float() / 255).contiguous()
    for name in ("gimefive", "resnet18"):
        plain = load_model(name)
        predictor = Predictor(plain, device="cpu")
        size = best_batch_size(partial(_eager, plain, images[:N_SEARCH]))
        difference = (predictor.logits(images) - _eager(plain, images, size)).abs().max()
        largest = _eager(plain, images, size).abs().max()
        seconds = alternate(
            {
                "ours": partial(predictor.logits, images),
                "plain": partial(_eager, plain, images, size),
            },
            rounds=rounds,
        )
        section.rows.append(
            Row(
                name=f"Logits, {name}: plain / Predictor",
                ours=_cell(seconds["ours"], predictor.batch_size),
                peer=_cell(seconds["plain"], size),
                ratio=ratio(seconds, "plain", "ours"),
                agreement=f"differ by {float(difference / largest):.0e}",
            )
        )
        section.seconds[name] = seconds
        section.settings[name] = {
            "images": len(images),
            "batch_sizes": {"ours": predictor.batch_size, "plain": size},
            "batchnorm_folded": predictor.folded is not None,
        }
    return section


@torch.inference_mode()
def _eager(model: FERModel, images: Tensor, size: int) -> Tensor:
    return torch.cat([model(images[i : i + size]) for i in range(0, len(images), size)])


def _cell(seconds: list[float], batch_size: int) -> str:
    return f"{N_IMAGES / Spread.of(seconds).median:.0f} images/s (batch {batch_size})"
