"""The models by name: GiMeFive's table, and other libraries' architectures by their own names."""

from __future__ import annotations

from fer_xai.models.architecture import Architecture
from fer_xai.models.hugging_face import HUGGING_FACE, hugging_face_architecture
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
    """What is known of a model by its name.

    ``torchvision/<name>``, ``timm/<name>``, ``emotieff/<name>`` and ``hf:<folder>`` are included.

    Raises
    ------
    UnknownNameError
        Suggesting the close names.
    InputError
        If timm or transformers is not installed, torchvision's family has no known CAM layer, or
        the folder holds no model.

    Examples
    --------
    >>> architecture("gimefive").parameters, architecture("torchvision/resnet18").cam_layer
    (10478086, 'layer4')
    """
    if name.startswith(HUGGING_FACE):
        return hugging_face_architecture(name.removeprefix(HUGGING_FACE))
    library, _, plain = name.partition("/")
    if plain and library in LIBRARIES:
        return LIBRARIES[library](plain)
    return MODELS[name]
