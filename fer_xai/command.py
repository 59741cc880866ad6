"""What all command lines share: the exit status, plain output, and folders that are tried first.

The exit status is 0 where the work is done, 1 where an audit's verdict is no, 2 for options that
cannot be used, 3 after a crash, 130 where a person has stopped it.
"""

from __future__ import annotations

import inspect
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_xai.errors import FerXaiError, InputError

if TYPE_CHECKING:
    from rich.console import Console

DONE, REFUSED, UNUSABLE, CRASHED, STOPPED = 0, 1, 2, 3, 130
"""Exit statuses."""
STATUSES = (
    "Exit status: 0 done; 1 an audit's verdict is no (a threshold was not reached, or the model "
    "recognises no more than the prior); 2 options that cannot be used; 3 a crash; 130 stopped."
)
"""Exit statuses in words, for ``--help``."""


def run_command(name: str, work: Callable[[], object], *, stopped: str = "stopped.") -> int:
    """Do the work of a command line and return its exit status.

    Output that cannot be written in the terminal's encoding is written with question marks, and a
    reader that has gone (``… | head``) ends nothing with a traceback.

    Parameters
    ----------
    name
        What the command is called before its errors.
    work
        Does it; the number that it returns is the exit status, anything else means 0.
    stopped
        What is said to a person who stops it.

    Examples
    --------
    >>> run_command("example", lambda: 1)
    1
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    status = DONE
    try:
        found = work()
        status = found if isinstance(found, int) else DONE
    except FerXaiError as error:
        sys.stderr.write(f"{name}: {error}\n")
        status = UNUSABLE
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: {stopped}\n")
        status = STOPPED
    except SystemExit as end:  # of the parser: its help, or an option that it does not know
        status = end.code if isinstance(end.code, int) else UNUSABLE if end.code else DONE
    except BrokenPipeError:
        _discard_output()
    except Exception:  # noqa: BLE001 - a crash is no verdict, which 1 stands for
        traceback.print_exc()
        status = CRASHED
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
    return status


def _discard_output() -> None:
    """Nobody reads any more: what is still to come, the interpreter's last flush too, is lost."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def terminal(*, error: bool = False) -> Console:
    """A console that prints names as they are: brackets are no markup, colons no emoji.

    Parameters
    ----------
    error
        Whether it writes to standard error.

    Examples
    --------
    >>> terminal().print("faces[0] is :smile:")
    faces[0] is :smile:
    """
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True
            _discard_output()

    return Plain(stderr=error, markup=False, emoji=False, highlight=False)


def check_folder(folder: Path, *, option: str = "--out") -> None:
    """A folder that can be written to, or made: tried in a folder beside it, which is removed.

    Parameters
    ----------
    folder
        Its path.
    option
        The option that named it, for the sentence.

    Raises
    ------
    InputError
        If it, or the folder above it that is there, is a file or cannot be written to, or if its
        name is too long.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as place:
    ...     check_folder(Path(place) / "runs" / "first")
    ...     os.listdir(place)  # nothing is left of the trial
    []
    """
    place = folder.absolute()
    try:
        there = next(path for path in (place, *place.parents) if os.path.lexists(path))
        if not there.is_dir():
            raise InputError(_unusable(folder, option, f"{there} is a file"))
        trial = Path(tempfile.mkdtemp(prefix=".trial-", dir=there))
        try:
            (trial / place.relative_to(there)).mkdir(parents=True, exist_ok=True)
        finally:
            shutil.rmtree(trial)
    except PermissionError:
        raise InputError(_unusable(folder, option, f"{there} is write-protected")) from None
    except OSError as error:
        why = f"no folder can be made there ({error.strerror})"
        raise InputError(_unusable(folder, option, why)) from None


def _unusable(folder: Path, option: str, why: str) -> str:
    shown = str(folder) if len(str(folder)) <= 80 else f"{str(folder)[:79]}…"
    return f"Expected {option} as a folder to write to, got {shown}: {why}, choose another place."


def parsed(kind: type[Any], words: Sequence[str] | None, *, prog: str) -> Any:
    """The options of a command line, read by tyro; ``--help`` tells the exit statuses.

    Parameters
    ----------
    kind
        A dataclass whose fields are the options.
    words
        The command line; the process's own where None.
    prog
        What the command is called in its help.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Options:
    ...     faces: int = 24
    >>> parsed(Options, ["--faces", "6"], prog="python -m mine")
    Options(faces=6)
    """
    import tyro

    about = f"{inspect.cleandoc(kind.__doc__ or '')}\n\n{STATUSES}"
    return tyro.cli(kind, args=words, prog=prog, description=about)
