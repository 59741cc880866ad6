"""Choices of a Grad-CAM map: the layer, its sign, and how cells become pixels."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional as F

from fer_xai.attributions import upsample
from fer_xai.attributions.cam import SignedGradCam
from fer_xai.attributions.core.layers import found_layers, layer_of
from fer_xai.attributions.raw_maps import attribute
from fer_xai.inference.predictor import Predictor
from fer_xai.scores import Output
from fer_xai.types import Faces
from studies.multiverse.factors import Factor, Level

LAYER = Factor(
    name="layer",
    levels=("cam", "paper", "earlier"),
    reason="Grad-CAM asks for the last convolutional layer: its output after the ReLU (cam), the "
    "convolution itself (paper: the model's authors) and the last layer of twice the resolution "
    "(earlier) are all in use.",
)
SIGN = Factor(
    name="sign",
    levels=("relu", "signed"),
    reason="The ReLU is Grad-CAM's, but blanks maps whose cells all speak against the target.",
)
OUTPUT = Factor(
    name="explained",
    levels=("logit", "log_probability"),
    reason="A logit ignores the other emotions, a probability does not; the maps of a probability "
    "and of its logarithm differ by a factor alone, so one stands for both.",
)
UPSAMPLING = Factor(
    name="upsampling",
    levels=("bilinear", "nearest"),
    reason="Smooth maps are usual, though the layer has no more than its cells.",
)


def layers_of(predictor: Predictor) -> tuple[dict[Level, str], dict[tuple[str, Level], str]]:
    """Layers of a model by the levels of :data:`LAYER`, and the levels that it lacks, with why.

    Parameters
    ----------
    predictor
        The model.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> layers, absent = layers_of(Predictor(model, device="cpu"))
    >>> layers, list(absent)
    ({'cam': '1'}, [('layer', 'paper'), ('layer', 'earlier')])
    """
    last = layer_of(predictor, None)
    layers: dict[Level, str] = {"cam": last.name}
    absent: dict[tuple[str, Level], str] = {}
    paper = predictor.model.paper_layer
    if paper is None or paper == last.name:
        absent["layer", "paper"] = "the model names no other layer of its authors"
    else:
        layers["paper"] = paper
    finer = [name for name in found_layers(predictor) if _cells(predictor, name) > _area(last.side)]
    if finer:
        layers["earlier"] = finer[-1]
    else:
        absent["layer", "earlier"] = "the model has no layer of a higher resolution"
    return layers, absent


def _cells(predictor: Predictor, name: str) -> int:
    return _area(layer_of(predictor, name).side)


def _area(side: tuple[int, int]) -> int:
    return side[0] * side[1]


def signed_cells(
    predictor: Predictor, images: Tensor | Faces, columns: Tensor, *, layer: str, output: Output
) -> Tensor:
    """Grad-CAM without its ReLU, ``(N, K, h, w)``: clamped at zero it is Grad-CAM.

    Parameters
    ----------
    predictor
        The model.
    images
        ``(N, 3, H, W)``; or faces, which are read meanwhile at the model's size.
    columns
        ``(N, K)`` output columns that are explained.
    layer
        Dotted name of the layer.
    output
        The number of an emotion that is explained.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> used, both = Predictor(model, device="cpu"), torch.tensor([[0, 1]])
    >>> signed_cells(used, torch.rand(1, 3, 8, 8), both, layer="1", output="logit").shape
    torch.Size([1, 2, 2, 2])
    """
    method = SignedGradCam(layer=layer)
    return attribute(predictor, images, columns, method=method, output=output).cells.cpu()


def with_sign(cells: Tensor, levels: Mapping[str, Level]) -> Tensor:
    """Cells by the level of :data:`SIGN`.

    Examples
    --------
    >>> import torch
    >>> with_sign(torch.tensor([-1.0, 2.0]), {"sign": "relu"})
    tensor([0., 2.])
    """
    return cells.clamp(min=0) if levels["sign"] == "relu" else cells


def enlarged(cells: Tensor, levels: Mapping[str, Level], *, size: int) -> Tensor:
    """Cells ``(N, K, h, w)`` as pixels ``(N, K, size, size)``, by the level of :data:`UPSAMPLING`.

    Examples
    --------
    >>> import torch
    >>> enlarged(torch.tensor([[[[0.0, 1.0]]]]), {"upsampling": "nearest"}, size=4)[0, 0, 0]
    tensor([0., 0., 1., 1.])
    """
    if levels["upsampling"] == "bilinear":
        return upsample(cells, size=(size, size))
    return F.interpolate(cells, size=[size, size], mode="nearest-exact")
