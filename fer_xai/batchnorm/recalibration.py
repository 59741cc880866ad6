"""Running statistics of normalisation layers, taken anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from fer_xai.batchnorm.built import unbuilt
from fer_xai.batchnorm.running_statistics import (
    COUNTER,
    Buffers,
    RunningStatistics,
    running_statistics,
)
from fer_xai.batchnorm.synchronised import unsynchronised
from fer_xai.errors import InputError


def recalibrate(
    model: nn.Module,
    batches: Iterable[Tensor],
    *,
    statistics: Mapping[str, RunningStatistics] | None = None,
) -> None:
    """Replace running statistics by those of these batches, in place.

    Statistics are the mean over batches; everything else (dropout among it) is in evaluation mode
    meanwhile, and modes and momenta are put back. SyncBatchNorm does what BatchNorm does, without
    other processes. A frozen BatchNorm (FrozenBatchNorm2d) gets what a BatchNorm in its place would
    get. A batch of one image is left out, for one value a channel has no variance.

    Parameters
    ----------
    model
        Takes a batch.
    batches
        Images ``(B, 3, H, W)``, on the model's device.
    statistics
        Modules that are recalibrated, of
        :func:`fer_xai.batchnorm.running_statistics.running_statistics`; by default all of them.

    Raises
    ------
    InputError
        Naming the modules whose statistics are no mean over batches, or if no batch has two images.
        The model is then as it was.

    Examples
    --------
    >>> net = nn.Sequential(nn.BatchNorm2d(3)).eval()
    >>> recalibrate(net, [torch.full((2, 3, 4, 4), 0.25), torch.full((2, 3, 4, 4), 0.75)])
    >>> net[0].running_mean, net.training
    (tensor([0.5000, 0.5000, 0.5000]), False)
    """
    queue = iter(batches)
    first = next(queue, None)
    if first is not None and any(map(unbuilt, model.modules())):
        _build(model, first)
    if statistics is None and first is not None:
        statistics = running_statistics(model, first)
    if not statistics:
        return
    check_known(statistics)
    work = _Recalibration(model, statistics)
    try:
        for batch in chain([] if first is None else [first], queue):
            if len(batch) > 1:
                work.take(batch)
        if not work.taken:
            raise InputError(
                "Expected a batch of at least two images to recalibrate BatchNorm on, got none: "
                "hand in more images."
            )
        work.finish()
    except BaseException:
        work.undo()
        raise
    finally:
        work.close()


def check_known(statistics: Mapping[str, RunningStatistics]) -> None:
    """Statistics that can be taken anew.

    Raises
    ------
    InputError
        Naming those that cannot.

    Examples
    --------
    >>> odd = RunningStatistics(
    ...     buffers=("peak",), kind="unknown", trained="norm", reason="it keeps the largest value"
    ... )
    >>> check_known({"norm": odd})
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected running statistics that are means or moving averages ...
    """
    unknown = [
        f"{name} ({', '.join(kept.buffers)}: {kept.reason})"
        for name, kept in statistics.items()
        if kept.kind == "unknown"
    ]
    if unknown:
        raise InputError(
            "Expected running statistics that are means or moving averages over batches, but not "
            f"so are those of {'; '.join(unknown)}: take a normalisation layer of PyTorch's, or "
            "choose batchnorm='keep' where networks are made random."
        )


@torch.no_grad()
def _build(model: nn.Module, images: Tensor) -> None:
    """A first pass, after which lazy layers are what they will be."""
    training = {module: module.training for module in model.modules()}
    model.eval()(images)
    for module, mode in training.items():
        module.training = mode


class _Recalibration:
    """A model in the midst of it."""

    def __init__(self, model: nn.Module, statistics: Mapping[str, RunningStatistics]) -> None:
        self.model, self.statistics, self.taken = model, statistics, 0
        modules = dict(model.named_modules())
        self.modules: dict[str, Any] = {name: modules[name] for name in statistics}
        self.before: Buffers = {
            name: {
                key: value.clone() for key, value in module._buffers.items() if value is not None
            }
            for name, module in self.modules.items()
        }
        self.sums: Buffers = {name: {} for name in statistics}
        self.counts: dict[tuple[str, str], int] = {}
        self.momenta = {
            name: module.momentum
            for name, module in self.modules.items()
            if hasattr(module, "momentum")
        }
        self.training = {module: module.training for module in modules.values()}
        self.hooks = [
            module.register_forward_pre_hook(partial(self._seen, name))
            for name, module in self.modules.items()
            if statistics[name].kind == "fixed"
        ]
        model.eval()
        for name, kept in statistics.items():
            if kept.kind != "fixed":
                modules[kept.trained].training = True
            if kept.kind == "cumulative":
                self.modules[name].momentum = None  # a cumulative average, no exponential one
            elif kept.momentum is not None:
                self.modules[name].momentum = kept.momentum

    @torch.no_grad()
    def take(self, batch: Tensor) -> None:
        """One batch of two images or more."""
        for name, kept in self.statistics.items():
            module = self.modules[name]
            if kept.kind == "cumulative" and not self.taken:
                if callable(getattr(module, "reset_running_stats", None)):
                    module.reset_running_stats()
                else:
                    module._buffers[COUNTER].zero_()
            elif kept.kind == "average":
                self._restore(name)
                for key, mean in self.sums[name].items():
                    module._buffers[key].copy_(mean)
        started = {
            name: {key: self.modules[name]._buffers[key].clone() for key in kept.buffers}
            for name, kept in self.statistics.items()
            if kept.kind == "average"
        }
        self.taken += 1
        with unsynchronised(self.model):
            self.model(batch)
        for name, buffers in started.items():
            decay = self.statistics[name].decay
            for key, old in buffers.items():
                new = self.modules[name]._buffers[key].double()
                self._add(name, key, (new - decay * old.double()) / (1 - decay))

    def _add(self, name: str, key: str, value: Tensor) -> None:
        """One batch's statistic, into the mean over batches."""
        mean = self.sums[name].get(key)
        count = self.counts[name, key] = self.counts.get((name, key), 0) + 1
        self.sums[name][key] = value if mean is None else mean + (value - mean) / count

    @torch.no_grad()
    def _seen(self, name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """A frozen BatchNorm's batch, by which it is normalised as BatchNorm would have it."""
        own: Any = module
        values = inputs[0].float()  # (B, C, …)
        over = [axis for axis in range(values.ndim) if axis != 1]
        own.running_mean.copy_(values.mean(dim=over))
        own.running_var.copy_(values.var(dim=over, correction=0))
        self._add(name, "running_mean", values.mean(dim=over).double())
        self._add(name, "running_var", values.var(dim=over).double())

    @torch.no_grad()
    def finish(self) -> None:
        """Write what was averaged."""
        for name, means in self.sums.items():
            if self.statistics[name].kind == "average":
                self._restore(name)  # counters among it
            for key, mean in means.items():
                self.modules[name]._buffers[key].copy_(mean)

    def undo(self) -> None:
        """Put every buffer back."""
        for name in self.statistics:
            self._restore(name)

    @torch.no_grad()
    def _restore(self, name: str) -> None:
        for key, value in self.before[name].items():
            self.modules[name]._buffers[key].copy_(value)

    def close(self) -> None:
        """Put modes and momenta back."""
        for hook in self.hooks:
            hook.remove()
        for name, momentum in self.momenta.items():
            self.modules[name].momentum = momentum
        for module, mode in self.training.items():
            module.training = mode
