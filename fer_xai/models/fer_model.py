"""FERModel: any classifier of facial emotions, behind one interface."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fer_xai.checks import check_count, check_images
from fer_xai.emotions import EMOTIONS, parse_order
from fer_xai.errors import InputError

IMAGENET_MEAN: tuple[float, float, float] = (0.485, 0.456, 0.406)
IMAGENET_STD: tuple[float, float, float] = (0.229, 0.224, 0.225)
LUMA: tuple[float, float, float] = (0.299, 0.587, 0.114)
"""ITU-R BT.601 weights, those of Pillow's and torchvision's greyscale."""


class FERModel(nn.Module):
    """A classifier together with all that is needed to feed it and to read its outputs.

    It takes images of any size, as floats in [0, 1] or as uint8 from 0 to 255. Resizing, greyscale
    and normalisation are part of the model, so that "black", a blur or a gradient mean the same for
    every model and perturbations happen in image space.

    Parameters
    ----------
    net
        Takes normalised images ``(B, 3, size, size)``, returns logits ``(B, len(emotions))``.
    emotions
        Its outputs in order: emotion names, or the name of a native label order such as
        ``"rafdb"`` (see :data:`fer_xai.emotions.NATIVE_ORDERS`).
    size
        Side of the square input in pixels.
    greyscale
        Whether images are reduced to luma (ITU-R BT.601), replicated to three channels.
    mean, std
        Normalisation a channel, after greyscale; ImageNet's by default.
    cam_layer
        Dotted name of the module whose output CAMs are taken from, e.g. ``"relu5"``.
    paper_layer
        Where the publication took its maps from, if it differs (GiMeFive: ``"conv5"``).
    reshape
        For token models: turns that layer's output into ``(B, C, h, w)``.
    name
        What the model is called in results.

    Raises
    ------
    InputError
        If a layer does not exist, or the forward pass does not give one logit an emotion.

    Examples
    --------
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    >>> model = FERModel(net, emotions=["sad", "happy"], size=8)
    >>> model(torch.rand(5, 3, 48, 48)).shape, model.emotions
    (torch.Size([5, 2]), ('sadness', 'happiness'))
    >>> model.columns(torch.tensor([0, 2]))  # canonical: happiness, sadness
    tensor([1, 0])
    """

    mean: Tensor
    std: Tensor
    luma: Tensor

    def __init__(
        self,
        net: nn.Module,
        *,
        emotions: str | Sequence[str],
        size: int = 64,
        greyscale: bool = False,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        cam_layer: str | None = None,
        paper_layer: str | None = None,
        reshape: Callable[[Tensor], Tensor] | None = None,
        name: str = "model",
    ) -> None:
        if not isinstance(net, nn.Module):
            raise InputError(
                f"Expected the network as a torch.nn.Module, got {type(net).__name__}: build it "
                "first, or load one of ours by load_model(name)."
            )
        check_count("the side of the network's images in pixels", size)
        super().__init__()
        self.net = net
        self.emotions = parse_order(emotions)
        self.size, self.greyscale, self.name = size, greyscale, name
        self.cam_layer, self.paper_layer, self.reshape = cam_layer, paper_layer, reshape
        for values, what in ((mean, "mean"), (std, "std")):
            if len(values) != 3:
                raise InputError(f"Expected three values in {what}, one a channel, got {values}.")
            if not all(map(math.isfinite, values)) or (what == "std" and min(values) <= 0):
                above = " above 0" if what == "std" else ""
                raise InputError(f"Expected finite values{above} in {what}, got {values}.")
        for layer in (cam_layer, paper_layer):
            if layer is not None:
                self.layer(layer)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.register_buffer("luma", torch.tensor(LUMA).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, len(emotions))`` of images ``(B, 3, H, W)`` in [0, 1], or uint8."""
        logits: Tensor = self.net(self.preprocess(images))
        fits = isinstance(logits, Tensor) and logits.ndim == 2
        if not fits or logits.shape[1] != len(self.emotions):
            if fits:
                raise InputError(
                    f"Expected as many outputs of {self.name} as emotions were named, got "
                    f"{logits.shape[1]} outputs and {len(self.emotions)} emotions: name all of "
                    "them in the order of the outputs."
                )
            got = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits)
            raise InputError(
                f"Expected {len(self.emotions)} logits for each image from {self.name}, got {got}: "
                "wrap the network so that it returns logits alone."
            )
        return logits

    def preprocess(self, images: Tensor) -> Tensor:
        """What the network sees: resized, greyscale if it is, normalised.

        Pixels as uint8 are divided by 255 first.

        Raises
        ------
        InputError
            For other whole numbers, whose range is not known, and for booleans.
        """
        images = self._as_floats(images)
        if images.shape[-2:] != (self.size, self.size):
            images = F.interpolate(
                images,
                size=(self.size, self.size),
                mode="bilinear",
                align_corners=False,
                antialias=True,
            )
        if self.greyscale:
            images = (images * self.luma).sum(dim=1, keepdim=True)  # (B, 1, H, W)
        return (images - self.mean) / self.std  # (B, 3, H, W)

    def _as_floats(self, images: Tensor) -> Tensor:
        """Images in [0, 1]: uint8 pixels divided by 255, floats as they are."""
        if images.dtype == torch.uint8:
            return images.to(self.mean.dtype) / 255
        if not images.is_floating_point():
            raise InputError(
                f"Expected images for {self.name} as floats in [0, 1] or as uint8 from 0 to 255, "
                f"got {images.dtype}: convert whole numbers with images.to(torch.uint8)."
            )
        return images

    def predict(self, images: Tensor) -> Tensor:
        """Canonical index of the likeliest emotion, ``(B,)``, in evaluation mode.

        Images as for :meth:`forward`; values outside [0, 1] are refused.
        """
        modes = {module: module.training for module in self.modules()}
        try:
            with torch.inference_mode():
                columns = self.eval()(check_images(self._as_floats(images))).argmax(dim=1)
            return self.canonical(columns)
        finally:
            for module, mode in modes.items():
                module.training = mode

    def columns(self, labels: Tensor) -> Tensor:
        """Output column of each canonical emotion index.

        Raises
        ------
        InputError
            If an emotion is not among the model's outputs.
        """
        table = torch.full((len(EMOTIONS),), -1, dtype=torch.int64)
        for column, name in enumerate(self.emotions):
            table[EMOTIONS.index(name)] = column
        labels = labels.to(torch.int64).cpu()
        if labels.numel() and (int(labels.min()) < 0 or int(labels.max()) >= len(EMOTIONS)):
            raise InputError(
                f"Expected canonical emotion indices 0–{len(EMOTIONS) - 1}, got values in "
                f"[{int(labels.min())}, {int(labels.max())}]: see fer_xai.emotions.EMOTIONS."
            )
        columns = table[labels]
        if bool((columns < 0).any()):
            missing = sorted({EMOTIONS[int(label)] for label in labels[columns < 0]})
            raise InputError(
                f"Expected targets among the outputs of {self.name} ({', '.join(self.emotions)}), "
                f"got {', '.join(missing)}: leave those faces out."
            )
        return columns

    def canonical(self, columns: Tensor) -> Tensor:
        """Canonical emotion index of each output column: the inverse of :meth:`columns`."""
        order = [EMOTIONS.index(name) for name in self.emotions]
        return torch.tensor(order, device=columns.device)[columns]

    def layer(self, name: str) -> nn.Module:
        """A module of the network by dotted name; an unknown one names the last ones there are."""
        try:
            return self.net.get_submodule(name)
        except AttributeError:
            known = [other for other, _ in self.net.named_modules() if other]
            raise InputError(
                f"Expected a layer of {self.name}, got {name!r}: the last ones are "
                f"{', '.join(known[-8:])}."
            ) from None

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return self.mean.device

    def __repr__(self) -> str:
        weights = sum(parameter.numel() for parameter in self.parameters())
        layer = f", maps from {self.cam_layer}" if self.cam_layer else ""
        return (
            f"FERModel({self.name}: {type(self.net).__name__} of {weights:,} weights, "
            f"{self.size}×{self.size} pixels{' in grey' if self.greyscale else ''}, "
            f"{len(self.emotions)} emotions ({', '.join(self.emotions)}){layer})"
        )

    def __call__(self, images: Tensor) -> Tensor:
        """As :meth:`forward`, through PyTorch's hooks."""
        return cast("Tensor", super().__call__(images))
