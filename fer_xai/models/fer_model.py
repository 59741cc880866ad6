"""FERModel: any classifier of facial emotions, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from fer_xai.checks import check_images
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.models.answers import Ending, Outputs
from fer_xai.models.conventions import convention as convention_named
from fer_xai.models.feeding import ColourOrder, Resize, overridden
from fer_xai.models.wired import DEFAULTS, Wired
from fer_xai.models.wrapped import bare, check_usable


class FERModel(Wired):
    """A classifier together with all that is needed to feed it and to read its outputs.

    It takes images of any size, as floats in [0, 1] or as uint8 from 0 to 255. Crop, resizing,
    colour order, greyscale and normalisation are part of the model, in this order, so that "black",
    a blur or a gradient mean the same for every model and perturbations happen in image space.

    Parameters
    ----------
    net
        Takes normalised images ``(B, channels, size, size)``, returns logits ``(B, outputs)``, or
        what ``outputs`` and ``ends_in`` say. Wrappers of ``torch.compile`` and ``DataParallel`` are
        taken off.
    emotions
        Its outputs in order: emotion names, a name for each position (``id2label``), or the name of
        a native label order such as ``"rafdb"`` (see :data:`fer_xai.emotions.NATIVE_ORDERS`).
        Outputs that are no emotion of ours (FER+'s "unknown", a valence) are named ``"-"``. They
        are left out of the logits, so that probabilities are a softmax over what is left.
    size
        Side of the square input in pixels, 64 by default.
    greyscale
        Whether images are reduced to luma (ITU-R BT.601), replicated to the network's channels.
    mean, std
        Normalisation a channel, in the network's order of channels and after greyscale: numbers, or
        one for all channels; ImageNet's by default (of one channel, the average).
    cam_layer
        Dotted name of the module whose output CAMs are taken from, e.g. ``"relu5"``.
    paper_layer
        Where the publication took its maps from, if it differs (GiMeFive: ``"conv5"``).
    reshape
        For token models: turns that layer's output into ``(B, C, h, w)``.
    name
        What the model is called in results.
    channels
        3 by default; 1 feeds the luma as one channel.
    colour_order
        ``"rgb"``, or ``"bgr"`` for a network that was trained on images as OpenCV reads them; its
        luma then weighs the swapped channels.
    normalisation
        Mean and deviation by name: ``"imagenet"``, ``"half"`` (feeds [−1, 1]), ``"raw"`` (0 to 255)
        or ``"none"`` ([0, 1]).
    outputs
        The part of the network's answer that holds the logits: a position, key or attribute
        (``"0"``, ``"expression"``, ``"heads.1"``), a function of the answer, or weights whose
        weighted sum is taken (``{"0": 0.6, "1": 0.4}``). All of it by default.
    ends_in
        ``"logits"``, or ``"softmax"`` or ``"sigmoid"``, whose probabilities are turned back into
        logits (see :func:`fer_xai.models.answers.as_logits`).
    crop
        Share of the image's side that is cut off at each side before resizing, in whole pixels;
        negative shares add a margin that repeats the border. 0 by default. Data sets are read at
        ``size`` before it; images that are handed in keep all their pixels.
    resize
        ``"bilinear"`` by default, ``"bicubic"``, ``"area"`` or ``"nearest"``.
    convention
        Name of a published model whose arguments these are (``"poster++"``, see
        :mod:`fer_xai.models.conventions`), or the path of a TOML file that says them. Arguments
        given beside it go first.

    Raises
    ------
    InputError
        If an argument or a layer does not exist, the network cannot be used, or the forward pass
        does not give one logit an output.

    Examples
    --------
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    >>> model = FERModel(net, emotions=["sad", "happy"], size=8)
    >>> model(torch.rand(5, 3, 48, 48)).shape, model.emotions
    (torch.Size([5, 2]), ('sadness', 'happiness'))
    >>> model.columns(torch.tensor([0, 2]))  # canonical: happiness, sadness
    tensor([1, 0])
    >>> FERModel(net, convention="face-api", size=8).emotions[:2]
    ('neutral', 'happiness')
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        emotions: str | Sequence[str] | Mapping[int, str] | None = None,
        size: int | None = None,
        greyscale: bool | None = None,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        cam_layer: str | None = None,
        paper_layer: str | None = None,
        reshape: Callable[[Tensor], Tensor] | None = None,
        name: str = "model",
        channels: int | None = None,
        colour_order: ColourOrder | None = None,
        normalisation: str | None = None,
        outputs: Outputs | None = None,
        ends_in: Ending | None = None,
        crop: float | None = None,
        resize: Resize | None = None,
        convention: str | Path | None = None,
    ) -> None:
        given = {
            "emotions": emotions,
            "size": size,
            "channels": channels,
            "colour_order": colour_order,
            "greyscale": greyscale,
            "normalisation": normalisation,
            "mean": mean,
            "std": std,
            "outputs": outputs,
            "ends_in": ends_in,
            "crop": crop,
            "resize": resize,
        }
        said = {key: value for key, value in given.items() if value is not None}
        if convention is not None:
            said = overridden(convention_named(convention).arguments, said)
        super().__init__()
        self.net = bare(net)
        self.name = name
        self._wire(DEFAULTS | said)
        self.cam_layer, self.paper_layer, self.reshape = cam_layer, paper_layer, reshape
        for layer in (cam_layer, paper_layer):
            if layer is not None:
                self.layer(layer)
        check_usable(self.net, name)

    def rewired(self, **changes: Any) -> FERModel:
        """Another FERModel of the same network, some of whose arguments are changed.

        The network is shared, and this model is left as it is.

        Parameters
        ----------
        **changes
            Arguments of FERModel. A ``normalisation`` replaces mean and std, and they replace it.

        Raises
        ------
        InputError
            For an argument that there is not, or a value that cannot be used.

        Examples
        --------
        >>> model = FERModel(nn.Flatten(), emotions="rafdb", normalisation="half", name="mine")
        >>> other = model.rewired(colour_order="bgr", mean=(0.0,) * 3)
        >>> other.colour_order, other.wiring["std"], other.net is model.net, model.colour_order
        ('bgr', (0.5, 0.5, 0.5), True, 'rgb')
        """
        about = {key: getattr(self, key) for key in ("cam_layer", "paper_layer", "reshape", "name")}
        wiring = self.wiring
        unknown = [key for key in changes if key not in about | wiring]
        if unknown:
            raise InputError(
                f"Expected arguments of FERModel ({', '.join(wiring)}), got {', '.join(unknown)}."
            )
        other = FERModel(self.net, **(about | overridden(wiring, changes)))
        for name in ("mean", "std", "luma"):
            setattr(other, name, getattr(other, name).to(getattr(self, name)))
        other.training = self.training
        return other

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, len(emotions))`` of images ``(B, 3, H, W)`` in [0, 1], or uint8."""
        return self.read(self.net(self.preprocess(images)))

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
            if isinstance(self.net, torch.jit.ScriptModule):  # which cannot be asked for one
                return dict(self.net.named_modules())[name]
            return self.net.get_submodule(name)
        except (AttributeError, KeyError):
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
