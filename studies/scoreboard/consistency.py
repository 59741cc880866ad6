"""The primary endpoint of the consistency study, of one network at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
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
from metrics.consistency.separability import Separability, separability
from metrics.core.similarity import normalised_rows

SIZE = 64
"""Side of the maps that are compared, in pixels."""
VERSION = 3
"""Kept with each endpoint: 2 has the delete-one jackknife and ties to 1e-6, and leaves out pairs of
one person; 3 has the areas of pairs of emotions; what is kept of before 2 has no version."""
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
        the maps; ``version`` :data:`VERSION`. For comparisons with networks that lack maps of an
        emotion: ``emotions`` ``(E,)`` labels; ``codes`` ``(N,)`` position of each face's emotion
        in it; ``units`` ``(N,)`` person of each face; ``areas`` ``(6, E, E)`` of each ordered pair
        of emotions; ``defined`` ``(6, N)`` faces with a map; ``changes`` ``(6, E (E − 1) / 2, N)``
        float32: for each pair of emotions, the sum of its two areas less the same sum without the
        face's person.
    """
    targets = predictor.model.columns(torch.tensor([EMOTIONS.index(e) for e in SIX]))[
        None
    ]  # (1, 6)
    size = (registration.size, registration.size)
    cells = [
        native_maps(predictor, part.pixels, targets.expand(len(part.ids), -1), method=method)
        for part in faces.batches(CHUNK, size=predictor.model.size)
    ]
    clusters = face_groups(faces)
    aucs, influences, undefined, parts = [], [], [], []
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
        parts.append(_parts(found))
    return {
        "auc": np.array(aucs),
        "influence": mean_influence(influences, len(faces)),
        "undefined": np.array(undefined),
        "grid": np.array(cells[0].shape[-2:]),
        "version": np.array(VERSION),
        "emotions": found.emotions,
        "codes": np.searchsorted(found.emotions, faces.labels.numpy()),
        "units": clusters,
        **{name: np.array([part[name] for part in parts]) for name in parts[0]},
    }


def mean_influence(influences: Sequence[NDArray[np.float64]], n: int) -> NDArray[np.float64]:
    """``(N,)`` mean over the targets that have an AUC; NaN for faces without a map at any.

    Examples
    --------
    >>> mean_influence([np.array([0.2, np.nan, np.nan]), np.array([0.4, 0.2, np.nan])], 3)
    array([0.3, 0.1, nan])
    """
    kept = [influence for influence in influences if np.isfinite(influence).any()]
    table = np.array(kept) if kept else np.full((1, n), np.nan)
    return np.where(np.isfinite(table).any(axis=0), np.nan_to_num(table).mean(axis=0), np.nan)


def _parts(found: Separability) -> dict[str, NDArray[Any]]:
    """What the mean over fewer emotions is made from."""
    source, n = found.source, len(found.influence)
    used, units = source.faces.used, source.faces.units
    pairs = list(combinations(range(len(found.emotions)), 2))
    changes = np.zeros((len(pairs), n), dtype=np.float32)
    for place, (one, other) in enumerate(pairs):
        if (one, other) in source.without:
            both = [(one, other), (other, one)]
            change = sum(source.areas[pair] - source.without[pair] for pair in both)
            changes[place, used] = np.asarray(change)[units]
    defined = np.zeros(n, dtype=bool)
    defined[used] = True
    return {"areas": found.areas, "defined": defined, "changes": changes}
