"""Logits of a model on labelled faces, and their scores of recognition as its card tells them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.recognition import scores_of_logits
from fer_xai.types import Faces, Sliced


def logits_of(predictor: Predictor, faces: Faces, *, flip: bool = False) -> Tensor:
    """Logits ``(N, C)``; with ``flip`` the mean of a face's and its mirror image's.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 16, 8)), torch.nn.Flatten())
    >>> predictor = Predictor(FERModel(halves, emotions=["happiness", "surprise"], size=16))
    >>> averaged = logits_of(predictor, synthetic_faces(3, size=16), flip=True)
    >>> averaged.shape, torch.allclose(averaged[:, 0], averaged[:, 1])  # left and right are one
    (torch.Size([3, 2]), True)
    """
    logits = predictor.logits(faces)
    if not flip:
        return logits
    with faces.stream(predictor.model.size) as pixels:
        return (logits + predictor.logits(_Mirrored(pixels, len(faces)))) / 2


@dataclass(frozen=True)
class _Mirrored:
    """Mirror images of pixels that are read slice by slice."""

    pixels: Sliced
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, part: slice) -> Tensor:
        return self.pixels[part].flip(-1)


def scores(predictor: Predictor, faces: Faces, *, flip: bool = False) -> dict[str, Any]:
    """How well a model names the emotions of labelled faces.

    Parameters
    ----------
    predictor
        The model.
    faces
        Labelled with emotions that the model knows.
    flip
        Average logits over each face and its mirror image.

    Returns
    -------
    dict
        ``faces``; ``accuracy``; ``macro_recall`` and ``macro_f1`` (emotions weigh equally, those
        without a face left out); ``calibration_error`` (expected calibration error, 15 equal bins,
        Guo et al., ICML 2017); ``recall`` by emotion; ``confusion``, rows true, columns predicted,
        in the order of ``emotions``; ``flip_averaged``.

    Raises
    ------
    InputError
        If there are no faces, or some show an emotion that the model does not know.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 2))
    >>> _ = torch.nn.init.constant_(net[1].weight, 0)
    >>> net[1].bias.data = torch.tensor([0.0, 9.0])  # always the second
    >>> predictor = Predictor(FERModel(net, emotions=["happiness", "surprise"], size=16))
    >>> found = scores(predictor, synthetic_faces(2, size=16))
    >>> found["accuracy"], found["recall"]
    (0.5, {'happiness': 0.0, 'surprise': 1.0})
    """
    if not len(faces):
        raise InputError("Expected labelled faces to score a model on, got none.")
    truth = predictor.model.columns(faces.labels)
    logits = logits_of(predictor, faces, flip=flip)
    return scores_of_logits(logits, truth, emotions=predictor.emotions) | {"flip_averaged": flip}
