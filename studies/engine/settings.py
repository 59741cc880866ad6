"""What a run is told apart by."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from fer_xai.checks import resolve_device

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NO_MATTER = ("out", "progress", "dry_run", "batch_size")
"""Options that change no result."""


def settings(study: DataclassInstance, *, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """The options of a study that its results depend on, for a manifest and its digest.

    Files are told apart by their content, not by where they lie: see the manifest's inputs.
    """
    told = {
        field.name: getattr(study, field.name)
        for field in dataclasses.fields(study)
        if field.name not in (*NO_MATTER, *leave_out)
    }
    if "models" in told:
        told["models"] = [model.partition("=")[0] for model in told["models"]]
    data, landmarks = told["data"], told["landmarks"]
    return told | {
        "data": data if data.startswith("synthetic") else data.partition(":")[0],
        "landmarks": None if landmarks is None else landmarks.name,
        "device": resolve_device(told["device"]).type,
    }
