"""Command line of the data sets: ``check NAME:ROOT`` and ``aggregate``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from fer_xai.command import DONE, STATUSES, UNUSABLE, run_command
from fer_xai.errors import UnknownNameError, did_you_mean

COMMANDS = {
    "check": ("fer_xai.data.checking.command", "count a copy beside what is published"),
    "aggregate": ("fer_xai.data.aggregate.command", "put data sets together, in two editions"),
}
"""Commands: the module whose ``run`` takes the words after it, and what it does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status.

    Examples
    --------
    >>> main(["chekc", "rafdb:RAF-DB"])  # and one sentence about it
    2
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    return run_command("fer_xai.data", lambda: _run(words))


def _run(words: list[str]) -> object:
    if not words or words[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        lines = [f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items()]
        usage = "usage: python -m fer_xai.data COMMAND [--help] [options]"
        sys.stdout.write("\n\n".join([usage, "\n".join(lines), STATUSES]) + "\n")
        return DONE if words else UNUSABLE
    if words[0] not in COMMANDS:
        hint = did_you_mean(words[0], COMMANDS) or f"choose from {', '.join(COMMANDS)}."
        raise UnknownNameError(f"Unknown command {words[0]!r}: {hint}")
    module, _ = COMMANDS[words[0]]
    return importlib.import_module(module).run(words[1:])


if __name__ == "__main__":
    sys.exit(main())
