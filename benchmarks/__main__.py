"""``python -m benchmarks``: measure, print the table, and keep it with every raw timing."""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import sys
from pathlib import Path

from benchmarks import report
from fer_xai.command import check_folder
from fer_xai.errors import InputError

NAMES = (
    "gradcam",
    "attributions",
    "deletion",
    "faithfulness",
    "road",
    "robustness",
    "predicting",
    "occlusion",
    "similarity",
    "alignment",
    "renderer",
    "landmarks",
    "areas",
    "streaming",
    "training",
)
MIN_ROUNDS = 7


def main() -> None:
    """Run the chosen benchmarks."""
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=NAMES,
        metavar="NAME",
        help=f"one of {', '.join(NAMES)}; may be repeated",
    )
    parser.add_argument("--rounds", type=int, default=9, help=f"at least {MIN_ROUNDS}")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(f"results/benchmarks/{date}.md"),
        help="Markdown file; a JSON of the same name goes beside it",
    )
    args = parser.parse_args()
    if args.rounds < MIN_ROUNDS:
        parser.error(f"Expected at least {MIN_ROUNDS} rounds for a median, got {args.rounds}.")
    if args.out.suffix != ".md":
        parser.error(f"Expected a path ending in .md, got {args.out}.")
    try:
        check_folder(args.out.parent, option="the folder of --out")
    except InputError as error:
        parser.error(str(error))
    about = report.machine()
    sections: dict[str, report.Section] = {}
    for name in NAMES:
        if args.only is None or name in args.only:
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            module = importlib.import_module(f"benchmarks.{name}")
            sections[name] = module.measure(rounds=args.rounds)
            # after each, so that an hour is not lost to what comes last
            page = report.markdown(
                list(sections.values()), about=about, date=date, rounds=args.rounds
            )
            raw = json.dumps(report.as_json(sections, about=about, rounds=args.rounds), indent=1)
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.write_text(page, encoding="utf-8")
            args.out.with_suffix(".json").write_text(f"{raw}\n", encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
