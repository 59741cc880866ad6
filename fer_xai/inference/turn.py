"""Turns of threads with one predictor: a thread waits while another works with it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turn:
    """A lock that a thread may take again, and that the helpers of the thread which has it pass.

    A copy, by pickling too, is a lock of its own, which nobody has.

    Examples
    --------
    >>> turn, went = Turn(), []
    >>> def helper():
    ...     with turn.helped(), turn.taken():
    ...         went.append("on")
    >>> with turn.taken(), turn.taken():
    ...     thread = threading.Thread(target=helper)
    ...     thread.start()
    ...     thread.join()
    >>> went
    ['on']
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._here = threading.local()

    def __reduce__(self) -> tuple[type[Turn], tuple[()]]:
        return Turn, ()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Context that one thread, with its helpers, is in at a time."""
        if getattr(self._here, "helps", False):
            yield
        else:
            with self._lock:
                yield

    @contextmanager
    def helped(self) -> Iterator[None]:
        """Context in which this thread works for the one that has the turn."""
        before = getattr(self._here, "helps", False)
        self._here.helps = True
        try:
            yield
        finally:
            self._here.helps = before
