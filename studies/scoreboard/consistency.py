"""The primary endpoint of the consistency study, of one network at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fer_xai.attributions import native_maps, upsample
from fer_xai.data.splits import face_groups
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks.registration import Registration
from fer_xai.types import Faces
from metrics.consistency.separability import separability
from metrics.core.similarity import normalised_rows

SIZE = 64
"""Side of the maps that are compared, in pixels."""
VERSION = 2
"""Kept with each endpoint: 2 has the delete-one jackknife and ties to 1e-6, and leaves out pairs of
one person; what is kept of before it has no version."""
CHUNK = 512
"""Faces whose maps are made at a time."""


def endpoint(
    predictor: Predictor, faces: Faces, registration: Registration, *, method: str = "gradcam"
) -> dict[str, NDArray[Any]]:
    """Do maps at a fixed target tell pairs of one emotion from pairs of two?

    Parameters
    ----------
    predictor
        The network.
    faces
        Labelled.
    registration
        Registration of these faces, at the side of the maps that are compared.
    method
        A name of :data:`fer_xai.attributions.ATTRIBUTIONS`.

    Returns
    -------
    dict
        ``auc`` ``(6,)`` by target in the order of :data:`fer_xai.emotions.SIX`, NaN where there is
        none, over emotions of five faces (persons) or more; ``influence`` ``(N,)`` part of each
        face in the delete-one jackknife of their mean (NaN: takes no part);
        ``undefined`` ``(6,)`` share of registered faces without a map; ``grid`` ``(2,)`` cells of
        the maps; ``version`` :data:`VERSION`.
    """
    images = faces.pixels(predictor.model.size)
    targets = predictor.model.columns(torch.tensor([EMOTIONS.index(e) for e in SIX]))[
        None
    ]  # (1, 6)
    size = (registration.size, registration.size)
    cells = [
        native_maps(predictor, part, targets.expand(len(part), -1), method=method)
        for part in torch.split(images, CHUNK)
    ]
    clusters = face_groups(faces)
    aucs, influences, undefined = [], [], []
    for position in range(len(SIX)):
        full = [upsample(part[:, position : position + 1], size=size) for part in cells]
        registered = registration.apply(torch.cat(full))[:, 0]  # (N, 64, 64)
        rows = normalised_rows(registered, registration.mask)
        found = separability(rows, faces.labels, clusters=clusters)
        known = int(registration.known.sum())
        lost = found.n_undefined - (len(faces) - known)
        aucs.append(found.auc)
        influences.append(found.influence)
        undefined.append(lost / max(known, 1))
    kept = [influence for influence in influences if np.isfinite(influence).any()]
    table = np.array(kept) if kept else np.full((1, len(faces)), np.nan)
    mean = np.where(np.isfinite(table).any(axis=0), np.nan_to_num(table).mean(axis=0), np.nan)
    return {
        "auc": np.array(aucs),
        "influence": mean,
        "undefined": np.array(undefined),
        "grid": np.array(cells[0].shape[-2:]),
        "version": np.array(VERSION),
    }
