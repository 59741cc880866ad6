"""Worker of :mod:`benchmarks.reports`: a study, run again whenever it is asked to.

It imports nothing of this package, since it runs with an earlier commit's, too.
"""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import sys
import time
import warnings


def work(options: str) -> None:
    """Run the study once for each line that comes in, and answer with the seconds."""
    warnings.simplefilter("ignore")
    sys.argv = ["studies.run", *json.loads(options)]
    for _ in sys.stdin:
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                runpy.run_module("studies.run", run_name="__main__")
            except SystemExit as end:
                if end.code not in (None, 0):
                    raise
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    work(sys.argv[1])
