"""The one place that calls a classifier in bulk: batching, layout, precision, progress."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn

from fer_xai.checks import check_images, emulates_bf16, resolve_device
from fer_xai.errors import InputError
from fer_xai.inference.batching import in_batches
from fer_xai.inference.compiled import CompiledNet
from fer_xai.inference.measuring import fastest_batch_size
from fer_xai.inference.private_copy import no_tf32, private_copies
from fer_xai.inference.turn import Turn
from fer_xai.inference.views import Views
from fer_xai.types import Faces, Sliced

Precision = Literal["fp32", "bf16"]
_DEFAULT = {"cpu": 8, "gpu": 256}
_ALONE = {"cpu": 16, "gpu": 256}  # where threads share a micro-batch instead of having one each
_WORTH_MEASURING = 512
"""Images from which on the fastest batch size is measured rather than assumed."""
_MEASURING = threading.RLock()
T = TypeVar("T")


class Classifier(Protocol):
    """What a predictor asks of a model; :class:`fer_xai.models.FERModel` is one.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> FERModel(nn.Flatten(), emotions=["sad", "happy"], size=2).canonical(torch.tensor([0, 1]))
    tensor([2, 0])
    """

    net: nn.Module
    emotions: tuple[str, ...]
    size: int
    name: str

    def __call__(self, images: Tensor) -> Tensor:
        """Logits ``(B, C)`` of images ``(B, 3, H, W)`` in [0, 1]."""
        ...

    def canonical(self, columns: Tensor) -> Tensor:
        """Canonical emotion index of each output column."""
        ...

    def columns(self, labels: Tensor) -> Tensor:
        """Output column of each canonical emotion index."""
        ...


class Predictor:
    """Logits of many images, fast, from a private copy of a model.

    The copy is in evaluation mode, needs no gradients, has BatchNorm folded into convolutions and
    channels last in memory. Folding is checked on noise images against the plain copy (largest
    difference within 1e-5, or 1e-5 of the largest logit where that is above 1) and given up where
    it does not hold or the network cannot be traced. The model handed in is never touched; hooks
    stay with it, so that what they change about its answers is not seen here. Threads may share
    a predictor: one waits while another works with it.

    Parameters
    ----------
    model
        The classifier.
    device
        ``auto``, ``cpu``, ``cuda``, ``mps``.
    precision
        ``fp32``, or ``bf16`` autocast (which changes scores: a manifest records it; a CPU that has
        no instructions for it is warned of).
    batch_size
        Images a pass. ``None`` finds the fastest by a short measurement when it is first needed;
        results move by about 1e-6 with it, so a manifest records it and a resumed run reuses it.
    fold
        Whether BatchNorm may be folded.
    compile
        Whether passes in bulk (:meth:`run`, :meth:`logits`) may be compiled: that takes a minute,
        and pays from some ten thousand images on. Batches are filled up to ``batch_size`` images.
        Given up where there is no compiler or logits move by more than folding may move them.

    Attributes
    ----------
    model
        The private plain copy; ``folded`` the one with BatchNorm folded, or None.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    >>> predictor = Predictor(FERModel(net, emotions=["sad", "happy"], size=2))
    >>> predictor.logits(torch.rand(5, 3, 2, 2)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        model: Classifier,
        *,
        device: str = "auto",
        precision: Precision = "fp32",
        batch_size: int | None = None,
        fold: bool = True,
        compile: bool = False,  # noqa: A002 - what torch calls it
    ) -> None:
        if precision not in ("fp32", "bf16"):
            raise InputError(f"Expected precision fp32 or bf16, got {precision!r}.")
        if batch_size is not None and batch_size < 1:
            raise InputError(f"Expected a positive batch size, got {batch_size}.")
        self.device = resolve_device(device)
        self.precision: Precision = precision
        if precision == "bf16" and emulates_bf16(self.device):
            warnings.warn(
                "This CPU has no instructions for bf16, which takes many times as long on it as "
                "fp32: use fp32, or a GPU.",
                stacklevel=2,
            )
        with torch.inference_mode(mode=False):  # a caller's would forbid gradients for good
            self.model, self.folded = private_copies(model, self.device, fold=fold)
        self.layers: dict[str, Any] = {}  # what attributions found out about layers, by name
        self.rewritten: dict[str, Any] = {}  # copies that attributions made safe for their rules
        self._measured = [batch_size]  # which views share; a circle would keep networks alive
        self._compile = compile
        self._compiled: CompiledNet | None = None
        self._shared, self._is_view = Views(), False
        self._others: list[Predictor] = []
        self._turn = Turn()

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.model.name)

    @property
    def emotions(self) -> tuple[str, ...]:
        """The model's emotions in output order."""
        return tuple(self.model.emotions)

    @property
    def fastest(self) -> Any:
        """The folded copy where there is one, else the plain one."""
        return self.model if self.folded is None else self.folded

    @property
    def batch_size(self) -> int:
        """Images a pass."""
        with self._turn.taken(), _MEASURING:
            if (found := self._measured[0]) is None:
                found = self._measured[0] = self._measure()
            return found

    def batch_size_for(self, n: int) -> int:
        """Images a pass for ``n`` images: measured once there are enough of them to gain by it."""
        if self._measured[0] is None and n < _WORTH_MEASURING:
            return _DEFAULT[self._kind]
        return self.batch_size

    @property
    def _kind(self) -> str:
        return "cpu" if self.device.type == "cpu" else "gpu"

    def settings(self) -> dict[str, Any]:
        """What a manifest records, and what a resumed run hands in again."""
        return {
            "device": str(self.device),
            "precision": self.precision,
            "batch_size": self.batch_size,
            "batchnorm_folded": self.folded is not None,
            "channels_last": True,
            "compiled": self.compiled is not None,
        }

    def logits(
        self,
        images: Tensor | Faces | Sliced,
        *,
        size: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Tensor:
        """Logits of any number of images.

        Parameters
        ----------
        images
            ``(N, 3, H, W)`` in [0, 1], or uint8, or slices of such; or faces, read meanwhile.
        size
            Side at which faces are read; the model's by default.
        progress
            Called with the number of images done after each pass.

        Returns
        -------
        Tensor
            ``(N, C)`` float32 on the CPU, in the model's output order.
        """
        reading: AbstractContextManager[Any] = nullcontext(images)
        if isinstance(images, Faces):
            reading = images.stream(size or self.model.size, batch=self.batch_size_for(len(images)))

        def scored(view: Predictor, rows: slice) -> Tensor:
            with torch.inference_mode():
                return view._run(view.to_device(pixels[rows])).cpu()

        with reading as pixels:
            parts = self.each(len(images), scored, done=progress)
        # joined outside: what is made in inference mode can be part of no graph of the caller's
        return torch.cat(parts) if parts else torch.zeros(0, len(self.emotions))

    def each(
        self,
        n: int,
        work: Callable[[Predictor, slice], T],
        *,
        side_by_side: bool = True,
        done: Callable[[int], None] | None = None,
    ) -> list[T]:
        """Results of work on each micro-batch of ``n`` images: the loop of all work in bulk.

        On a CPU micro-batches run side by side, one thread each, where the network allows it
        (:mod:`fer_xai.inference.batching`); neither which images form a micro-batch nor any result
        depends on that.

        Parameters
        ----------
        n
            Number of images, or of changed copies of images.
        work
            Called with a predictor and the rows of a micro-batch. It must use that predictor alone,
            which is this one or a view of it: the same weights, with hooks of its own. It starts no
            thread that uses the predictor.
        side_by_side
            False for work that must not run in several threads at a time, such as tracing.
        done
            Called with the number of images of each micro-batch, in order.

        Returns
        -------
        list
            What ``work`` returned, in order.

        Examples
        --------
        >>> from fer_xai import load_model
        >>> predictor = Predictor(load_model("gimefive"), device="cpu", batch_size=2)
        >>> predictor.each(5, lambda view, rows: (rows.start, rows.stop))
        [(0, 2), (2, 4), (4, 5)]
        """

        def helped(view: Predictor, rows: slice) -> T:
            with self._turn.helped():
                return work(view, rows)

        with self._turn.taken():
            few = self._measured[0] is None and n < _WORTH_MEASURING
            step = (_DEFAULT if side_by_side else _ALONE)[self._kind] if few else self.batch_size
            views = self._views if side_by_side else lambda _: [self]
            try:
                return in_batches(n, step, helped, views=views, done=done)
            finally:
                if not self._is_view:
                    self._shared.passed((self.model, self.folded))

    def turn(self) -> AbstractContextManager[None]:
        """Context of one thread at a time, for passes and hooks outside :meth:`each`."""
        return self._turn.taken()

    def _views(self, count: int) -> list[Predictor]:
        """The predictor and views of it, or it alone where passes cannot run side by side."""
        if count < 2 or self.device.type != "cpu" or self.compiled is not None:
            return [self]
        side = self.model.size
        noise = self.to_device(torch.rand(2, 3, side, side, generator=torch.Generator()))
        nets = self._shared.take((self.model, self.folded), noise, count - 1)
        known = {id(view.model): view for view in self._others}
        self._others = []
        for model, folded in nets:
            view = known.get(id(model))
            if view is None:
                view = copy.copy(self)
                view.model, view.folded, view.rewritten = model, folded, {}
            view._is_view = True
            self._others.append(view)
        return [self, *self._others]

    def run(self, batch: Tensor) -> Tensor:
        """Logits ``(B, C)`` float32, on the device, of one batch that is there and in [0, 1].

        They are an ordinary tensor, which can be part of a graph, but carry no gradient.
        """
        with self._turn.taken(), torch.inference_mode():
            logits = self._run(batch)
        return logits.clone()

    def _run(self, batch: Tensor) -> Tensor:
        compiled = self.compiled
        if compiled is not None and compiled.takes(batch):
            return compiled(batch)
        with self.autocast():
            logits: Tensor = self.fastest(batch)
        return logits.float()

    @property
    def compiled(self) -> CompiledNet | None:
        """The compiled network, made when first asked for; None where there is none."""
        if self._compile and (self._compiled is None or self._compiled.stale):
            self._compiled = CompiledNet.of(self)
            self._compile = self._compiled is not None
        return self._compiled

    def to_device(self, images: Tensor) -> Tensor:
        """One batch as the network wants it."""
        floats = images.float() / 255 if images.dtype == torch.uint8 else images
        images = check_images(floats).float()
        return images.to(self.device).contiguous(memory_format=torch.channels_last)

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Context of a pass in this predictor's precision; fp32 is not TF32 on a GPU."""
        enabled = self.precision == "bf16"
        with (
            torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled),
            no_tf32() if self.device.type == "cuda" else nullcontext(),  # a flag of all threads
        ):
            yield

    def runs_alone(self, layer: str) -> bool:
        """Whether a layer of the folded copy runs once and means what it means in the plain one.

        Convolutions, linear layers and BatchNorms do not (folding merges them), and containers are
        traced away.
        """
        if self.folded is None:
            return False
        graph = self.folded.net.graph
        calls = [node for node in graph.nodes if node.op == "call_module" and node.target == layer]
        module = dict(self.folded.net.named_modules()).get(layer)
        merged = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Identity)
        return len(calls) == 1 and not isinstance(module, merged)

    def _measure(self) -> int:
        return fastest_batch_size(self)
