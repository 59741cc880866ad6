"""Temporary files that killed processes left behind."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

DAY = 24 * 60 * 60.0
"""Seconds after which a temporary file is a leftover, whoever wrote it."""
_NAME = re.compile(r"\.(\d+)\.tmp$")


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files of :func:`fer_xai.files.write_whole` that nobody writes any more.

    A file is deleted where its process, which is named in it, is gone from this machine, or where
    it is older than a day. Files of living processes stay: another run may be writing into the
    same folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ours = Path(folder) / f".maps.npz.{os.getpid()}.tmp"
    ...     ours.touch()
    ...     remove_leftovers(Path(folder))
    ...     ours.exists()
    True
    """
    for path in folder.rglob(".*.tmp"):
        process = _NAME.search(path.name)
        gone = process is not None and not _runs(int(process[1]))
        try:
            if gone or time.time() - path.stat().st_mtime > DAY:
                path.unlink(missing_ok=True)
        except FileNotFoundError:  # its process has finished it meanwhile
            continue


def _runs(process: int) -> bool:
    """Whether a process runs on this machine; yes where that cannot be known."""
    if os.name == "nt":  # signal 0 is no question there
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True
