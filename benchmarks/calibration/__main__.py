"""``python -m benchmarks.calibration``: how often intervals cover and tests err, piece by piece.

Each piece is a file in ``results/benchmarks/calibration``; pieces that are there, made by the same
code and with as many repeats, are kept, so that a run that was stopped goes on where it was.
``--page`` writes the tables of ``docs/statistics.md`` from the pieces that are there.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from benchmarks.calibration.counting import count, kept
from benchmarks.calibration.page import PAGE, RESULTS, fill
from benchmarks.calibration.pieces import pieces


def main() -> None:
    """Count the pieces that are missing, or write the page."""
    every = pieces()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", action="append", metavar="NAME", help="pieces of this beginning")
    parser.add_argument("--jobs", type=int, default=1, help="pieces at a time")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the pieces")
    parser.add_argument("--times", type=float, default=1.0, help="factor on the repeats")
    parser.add_argument("--page", action="store_true", help=f"write the tables of {PAGE.name}")
    args = parser.parse_args()
    if args.page:
        PAGE.write_text(fill(PAGE.read_text("utf-8"), args.out), "utf-8")
        return
    if not (args.times > 0 and args.jobs >= 1):
        parser.error("Expected --times above 0 and at least one job.")
    args.out.mkdir(parents=True, exist_ok=True)
    wanted = {
        name: dataclasses.replace(piece, repeats=max(round(piece.repeats * args.times), 2))
        for name, piece in every.items()
        if not args.only or any(name.startswith(start) for start in args.only)
    }
    if not wanted:
        parser.error(f"Expected the beginning of a piece, such as {', '.join(every)}.")
    missing = {
        name: piece for name, piece in wanted.items() if not kept(args.out / f"{name}.json", piece)
    }
    print(f"{len(wanted) - len(missing)} of {len(wanted)} pieces are there.", file=sys.stderr)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=spawn) as pool:
        runs = [
            pool.submit(count, name, piece.repeats, args.out) for name, piece in missing.items()
        ]
        for run in as_completed(runs):
            name, spent = run.result()
            print(f"{name}: {spent:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
