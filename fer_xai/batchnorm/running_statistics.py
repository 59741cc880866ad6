"""Which modules keep running statistics, found by trying which buffers training mode changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from fer_xai.batchnorm.built import check_built, floating
from fer_xai.batchnorm.synchronised import unsynchronised
from fer_xai.copying import network_copy

Buffers = dict[str, dict[str, Tensor]]
"""Buffers by their module's name and their own."""
_NOISE_IMAGES = 2
_TRIED_MOMENTUM = 0.1
_NEAR = 1e-3
"""By how much shares of what was kept before may differ, in single precision."""
_FAILS = "it fails in training mode"
COUNTER = "num_batches_tracked"
_FIXED = ("weight", "bias", "running_mean", "running_var")


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
        Weight of the former value, for a moving average.
    momentum
        What the module's momentum has to be for that; None leaves it as it is.
    reason
        Why they are unknown.

    Examples
    --------
    >>> kept = running_statistics(nn.BatchNorm2d(3), torch.rand(1, 3, 4, 4))[""]
    >>> kept.kind, kept.buffers
    ('cumulative', ('running_mean', 'running_var'))
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
        If the model has lazy layers that are not built yet, or cannot be copied.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SyncBatchNorm(4), nn.Dropout())
    >>> found = running_statistics(net, torch.rand(1, 3, 8, 8))
    >>> {name: (kept.kind, kept.buffers) for name, kept in found.items()}
    {'1': ('cumulative', ('running_mean', 'running_var'))}
    """
    check_built(model)
    if not any(floating(module) for module in model.modules()):
        return {}
    devices = [images.device] if images.is_cuda else []
    with torch.random.fork_rng(devices=devices):
        trial = _Trial(model, images)
        with unsynchronised(trial.model):
            return trial.found()


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


class _Trial:
    """A private copy, and what its buffers become."""

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        self.model = network_copy(model).eval()
        for module in self.model.modules():  # hooks before a pass may make its weights
            module._forward_hooks.clear()
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
            if floating(module) and id(module) not in skipped
        ]
        self.start: Buffers = {
            name: {
                key: value.clone() for key, value in module._buffers.items() if value is not None
            }
            for name, module in self.modules.items()
        }
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
                own = tuple(floating(self.modules[name]))
                made[name] = RunningStatistics(
                    buffers=own, kind="unknown", trained=name, reason=_FAILS
                )
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
        for name in fixed:
            made[name] = RunningStatistics(buffers=_FIXED[2:], kind="fixed", trained=name)
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
            counter = module._buffers.get(COUNTER)
            if momentum is None and counter is not None:
                counter.zero_()
        self.model.eval()
        for name in trained:
            self.modules[name].training = True
        self.model(self.noise)
        return {
            name: {
                key: value.clone()
                for key in floating(module)
                if (value := module._buffers[key]) is not None
            }
            for name, module in self.modules.items()
        }

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
                key
                for key, value in after[name].items()
                if key not in self.start[name] or not _alike(value, self.start[name][key])
            ]
            for name in names
        }
        return {name: keys for name, keys in changed.items() if keys}

    def _cumulative(self, asked: list[str]) -> dict[str, RunningStatistics]:
        """Modules whose first batch leaves nothing of what was there, without a momentum."""
        none: dict[str, float | None] = {
            name: None
            for name in self.momenta
            if name in asked and self.modules[name]._buffers.get(COUNTER) is not None
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
            ways = [
                self._after(alone, momenta=momenta, moved={name: keys}, by=by)
                for by in (0.0, 1.0, 2.0)
            ]
            shares = [
                self._share(ways[0], ways[k], name, key, float(k)) for key in keys for k in (1, 2)
            ]
            known = [share for share in shares if share is not None]
            decay = sum(known) / max(len(known), 1)
            linear = len(known) == len(shares) and max(known) - min(known) < _NEAR
            steady = linear and -_NEAR < decay < 1 - 1e-5
            changed = momenta.get(name) != self.momenta.get(name)
            made[name] = RunningStatistics(
                buffers=tuple(keys),
                kind="average" if steady else "unknown",
                trained=trained[name],
                decay=max(decay, 0.0),
                momentum=momenta.get(name) if changed else None,
                reason="" if steady else "what a batch leaves in them is no such mean",
            )
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
                why = "what changes them is not the module that holds them"
                made[name] = RunningStatistics(
                    buffers=tuple(keys), kind="unknown", trained=name, reason=why
                )
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
