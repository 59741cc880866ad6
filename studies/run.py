"""Command line of the studies: ``python -m studies.run gradcam_consistency --help``."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from fer_xai.errors import FerXaiError
from studies.registry import QUESTIONS, STUDIES

USAGE = """usage: python -m studies.run --list
       python -m studies.run STUDY [--help] [options]

exit status: 0 done; 1 an audit's threshold was not reached; 2 options that cannot be used;
             3 a crash; 130 stopped
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one study, or list them; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(USAGE)
        return 0 if words else 2
    if words[0] == "--list":
        width = max(map(len, STUDIES))
        for name in STUDIES:
            sys.stdout.write(f"{name:<{width}}  {QUESTIONS.get(name, '')}\n")
        return 0
    try:
        study = STUDIES[words[0]]
        import tyro

        found = tyro.cli(study, args=words[1:], prog=f"python -m studies.run {words[0]}").run()
    except FerXaiError as error:
        sys.stderr.write(f"studies.run: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("studies.run: stopped; the same command continues.\n")
        return 130
    except Exception:  # noqa: BLE001 - a crash is no verdict, which 1 stands for
        traceback.print_exc()
        return 3
    return found if isinstance(found, int) else 0  # of a study that passes a verdict


if __name__ == "__main__":
    sys.exit(main())
