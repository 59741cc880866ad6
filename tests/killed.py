"""A function in another process, which a SIGKILL ends.

Processes are forked from one server that has imported what they need: importing it takes longer
than what is killed.
"""

import multiprocessing
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.studies.run_study", "tests.training.run_training"])


def killed(function: Callable[..., Any], folder: Path, *args: Any) -> None:
    """Call ``function(folder, *args)`` in another process, which has to be ended by a SIGKILL."""
    said = folder.with_name(f"{folder.name}-said.txt")
    process = _PROCESSES.Process(target=_call, args=(said, function, folder, *args))
    process.start()
    process.join()
    failed = said.read_text(encoding="utf-8") if said.exists() else ""
    assert process.exitcode == -signal.SIGKILL, failed


def _call(said: Path, function: Callable[..., Any], *args: Any) -> None:
    try:
        function(*args)
    except BaseException:
        said.write_text(traceback.format_exc(), encoding="utf-8")
        raise
