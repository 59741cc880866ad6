"""The fastest batch size of a predictor, measured."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any

import torch

from fer_xai.errors import InputError
from fer_xai.inference.batching import one_thread

_CANDIDATES = {"cpu": (8, 16, 32, 64), "gpu": (64, 128, 256, 512, 1024)}


def fastest_batch_size(predictor: Any) -> int:
    """The fastest batch size, by the median of three short passes (on CPUs in one thread).

    Parameters
    ----------
    predictor
        The :class:`~fer_xai.inference.predictor.Predictor`.

    Raises
    ------
    InputError
        If the smallest batch does not fit into memory.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> from fer_xai.inference.predictor import Predictor
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
    >>> used = Predictor(FERModel(net, emotions=["sad", "happy"], size=2), device="cpu")
    >>> fastest_batch_size(used) in (8, 16, 32, 64)
    True
    """
    kind = "cpu" if predictor.device.type == "cpu" else "gpu"
    net, side, sizes = predictor.fastest, predictor.model.size, _CANDIDATES[kind]
    rates: dict[int, float] = {}
    with torch.inference_mode(), one_thread() if kind == "cpu" else nullcontext():
        for size in sizes:
            images = predictor.to_device(torch.full((size, 3, side, side), 0.5))
            seconds = []
            try:
                for _ in range(4):
                    started = time.perf_counter()
                    with predictor.autocast():
                        net(images).float().cpu()
                    seconds.append(time.perf_counter() - started)
            except torch.OutOfMemoryError:
                break
            rates[size] = size / sorted(seconds[1:])[1]  # the first pass warms up
    if not rates:
        raise InputError(
            f"Expected {predictor.name} to fit into the memory of {predictor.device} with "
            f"{sizes[0]} images, but it does not: hand in a smaller batch_size."
        )
    return max(rates, key=lambda size: rates[size])
