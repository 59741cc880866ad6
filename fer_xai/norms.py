"""Running statistics of normalisation layers: found by trying, and taken anew."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedTensorMixin
from torch.nn.utils.parametrize import ParametrizationList

from fer_xai.errors import InputError

_NOISE_IMAGES = 2
_TRIED_MOMENTUM = 0.1
_NEAR = 1e-3
"""By how much shares of what was kept before may differ, in single precision."""
_FAILS = "it fails in training mode"
_COUNTER = "num_batches_tracked"
_FIXED = ("weight", "bias", "running_mean", "running_var")
_TWINS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}

Buffers = dict[str, dict[str, Tensor]]
"""Buffers by their module's name and their own."""


@dataclass(frozen=True, kw_only=True)
class RunningStatistics:
    """What a module keeps of the batches that it has seen in training mode.

    Attributes
    ----------
    buffers
        Names of the module's own buffers that hold it.
    kind
        ``cumulative``: a momentum of None makes them the mean over batches, as BatchNorm has it;
        ``average``: they are an exponential moving average of each batch's; ``fixed``: they and the
        affine parameters are buffers that no pass changes (FrozenBatchNorm); ``unknown``: they
        change in another way, or the module fails in training mode.
    trained
        Name of the module whose training mode changes them: it, or the one that it is part of.
    decay
        Of a moving average: weight of what was kept before.
    momentum
        What the module's momentum has to be for that; None leaves it as it is.
    reason
        Why they are unknown.
    """

    buffers: tuple[str, ...]
    kind: Literal["cumulative", "average", "fixed", "unknown"]
    trained: str
    decay: float = 0.0
    momentum: float | None = None
    reason: str = ""


def is_fixed_norm(module: nn.Module) -> bool:
    """Whether a module is a frozen BatchNorm, whose learned values are buffers."""
    own = module._buffers
    return next(module.parameters(recurse=False), None) is None and all(
        own.get(name) is not None and own[name].is_floating_point()  # type: ignore[union-attr]
        for name in _FIXED
    )


@torch.no_grad()
def running_statistics(model: nn.Module, images: Tensor) -> dict[str, RunningStatistics]:
    """A model's modules that keep running statistics, by name.

    They are found by their behaviour and not by their class: on a private copy, passes of noise
    with modules in training mode show which floating-point buffers change, and how what is kept
    depends on what was there before. Buffers that change without an effect on the answers, and
    those of parametrisations, which follow the weights and not the images, are left out.

    Parameters
    ----------
    model
        Takes a batch; it stays as it is, and so do PyTorch's generators.
    images
        ``(B, 3, H, W)`` on the model's device; only their shape matters.

    Raises
    ------
    InputError
        If the model has lazy layers that are not built yet.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SyncBatchNorm(4), nn.Dropout())
    >>> found = running_statistics(net, torch.rand(1, 3, 8, 8))
    >>> {name: (kept.kind, kept.buffers) for name, kept in found.items()}
    {'1': ('cumulative', ('running_mean', 'running_var'))}
    """
    check_built(model)
    if not any(_floating(module) for module in model.modules()):
        return {}
    devices = [images.device] if images.is_cuda else []
    with torch.random.fork_rng(devices=devices):
        trial = _Trial(model, images)
        with unsynchronised(trial.model):
            return trial.found()


def recalibrate(
    model: nn.Module,
    batches: Iterable[Tensor],
    *,
    statistics: Mapping[str, RunningStatistics] | None = None,
) -> None:
    """Replace running statistics by those of these batches, in place.

    Statistics are the mean over batches; everything else (dropout among it) is in evaluation mode
    meanwhile, and modes and momenta are put back. SyncBatchNorm does what BatchNorm does, without
    other processes. A frozen BatchNorm (:func:`is_fixed_norm`) gets what a BatchNorm in its place
    would get. A batch of one image is left out, for one value a channel has no variance.

    Parameters
    ----------
    model
        Takes a batch.
    batches
        Images ``(B, 3, H, W)``, on the model's device.
    statistics
        Modules that are recalibrated, of :func:`running_statistics`; by default all of them.

    Raises
    ------
    InputError
        Naming the modules whose statistics are no mean over batches, or if no batch has two images.
        The model is then as it was.
    """
    queue = iter(batches)
    first = next(queue, None)
    if first is not None and any(map(_lazy, model.modules())):
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


