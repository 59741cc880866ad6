"""``python -m benchmarks.reports COMMIT``: time of reports from kept rows, over that at a commit.

A study is run once, which keeps its rows, and then again and again: what is timed is reading them,
statistics, tables, figures and the page. The two versions run in two processes, one of them in a
temporary work tree, and take turns; loading libraries is not counted.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import report
from benchmarks.earlier import ROOT, ask, work_tree, write
from benchmarks.timing import Seconds, ratio

TARGET = report.Target(bound=1.3, at_least=False)
STUDIES = {
    "gradcam_consistency": ("--limit", "240"),
    "faithfulness": ("--limit", "60", "--methods", "gradcam", "occlusion", "--metrics", "deletion"),
    "sanity_checks": ("--limit", "12", "--methods", "gradcam"),
}
"""Studies with their options, which have to mean the same at both commits."""
WORKER = Path(__file__).with_name("report_worker.py")
COMMON = ("--models", "gimefive", "--no-progress", "--device", "cpu", "--out", "results")


def main() -> None:
    """Time the reports at both commits and keep the table."""
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reports", description=__doc__)
    parser.add_argument("commit", help="earlier commit, by any name that git knows")
    parser.add_argument("--studies", nargs="+", default=list(STUDIES), choices=STUDIES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path(f"results/benchmarks/{date}-reports.md"))
    args = parser.parse_args()
    note = (
        "Wall time of a study whose rows are kept, on built-in faces: reading, statistics, tables, "
        f"figures and page, at this commit over {args.commit}; libraries are loaded before."
    )
    section = report.Section(rows=[], seconds={}, notes=[note])
    about = report.machine()
    with work_tree(args.commit) as before:
        for name in args.studies:
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            seconds = _take_turns(name, before=before, rounds=args.rounds)
            title = f"report of {name}: now / {args.commit}"
            section.seconds[title] = seconds
            now, then = (f"{min(seconds[key]):.1f} s" for key in ("now", "before"))
            spread = ratio(seconds, "now", "before")
            section.rows.append(
                report.Row(name=title, ours=now, peer=then, ratio=spread, target=TARGET)
            )
            write(
                args.out,
                section,
                about=about,
                date=date,
                rounds=args.rounds,
                command="python -m benchmarks.reports",
            )
    print(args.out.read_text(encoding="utf-8"))


def _take_turns(name: str, *, before: Path, rounds: int) -> Seconds:
    seconds: Seconds = {"now": [], "before": []}
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        workers = {
            key: _start(tree, Path(place), name)
            for key, tree, place in (("now", ROOT, one), ("before", before, other))
        }
        try:
            for number in range(rounds + 2):  # the first keeps the rows, the second warms up
                for key, worker in workers.items():
                    value = ask(worker)
                    if number > 1:
                        seconds[key].append(value)
        finally:
            for worker in workers.values():
                worker.kill()
                worker.wait()
    return seconds


def _start(tree: Path, place: Path, name: str) -> subprocess.Popen[str]:
    options = json.dumps([name, *STUDIES[name], *COMMON])
    return subprocess.Popen(
        [sys.executable, "-P", str(WORKER), options],
        cwd=place,
        env={"PYTHONPATH": str(tree), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    main()
