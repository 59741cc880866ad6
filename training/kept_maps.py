"""Grad-CAM maps of the test faces that the record of a training keeps.

Weights are too large to be kept for every seed, and without them nobody can ask whether two
trainings explain a face alike. The maps in the layer's own cells take half a megabyte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from fer_xai.attributions import native_maps
from fer_xai.inference.predictor import Predictor
from fer_xai.types import Faces

TEST_MAPS = "test_maps.npz"
METHOD = "gradcam_signed"
"""Attribution whose cells are kept: the ReLU of Grad-CAM can be applied to them later."""


def kept_maps(predictor: Predictor, faces: Faces) -> dict[str, Any]:
    """Signed Grad-CAM cells of each face for every emotion of the model.

    Parameters
    ----------
    predictor
        The trained network.
    faces
        N faces.

    Returns
    -------
    dict
        ``ids`` ``(N,)``; ``emotions`` ``(C,)`` names in the order of the outputs; ``cells``
        ``(N, C, h, w)`` float16, each map divided by its largest magnitude (zero maps stay zero);
        ``method``, the attribution.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> net = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
    ...     torch.nn.Flatten(), torch.nn.Linear(4, 2),
    ... )
    >>> model = FERModel(net, emotions=["fear", "anger"], size=16, cam_layer="1").eval()
    >>> found = kept_maps(Predictor(model), synthetic_faces(3, size=16))
    >>> found["cells"].shape, found["cells"].dtype
    ((3, 2, 14, 14), dtype('float16'))
    """
    columns = torch.arange(len(predictor.emotions)).expand(len(faces), -1)
    cells = native_maps(predictor, faces, columns, method=METHOD)
    peak = cells.abs().amax(dim=(2, 3), keepdim=True)
    scaled = torch.where(peak > 0, cells / peak, cells)
    return {
        "ids": np.array(faces.ids),
        "emotions": np.array(predictor.emotions),
        "cells": scaled.numpy().astype(np.float16),
        "method": np.array(METHOD),
    }


def cells_of(arrays: Mapping[str, Any], emotions: torch.Tensor, names: list[str]) -> torch.Tensor:
    """Cells ``(N, h, w)`` float32 of one emotion a face.

    Parameters
    ----------
    arrays
        Answer of :func:`kept_maps`.
    emotions
        ``(N,)`` canonical emotions.
    names
        Names of the canonical emotions, in their order.

    Examples
    --------
    >>> cells = np.arange(4).reshape(2, 2, 1, 1)
    >>> arrays = {"cells": cells, "emotions": np.array(["fear", "anger"])}
    >>> cells_of(arrays, torch.tensor([1, 0]), ["anger", "fear"]).flatten().tolist()
    [0.0, 3.0]
    """
    own = list(arrays["emotions"])
    columns = torch.tensor([own.index(names[emotion]) for emotion in emotions.tolist()])
    cells = torch.from_numpy(np.asarray(arrays["cells"], dtype=np.float32))
    return cells[torch.arange(len(cells)), columns]