def check_built(model: nn.Module) -> None:
    """A network without layers that are built by their first pass.

    Raises
    ------
    InputError
        Naming one that is not built yet.
    """
    for name, module in model.named_modules():
        if _lazy(module):
            raise InputError(
                f"Expected a network whose layers are built, but {name} "
                f"({type(module).__name__}) is not yet: pass an image through it first."
            )


@contextmanager
def unsynchronised(model: nn.Module) -> Iterator[None]:
    """Meanwhile each SyncBatchNorm, and what was derived from it, asks no other process."""
    changed = [module for module in model.modules() if isinstance(module, nn.SyncBatchNorm)]
    kinds = [type(module) for module in changed]
    try:
        for module, kind in zip(changed, kinds, strict=True):
            module.__class__ = _ALONE.get(kind) or _ALONE.setdefault(kind, _alone(kind))
        yield
    finally:
        for module, kind in zip(changed, kinds, strict=True):
            module.__class__ = kind


@torch.no_grad()
def replace_sync(model: nn.Module, images: Tensor) -> None:
    """Put the BatchNorm of as many dimensions in the place of each SyncBatchNorm of a model.

    The model answers as before; what folds, merges or traces BatchNorm now knows it as one.

    Parameters
    ----------
    model
        In evaluation mode; changed in place, with the same tensors under the same names.
    images
        ``(B, 3, H, W)``, for the pass that shows the number of dimensions.
    """
    asked = {module for module in model.modules() if type(module) is nn.SyncBatchNorm}
    if not asked:
        return
    dimensions: dict[nn.Module, set[int]] = {}

    def note(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        dimensions.setdefault(module, set()).add(inputs[0].ndim)

    hooks = [module.register_forward_pre_hook(note) for module in asked]
    try:
        model(images)
    finally:
        for hook in hooks:
            hook.remove()
    twins: dict[nn.Module, nn.Module] = {}
    for module, seen in dimensions.items():
        kinds = {_TWINS.get(number) for number in seen}
        kind = kinds.pop()
        if kinds or kind is None:  # of no one number of dimensions: it stays as it is
            continue
        twin: Any = kind.__new__(kind)
        twin.__dict__ = module.__dict__
        twins[module] = twin
    for parent in model.modules():
        for name, child in parent._modules.items():
            if child in twins:
                parent._modules[name] = twins[child]


class _Alone(nn.SyncBatchNorm):
    """SyncBatchNorm that takes the statistics of its own batch."""

    forward = nn.modules.batchnorm._BatchNorm.forward


_ALONE: dict[type[nn.SyncBatchNorm], type[nn.SyncBatchNorm]] = {nn.SyncBatchNorm: _Alone}


def _alone(kind: type[nn.SyncBatchNorm]) -> type[nn.SyncBatchNorm]:
    """A class like this one to which SyncBatchNorm's own pass is BatchNorm's."""
    return type(kind.__name__, (kind, _Alone), {"__module__": kind.__module__})


def _floating(module: nn.Module) -> list[str]:
    """Names of a module's own floating-point buffers."""
    return [
        name
        for name, buffer in module._buffers.items()
        if buffer is not None and not _uninitialised(buffer) and buffer.is_floating_point()
    ]


def _uninitialised(tensor: object) -> bool:
    return isinstance(tensor, UninitializedTensorMixin)


def _lazy(module: nn.Module) -> bool:
    """Whether a module's tensors come with its first pass."""
    return any(map(_uninitialised, [*module._buffers.values(), *module._parameters.values()]))


@torch.no_grad()
def _build(model: nn.Module, images: Tensor) -> None:
    """A first pass, after which lazy layers are what they will be."""
    training = {module: module.training for module in model.modules()}
    model.eval()(images)
    for module, mode in training.items():
        module.training = mode


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


class _Trial:
    """A private copy, and what its buffers become."""

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        # hooks that make weights are needed, and others do no harm on noise
        self.model = copy.deepcopy(model).eval()
        own = torch.Generator().manual_seed(0)
        shape = (_NOISE_IMAGES, *images.shape[1:])
        self.noise = torch.rand(shape, generator=own).to(images.device)
        self.modules = dict(self.model.named_modules())
        skipped = {
            id(part)
            for module in self.modules.values()
            if isinstance(module, ParametrizationList)
            for part in module.modules()
        }
        self.owners = [
            name
            for name, module in self.modules.items()
            if _floating(module) and id(module) not in skipped
        ]
        self.start: Buffers = {
            name: {key: value.clone() for key, value in module._buffers.items()
                   if value is not None}
            for name, module in self.modules.items()
        }  # fmt: skip
        self.momenta: dict[str, Any] = {
            name: self.modules[name].momentum
            for name in self.owners
            if hasattr(self.modules[name], "momentum")
        }

    def found(self) -> dict[str, RunningStatistics]:
        """Every module that keeps running statistics."""
        fixed = [name for name in self.owners if is_fixed_norm(self.modules[name])]
        made: dict[str, RunningStatistics] = {}
        asked = [name for name in self.owners if name not in fixed]
        after = self._tried(asked)
        if after is None:
            for name in [name for name in asked if self._tried([name]) is None]:
                asked.remove(name)
                made[name] = RunningStatistics(
                    buffers=tuple(_floating(self.modules[name])), kind="unknown", trained=name,
                    reason=_FAILS,
                )  # fmt: skip
            after = self._after(asked)
        made |= self._cumulative(asked)
        left = [name for name in asked if name not in made]
        moved = self._changed(after, left)
        made |= self._averages(dict(zip(moved, moved, strict=True)), moved, {})
        still = [name for name in left if name not in moved]
        kicked = {name: _TRIED_MOMENTUM for name in still if self.momenta.get(name, 1) in (None, 0)}
        if kicked:
            moved = self._changed(self._after(asked, momenta=kicked), list(kicked))
            made |= self._averages(dict(zip(moved, moved, strict=True)), moved, kicked)
        left = [name for name in asked if name not in made]
        made |= self._parts(left)
        made |= {name: RunningStatistics(buffers=_FIXED[2:], kind="fixed", trained=name)
                 for name in fixed}  # fmt: skip
        return {
            name: made[name]
            for name in self.owners
            if name in made and (made[name].kind != "unknown" or self._matters(name, made[name]))
        }

    def _after(
        self,
        trained: Iterable[str],
        *,
        momenta: Mapping[str, float | None] | None = None,
        moved: Mapping[str, Iterable[str]] | None = None,
        by: float = 0.0,
    ) -> Buffers:
        """Buffers after one pass with these modules in training mode.

        Parameters
        ----------
        trained, momenta
            Names of the modules, and momenta of modules.
        moved, by
            Buffers that begin elsewhere, as many times 1 + their magnitude away.
        """
        for name, buffers in self.start.items():
            for key, value in buffers.items():
                begins = moved and key in moved.get(name, ())
                self.modules[name]._buffers[key] = (
                    value + by * (1 + value.abs()) if begins else value.clone()
                )
        for name, momentum in (self.momenta | dict(momenta or {})).items():
            module: Any = self.modules[name]
            module.momentum = momentum
            counter = module._buffers.get(_COUNTER)
            if momentum is None and counter is not None:
                counter.zero_()
        self.model.eval()
        for name in trained:
            self.modules[name].training = True
        self.model(self.noise)
        return {
            name: {key: value.clone() for key in _floating(module)
                   if (value := module._buffers[key]) is not None}
            for name, module in self.modules.items()
        }  # fmt: skip

    def _tried(
        self, trained: Iterable[str], momenta: Mapping[str, float | None] | None = None
    ) -> Buffers | None:
        """As :meth:`_after`; None where a pass fails in this mode."""
        try:
            return self._after(trained, momenta=momenta)
        except Exception:  # noqa: BLE001 - the user's code, which may raise anything
            return None

    def _changed(self, after: Buffers, names: Iterable[str]) -> dict[str, list[str]]:
        """Floating-point buffers that are not as they were, of these modules."""
        changed = {
            name: [
                key for key, value in after[name].items()
                if key not in self.start[name] or not _alike(value, self.start[name][key])
            ]
            for name in names
        }  # fmt: skip
        return {name: keys for name, keys in changed.items() if keys}

    def _cumulative(self, asked: list[str]) -> dict[str, RunningStatistics]:
        """Modules whose first batch leaves nothing of what was there, without a momentum."""
        none: dict[str, float | None] = {
            name: None
            for name in self.momenta
            if name in asked and self.modules[name]._buffers.get(_COUNTER) is not None
        }
        one = self._tried(asked, none)
        if one is None:
            none = {name: None for name in none if self._tried([name], {name: None}) is not None}
            one = self._after(asked, momenta=none)
        moved = self._changed(one, none)
        two = self._after(asked, momenta=none, moved=moved, by=1.0) if moved else one
        made = {}
        for name, keys in moved.items():
            kept = [self._share(one, two, name, key, 1.0) for key in keys]
            if all(share is not None and abs(share) < _NEAR for share in kept):
                made[name] = RunningStatistics(buffers=tuple(keys), kind="cumulative", trained=name)
        return made

    def _share(self, one: Buffers, two: Buffers, name: str, key: str, by: float) -> float | None:
        """Which share of a move by ``by`` is left after a pass; None where not all values agree."""
        if key not in self.start[name]:
            return None
        move = by * (1 + self.start[name][key].abs()).double()
        if one[name][key].shape != move.shape or two[name][key].shape != move.shape:
            return None
        shares = (two[name][key].double() - one[name][key].double()) / move
        mean = float(shares.mean())
        return mean if bool(((shares - mean).abs() <= _NEAR).all()) else None

    def _averages(
        self,
        trained: Mapping[str, str],
        moved: dict[str, list[str]],
        momenta: Mapping[str, float | None],
    ) -> dict[str, RunningStatistics]:
        """Modules whose buffers are linear in what was there, with one share for all values."""
        made = {}
        for name, keys in moved.items():  # one at a time: others may look at what they keep
            alone = [trained[name]]
            ways = [self._after(alone, momenta=momenta, moved={name: keys}, by=by)
                    for by in (0.0, 1.0, 2.0)]  # fmt: skip
            shares = [self._share(ways[0], ways[k], name, key, float(k))
                      for key in keys for k in (1, 2)]  # fmt: skip
            known = [share for share in shares if share is not None]
            decay = sum(known) / max(len(known), 1)
            linear = len(known) == len(shares) and max(known) - min(known) < _NEAR
            steady = linear and -_NEAR < decay < 1 - 1e-5
            changed = momenta.get(name) != self.momenta.get(name)
            made[name] = RunningStatistics(
                buffers=tuple(keys), kind="average" if steady else "unknown", trained=trained[name],
                decay=max(decay, 0.0), momentum=momenta.get(name) if changed else None,
                reason="" if steady else "what a batch leaves in them is no such mean",
            )  # fmt: skip
        return made

    def _parts(self, left: list[str]) -> dict[str, RunningStatistics]:
        """Modules whose buffers another one keeps: the one that they are part of, if it does."""
        left = [name for name in left if name]  # the whole is part of nothing
        if not left:
            return {}
        try:
            every = self._changed(self._after(self.modules), left)
        except Exception:  # noqa: BLE001 - a whole network in training mode may ask for more
            return {}
        made: dict[str, RunningStatistics] = {}
        for name, keys in every.items():
            holder = _parent(name)
            if self._changed(self._after([holder]), [name]):
                made |= self._averages({name: holder}, {name: keys}, self.momenta)
            else:
                made[name] = RunningStatistics(
                    buffers=tuple(keys), kind="unknown", trained=name,
                    reason="what changes them is not the module that holds them",
                )  # fmt: skip
        return made

    def _matters(self, name: str, kept: RunningStatistics) -> bool:
        """Whether answers in evaluation mode depend on what is kept."""
        if any(key not in self.start[name] for key in kept.buffers):
            return True
        self._after([])
        answers = []
        for _ in range(2):
            try:
                answers.append(self.model(self.noise))
            except Exception:  # noqa: BLE001 - the user's code, on values that it may refuse
                return True
            for key in kept.buffers:
                value = self.start[name][key]
                self.modules[name]._buffers[key] = value + 1 + value.abs()
        one, two = answers
        return not (isinstance(one, Tensor) and isinstance(two, Tensor) and _alike(one, two))


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, equal_nan=True)


class _Recalibration:
    """A model in the midst of it."""

    def __init__(self, model: nn.Module, statistics: Mapping[str, RunningStatistics]) -> None:
        self.model, self.statistics, self.taken = model, statistics, 0
        modules = dict(model.named_modules())
        self.modules: dict[str, Any] = {name: modules[name] for name in statistics}
        self.before: Buffers = {
            name: {key: value.clone() for key, value in module._buffers.items()
                   if value is not None}
            for name, module in self.modules.items()
        }  # fmt: skip
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
                    module._buffers[_COUNTER].zero_()
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
