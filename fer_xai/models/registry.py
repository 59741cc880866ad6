"""The models by name: GiMeFive's table, and other libraries' architectures by their own names."""

from __future__ import annotations

from fer_xai.models.architecture import Architecture
from fer_xai.models.libraries import LIBRARIES
from fer_xai.registry import Registry

MODELS: Registry[Architecture] = Registry(
    "model",
    package="fer_xai.models",
    first=("gimefive", "baselines", "transformers"),
    holds=Architecture,
    wanted="a fer_xai.models.architecture.Architecture",
    remedy="describe in one how your model is built and fed",
)


def architecture(name: str) -> Architecture:
    """What is known of a model by its name, ``torchvision/<name>`` and ``timm/<name>`` included.

    Raises
    ------
    UnknownNameError
        Suggesting the close names.
    InputError
        If timm is not installed, or torchvision's family has no known CAM layer.

    Examples
    --------
    >>> architecture("gimefive").parameters, architecture("torchvision/resnet18").cam_layer
    (10478086, 'layer4')
    """
    library, _, plain = name.partition("/")
    if plain and library in LIBRARIES:
        return LIBRARIES[library](plain)
    return MODELS[name]
