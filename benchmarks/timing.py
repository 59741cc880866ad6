"""Timing as ratios: contenders take turns, so that a machine's moods meet all of them alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch

from fer_xai.checks import emulates_bf16
from fer_xai.inference.predictor import Precision

Seconds = dict[str, list[float]]
"""Each contender's seconds, a value a round."""

BATCH_SIZES = (8, 16, 32, 64)
SEARCH_ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Median, lowest and highest of the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of any values, one a round."""
        return cls(median=median(values), low=min(values), high=max(values))


def alternate(contenders: Mapping[str, Callable[[], object]], *, rounds: int) -> Seconds:
    """Time the contenders in turn (a, b, a, b, …), after a round that only warms up."""
    seconds: Seconds = {name: [] for name in contenders}
    for run in contenders.values():
        run()
    with _no_collection():
        for _ in range(rounds):
            gc.collect()  # between rounds, so that no contender pays for another's litter
            for name, run in contenders.items():
                started = time.perf_counter()
                result = run()
                seconds[name].append(time.perf_counter() - started)
                del result
    return seconds


def ratio(seconds: Seconds, over: str, under: str) -> Spread:
    """How many times as long ``over`` takes as ``under``, round by round."""
    pairs = zip(seconds[over], seconds[under], strict=True)
    return Spread.of([a / b for a, b in pairs])


def best_batch_size(run: Callable[[int], object]) -> int:
    """The batch size at which a contender is fastest, by its median over a short search."""
    seconds = alternate(
        {str(size): partial(run, size) for size in BATCH_SIZES}, rounds=SEARCH_ROUNDS
    )
    return min(BATCH_SIZES, key=lambda size: median(seconds[str(size)]))


def timed_precisions() -> tuple[Precision, ...]:
    """Those that can be timed here: bf16 is not, on a CPU that emulates it."""
    return ("fp32",) if emulates_bf16(torch.device("cpu")) else ("fp32", "bf16")


@contextmanager
def _no_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
