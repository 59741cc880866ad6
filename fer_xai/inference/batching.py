"""The one loop that calls a network in bulk: micro-batches in order, on CPUs side by side.

Threads inside an operator wait for each other at its end, so that one of them that the machine
delays delays all. Here each thread has a micro-batch and a view of the network of its own instead,
and operators run in one thread. The number of threads of an operator is restored after the loop; a
thread of the user's that calls PyTorch for the first time while the loop runs keeps one, and may
set its own by ``torch.set_num_threads``. Which images form a micro-batch does not depend on the
number of threads, and neither do the results.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

import torch
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

V = TypeVar("V")
T = TypeVar("T")

_RUNNING = threading.Lock()
"""Held while micro-batches run side by side: the number of threads is one for the process."""


def in_batches(
    n: int,
    step: int,
    work: Callable[[V, slice], T],
    *,
    views: Callable[[int], Sequence[V]],
    done: Callable[[int], None] | None = None,
) -> list[T]:
    """Results of all micro-batches, in order.

    Parameters
    ----------
    n
        Number of images.
    step
        Images a micro-batch; the last one may have fewer.
    work
        Called with a view and the rows of a micro-batch. Several calls run at the same time, each
        with another view, in the caller's gradient and autocast modes.
    views
        Called with the number of views that can be used; returns at least one and at most as many,
        of which no two share anything that a call changes. It is asked for one where micro-batches
        cannot run side by side: there is only one, PyTorch may use one thread, another loop is
        running, or a mode of the caller's thread watches all operators.
    done
        Called in the caller's thread with the number of images of each micro-batch, in order.

    Returns
    -------
    list
        What ``work`` returned. An exception that it raises ends the loop and is raised here, the
        number of threads restored.

    Examples
    --------
    >>> images = torch.arange(10.0)
    >>> nets = [torch.nn.Identity(), torch.nn.Identity()]
    >>> in_batches(
    ...     10, 4, lambda net, rows: float(net(images[rows]).sum()), views=lambda n: nets[:n]
    ... )
    [6.0, 22.0, 17.0]
    """
    parts = [slice(start, min(start + step, n)) for start in range(0, n, step)]
    threads = torch.get_num_threads()
    if len(parts) > 1 and threads > 1 and not _watched() and _RUNNING.acquire(blocking=False):
        try:
            available = views(min(threads, len(parts)))
            if len(available) > 1:
                return _side_by_side(parts, work, available, done, threads)
        finally:
            _RUNNING.release()
    view, results = views(1)[0], []
    for rows in parts:
        results.append(work(view, rows))
        if done is not None:
            done(rows.stop - rows.start)
    return results


@contextmanager
def one_thread() -> Iterator[None]:
    """Operators run in one thread meanwhile, as they do in :func:`in_batches`.

    Examples
    --------
    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    threads = torch.get_num_threads()
    if threads == 1 or not _RUNNING.acquire(blocking=False):
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        _RUNNING.release()


def _watched() -> bool:
    """Whether a mode sees all operators of this thread, and would see none of another's."""
    return bool(_get_current_function_mode_stack() or _get_current_dispatch_mode_stack())


def _side_by_side(
    parts: Sequence[slice],
    work: Callable[[V, slice], T],
    views: Sequence[V],
    done: Callable[[int], None] | None,
    threads: int,
) -> list[T]:
    """Results of micro-batches, a thread a view."""
    waiting = iter(range(len(parts)))
    answers: SimpleQueue[tuple[int, T | None, BaseException | None]] = SimpleQueue()
    taking, stopped = threading.Lock(), threading.Event()
    modes = _Modes()

    def serve(view: V) -> None:
        torch.set_num_threads(1)  # for what OpenMP keeps a thread
        while not stopped.is_set():
            with taking:
                number = next(waiting, None)
            if number is None:
                return
            try:
                with modes.entered():
                    result = work(view, parts[number])
                answers.put((number, result, None))
            except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
                answers.put((number, None, error))
                return

    helpers = [threading.Thread(target=serve, args=(view,), daemon=True) for view in views]
    torch.set_num_threads(1)
    results: dict[int, T] = {}
    told = 0
    try:
        for helper in helpers:
            helper.start()
        while len(results) < len(parts):
            number, result, error = answers.get()
            if error is not None:
                raise error
            results[number] = result  # type: ignore[assignment]
            while told in results:
                if done is not None:
                    done(parts[told].stop - parts[told].start)
                told += 1
    finally:
        stopped.set()
        for helper in helpers:
            if helper.ident is not None:
                helper.join()
        torch.set_num_threads(threads)
    return [results[number] for number in range(len(parts))]


class _Modes:
    """Gradient, inference and autocast mode of the thread that made it, for another thread."""

    def __init__(self) -> None:
        self.gradients = torch.is_grad_enabled()
        self.inference = torch.is_inference_mode_enabled()
        self.autocast = torch.is_autocast_enabled("cpu")
        self.precision = torch.get_autocast_dtype("cpu")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Context in which these modes hold."""
        with (
            torch.inference_mode(self.inference),
            torch.set_grad_enabled(self.gradients),
            torch.autocast("cpu", dtype=self.precision, enabled=self.autocast),
        ):
            yield
