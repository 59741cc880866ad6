"""Digests of what a run is made of: models with their whole wiring, faces, options that hold code.

They identify every run folder and every shard of the studies, so that nothing is reused for another
model, other faces or other options.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import nn

from fer_xai.types import Faces
from studies.engine.description import described, module_digest, sha256

SIZE = 64
"""Side at which every study takes the faces' digest, in pixels."""


def model_digest(model: nn.Module) -> str:
    """SHA-256 of all that a model's answers and maps depend on.

    Parameters and buffers (those that no state dict holds, too), the kind, settings (private
    attributes, too) and hooks of every module, the code of the user's own, and the wiring of a
    :class:`fer_xai.FERModel`: name, emotions, size, greyscale, mean, deviation, CAM layers and
    reshape. The code of the user's own is that of the module's class and of the user's classes
    that it inherits from (methods, properties and attributes), and of all functions, classes and
    values that it reads as globals, of the user's own Python modules too. What is imported within
    a function, found by ``getattr`` with a computed name, or read from a Python module that is an
    attribute, counts by its name alone. Where
    something is held whose content cannot be told (an object written in C, say), the digest
    differs from process to process, so that nothing is ever reused for it.

    Weights of an untrained network follow from seed and architecture to the bit, on any machine.
    The statistics that :func:`fer_xai.models.calibrate_batchnorm` gives it do not: in their place
    the digest takes the faces that they come from, as long as nothing else has changed them.

    Examples
    --------
    >>> import fer_xai, torch
    >>> nets = [torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 6)) for _ in range(2)]
    >>> nets[1].load_state_dict(nets[0].state_dict())
    <All keys matched successfully>
    >>> one, two = (fer_xai.FERModel(net, emotions="gimefive", size=8) for net in nets)
    >>> model_digest(one) == model_digest(two)
    True
    >>> two.cam_layer = "1"
    >>> model_digest(one) == model_digest(two)
    False
    """
    return module_digest(model)


def faces_digests(faces: Faces, sizes: Iterable[int] = ()) -> dict[str, str | None]:
    """SHA-256 of faces, for a manifest: pixels, labels and names; landmarks; persons and groups.

    Parameters
    ----------
    faces
        Faces that are read; where their files lie does not matter.
    sizes
        Sides at which models are fed, beside :data:`SIZE`.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> found = faces_digests(synthetic_faces(1), sizes=[32])
    >>> list(found), len(found["faces"])
    (['faces', 'landmarks', 'people', 'faces at 32 pixels'], 64)
    """
    columns = [column for column in faces.table.columns if column != "path"]
    people = faces.table[columns].astype(str).to_csv(index=False)
    landmarks = faces.landmarks
    found: dict[str, str | None] = {
        "faces": faces.fingerprint(SIZE),
        "landmarks": None
        if landmarks is None
        else sha256(np.ascontiguousarray(landmarks).tobytes()),
        "people": sha256(people.encode()),
    }
    for size in sorted(set(sizes) - {SIZE}):
        found[f"faces at {size} pixels"] = faces.fingerprint(size)
    return found


def code_digest(values: Iterable[Any]) -> str:
    """SHA-256 of methods or metrics, with their parameters and the code of the user's own.

    Examples
    --------
    >>> code_digest(["gradcam", "lime"]) == code_digest(["gradcam", "rise"])
    False
    """
    return sha256(json.dumps([described(value) for value in values], sort_keys=True).encode())
