"""Command line of the studies: ``python -m studies.run gradcam_consistency --help``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fer_xai.command import DONE, STATUSES, UNUSABLE, parsed, run_command
from studies.registry import STUDIES, question

USAGE = f"""usage: python -m studies.run --list
       python -m studies.run STUDY [--help] [options]

{STATUSES}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one study, or list them; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return run_command(
        "studies.run", lambda: _run(words), stopped="stopped; the same command continues."
    )


def _run(words: list[str]) -> object:
    """Run the study that the words name; its verdict is the exit status, where it passes one."""
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(USAGE)
        return DONE if words else UNUSABLE
    if words[0] == "--list":
        width = max(map(len, STUDIES))
        for name in STUDIES:
            sys.stdout.write(f"{name:<{width}}  {question(name)}\n")
        return DONE
    study = parsed(STUDIES[words[0]], words[1:], prog=f"python -m studies.run {words[0]}")
    found = study.run()
    if isinstance(found, Path) and not getattr(study, "dry_run", False):
        _compare(found)
    return found


def _compare(run: Path) -> None:
    """Say whether the numbers of a run are those of its reference run, where there is one."""
    from studies.engine.reference_runs import verdict

    if sentence := verdict(run):
        sys.stdout.write(f"{sentence}\n")


if __name__ == "__main__":
    sys.exit(main())
