"""Whether a run may go on from what its folder holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_xai.errors import InputError
from fer_xai.files import read_json, write_bytes
from training import loop


def check_same_run(
    identity: Mapping[str, Any], folder: Path, digests: Mapping[str, str | None]
) -> None:
    """Refuse to continue from a checkpoint that other settings or faces have made.

    Test faces that were never scored may be scored later, and left alone later.

    Raises
    ------
    InputError
        Naming what differs.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     check_same_run({"seed": 0}, Path(place), {"train_faces_sha256": "1a2b"})
    ...     check_same_run({"seed": 1}, Path(place), {"train_faces_sha256": "1a2b"})
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected ... to hold a run ..., but it differs in seed: ...
    """
    settings: dict[str, Any] = {**identity, "processes": loop.PROCESSES, **digests}
    file = folder / "settings.json"
    if file.exists():
        theirs = read_json(file, remedy=f"delete {folder}, and the same command begins anew")
        unknown = [key for key in digests if key not in theirs]
        if unknown:
            raise InputError(
                f"Expected {folder} to say what faces its run was made of, but it holds no "
                f"{', '.join(unknown)}, as those of older versions: choose another --out, or "
                "delete that folder."
            )
        unseen = [key for key in digests if key.startswith("test") and theirs[key] is None]
        left_out = [key for key in digests if key.startswith("test") and digests[key] is None]
        differ = [
            key
            for key in settings
            if theirs.get(key) != settings[key] and key not in (*unseen, *left_out)
        ]
        if differ:
            raise InputError(
                f"Expected {folder} to hold a run of the same settings and faces, but it differs "
                f"in {', '.join(differ)}: choose another --out, or delete that folder."
            )
        settings = theirs | {key: digests[key] for key in unseen}
        if settings == theirs:
            return
    if loop.RANK == 0:
        write_bytes(file, (json.dumps(settings, indent=2) + "\n").encode())
