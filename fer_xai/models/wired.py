"""A network together with how it is fed and how its answers are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fer_xai.checks import check_choice, check_count
from fer_xai.emotions import LEFT_OUT, parse_outputs
from fer_xai.errors import InputError
from fer_xai.models.answers import (
    ENDINGS,
    Ending,
    as_logits,
    checked_outputs,
    described,
    part_of,
    parts_named,
)
from fer_xai.models.feeding import (
    COLOUR_ORDERS,
    LUMA,
    RESIZES,
    ColourOrder,
    Resize,
    check_crop,
    cropped,
    name_of,
    normalisation_of,
    resized,
)

DEFAULTS: dict[str, Any] = {
    "size": 64,
    "greyscale": False,
    "channels": 3,
    "colour_order": "rgb",
    "outputs": None,
    "ends_in": "logits",
    "crop": 0.0,
    "resize": "bilinear",
}
"""Arguments of a FERModel that are not said, by its convention or its user."""


class Wired(nn.Module):
    """What :class:`fer_xai.models.FERModel` says of its network, and what follows from it.

    Examples
    --------
    >>> from fer_xai.models import FERModel
    >>> issubclass(FERModel, Wired)
    True
    """

    net: nn.Module
    name: str
    emotions: tuple[str, ...]
    size: int
    greyscale: bool

    mean: Tensor
    std: Tensor
    luma: Tensor
    # set in an instance where they differ alone: digests of models that use none of them stay
    channels: int = 3
    colour_order: ColourOrder = "rgb"
    outputs: Any = None
    ends_in: Ending = "logits"
    crop: float = 0.0
    resize: Resize = "bilinear"
    _order: tuple[str, ...] = ()
    _kept: list[int] | None = None

    def _wire(self, settings: Mapping[str, Any]) -> None:
        """Check the arguments that say how the network is fed and read, and keep them."""
        if isinstance(settings["size"], bool) or not isinstance(settings["greyscale"], bool):
            raise InputError(
                "Expected size as a number of pixels and greyscale as True or False, got "
                f"{settings['size']!r} and {settings['greyscale']!r}."
            )
        check_count("the side of the network's images in pixels", settings["size"])
        if settings.get("emotions") is None:
            raise InputError(
                f"Expected the emotions of {self.name} in the order of its outputs: "
                'emotions=["anger", …], or a convention that names them.'
            )
        if isinstance(settings["channels"], bool) or settings["channels"] not in (1, 3):
            raise InputError(f"Expected channels 1 or 3, got {settings['channels']!r}.")
        check_choice("colour_order", settings["colour_order"], COLOUR_ORDERS)
        check_choice("ends_in", settings["ends_in"], ENDINGS)
        check_choice("resize", settings["resize"], RESIZES)
        order = parse_outputs(settings["emotions"])
        self.emotions = tuple(emotion for emotion in order if emotion != LEFT_OUT)
        self.size, self.greyscale = settings["size"], settings["greyscale"]
        kept = [number for number, emotion in enumerate(order) if emotion != LEFT_OUT]
        wiring = {key: settings[key] for key in ("channels", "colour_order", "ends_in", "resize")}
        wiring["outputs"] = checked_outputs(settings["outputs"])
        wiring["crop"] = check_crop(settings["crop"])
        if len(kept) < len(order):
            wiring |= {"_order": order, "_kept": kept}
        for key, value in wiring.items():
            if value != getattr(type(self), key):
                setattr(self, key, value)
        channels = self.channels
        mean, std = normalisation_of(
            settings.get("normalisation"),
            settings.get("mean"),
            settings.get("std"),
            channels=channels,
        )
        self.register_buffer("mean", torch.tensor(mean).view(channels, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(channels, 1, 1), persistent=False)
        self.register_buffer("luma", torch.tensor(LUMA).view(3, 1, 1), persistent=False)

    @property
    def wiring(self) -> dict[str, Any]:
        """How the network is fed and read: arguments of FERModel, those that are defaults included.

        ``normalisation`` is the name of ``mean`` and ``std`` where they have one, else None.

        Examples
        --------
        >>> from fer_xai.models import FERModel
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
        >>> fed = {"size": 8, "channels": 1, "normalisation": "half"}
        >>> model = FERModel(net, emotions=["sad", "happy"], **fed)
        >>> model.wiring["normalisation"], model.wiring["mean"], model.wiring["crop"]
        ('half', (0.5,), 0.0)
        >>> FERModel(net, **model.wiring).wiring == model.wiring
        True
        """
        mean, std = (
            tuple(float(str(value)) for value in buffer.flatten().cpu().float().numpy())
            for buffer in (self.mean, self.std)
        )
        named = name_of(mean, std)
        if named is not None:  # without single precision's rounding
            mean, std = normalisation_of(named, None, None, channels=self.channels)
        return {
            "emotions": self._order or self.emotions,
            "size": self.size,
            "channels": self.channels,
            "colour_order": self.colour_order,
            "greyscale": self.greyscale,
            "normalisation": named,
            "mean": mean,
            "std": std,
            "outputs": self.outputs,
            "ends_in": self.ends_in,
            "crop": self.crop,
            "resize": self.resize,
        }

    def read(self, answer: Any) -> Tensor:
        """Logits ``(B, len(emotions))`` of what the network answered.

        Parameters
        ----------
        answer
            What the network gave.

        Raises
        ------
        InputError
            If it holds no such logits: the sentence says what it holds.

        Examples
        --------
        >>> from fer_xai.models import FERModel
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.Softmax(dim=1))
        >>> model = FERModel(net, emotions=["sad", "-", "happy"], size=2, ends_in="softmax")
        >>> model.read(torch.tensor([[0.5, 0.25, 0.25]])).exp()
        tensor([[0.5000, 0.2500]])
        """
        found = part_of(answer, self.outputs, name=self.name)
        order = self._order or self.emotions
        if not isinstance(found, Tensor) or found.ndim != 2 or found.shape[1] != len(order):
            raise self._unread(found, order)
        logits = as_logits(found, self.ends_in, name=self.name)
        return logits if self._kept is None else logits[:, self._kept]

    def _unread(self, found: Any, order: Sequence[str]) -> InputError:
        """What to say of an answer that is not one logit an output."""
        if isinstance(found, Tensor) and found.ndim == 2:
            outputs = found.shape[1]
            advice = ""
            if outputs == len(order) - 1 and "contempt" in order:
                advice = " (models of seven classes mostly lack contempt)"
            elif outputs > len(order):
                advice = ', "-" for one that is no emotion'
            return InputError(
                f"Expected as many outputs of {self.name} as emotions were named, got {outputs} "
                f"outputs and {len(order)} emotions: name all of them in the order of the "
                f"outputs{advice}."
            )
        remedy = "wrap the network so that it returns logits alone."
        parts = parts_named(found)
        if parts:
            several = "one of " if len(parts) > 1 else ""
            named = ", ".join(f'"{part}"' for part in parts[:6])
            remedy = f"name the part that holds them as outputs={several}{named}."
        return InputError(
            f"Expected {len(order)} logits for each image from {self.name}, got "
            f"{described(found)}: {remedy}"
        )

    def preprocess(self, images: Tensor) -> Tensor:
        """What the network sees: cropped, resized, and then as :meth:`normalise` gives it.

        Pixels as uint8 are divided by 255 first.

        Raises
        ------
        InputError
            For other whole numbers, whose range is not known, and for booleans.
        """
        images = self._as_floats(images)
        if self.crop:
            images = cropped(images, self.crop)
        return self.normalise(resized(images, self.size, self.resize))

    def normalise(self, images: Tensor) -> Tensor:
        """Pixels as the network is fed them: its colour order, greyscale, normalised, its type.

        Parameters
        ----------
        images
            ``(B, 3, H, W)`` in [0, 1], of any size.

        Examples
        --------
        >>> from fer_xai.models import FERModel
        >>> fed = {"colour_order": "bgr", "normalisation": "half"}
        >>> model = FERModel(nn.Flatten(), emotions="rafdb", **fed)
        >>> model.normalise(torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1)).flatten()
        tensor([-1.,  0.,  1.])
        """
        if self.colour_order == "bgr":
            images = images.flip(1)
        if self.greyscale or self.channels == 1:
            images = (images * self.luma).sum(dim=1, keepdim=True)  # (B, 1, H, W)
        fed = (images - self.mean) / self.std  # (B, channels, H, W)
        first = next((one for one in self.net.parameters() if one.is_floating_point()), None)
        return fed if first is None else fed.to(first.dtype)

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
