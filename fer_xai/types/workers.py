"""Number of threads that read images."""

from __future__ import annotations

import os

MOST = 16


def workers() -> int:
    """Threads that read images at the same time: one a processor this process may use, at most 16.

    Examples
    --------
    >>> 1 <= workers() <= MOST
    True
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(MOST, usable or 1))
