"""Image classifiers in Hugging Face's format: a folder with config.json and model.safetensors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fer_xai.checks import listed
from fer_xai.emotions import LEFT_OUT, parse_emotion
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.models.architecture import Architecture

HUGGING_FACE = "hf:"
"""What the name of such a model begins with."""
_RESAMPLING = {0: "nearest", 2: "bilinear", 3: "bicubic", 4: "area"}
"""Pillow's numbers; its box filter averages, as ``area`` does."""
_FILES = ("config.json", "preprocessor_config.json")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def hugging_face_architecture(name: str) -> Architecture:
    """An image classifier that transformers builds.

    Outputs are named by the configuration's ``id2label``; a label that is no emotion is left out.
    Size, resampling and normalisation are read from ``preprocessor_config.json``.

    Parameters
    ----------
    name
        A folder, or a name on the hub, whose files are downloaded or taken from the cache.

    Raises
    ------
    InputError
        If transformers is not installed, the hub cannot be reached, or the files do not describe an
        image classifier with labels that are emotions.

    Examples
    --------
    >>> hugging_face_architecture("./my/model")
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: Expected a folder in Hugging Face's format or a name on ...
    """
    on_hub = name.count("/") == 1 and not name.startswith((".", "/", "~"))
    if not on_hub and not Path(name).expanduser().is_dir():
        raise UnknownNameError(
            f"Expected a folder in Hugging Face's format or a name on its hub (owner/model), got "
            f"{name!r}, which does not exist."
        )
    transformers = _transformers(name)
    files = _files(name)
    config = _read(files["config.json"])
    preprocessor = _read(files["preprocessor_config.json"])
    order = _emotions(config, name)
    try:
        built = transformers.AutoConfig.for_model(**config)
    except Exception as error:  # noqa: BLE001 - of whatever a file says
        raise InputError(
            f"Expected config.json of {name} to describe a model that transformers "
            f"{transformers.__version__} builds, but it does not ({_said(error)})."
        ) from None

    def build(classes: int) -> nn.Module:
        built.num_labels = classes
        try:
            net: nn.Module = transformers.AutoModelForImageClassification.from_config(
                built, attn_implementation="sdpa"
            )
        except ValueError:  # without attention of that kind
            net = transformers.AutoModelForImageClassification.from_config(built)
        return net.float()

    wiring = {"emotions": order, "outputs": "logits", **_normalisation(preprocessor)}
    resize = _RESAMPLING.get(preprocessor.get("resample", 2))
    if resize is not None:
        wiring["resize"] = resize
    return Architecture(
        build=build,
        cam_layer=None,
        size=_size(preprocessor, config, name),
        greyscale=False,
        reference=f"hf:{name}",
        wiring=wiring,
        weights=files.get("weights"),
        translated=_translated,
    )


def _translated(net: Any, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names that transformers' own loading gives them.

    What it does not know is left out, as it does itself; what it lacks stays lacking.
    """
    with _silent(_transformers("")):
        made, told = type(net).from_pretrained(
            None,
            config=net.config,
            state_dict=dict(state),
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    found: dict[str, Tensor] = made.float().state_dict()
    shapes = {key: shape for key, shape, _ in told["mismatched_keys"]}
    return {
        key: value.new_empty(shapes[key]) if key in shapes else value
        for key, value in found.items()
        if key not in told["missing_keys"]
    }


@contextmanager
def _silent(transformers: Any) -> Iterator[None]:
    """Context in which transformers writes nothing to the terminal: what it says is ours to say."""
    logging = transformers.utils.logging
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


def _transformers(name: str) -> Any:
    try:
        import transformers
    except ModuleNotFoundError:
        raise InputError(
            f"Expected transformers to build hf:{name}, but it is not installed: pip install "
            "fer-xai[hf]."
        ) from None
    return transformers


def _files(name: str) -> dict[str, Path]:
    """Paths of the files of a folder, or of a name on the hub."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        found = {file: folder / file for file in (*_FILES, *_WEIGHTS) if (folder / file).is_file()}
    else:
        found = _from_hub(name)
    missing = [file for file in _FILES if file not in found]
    if missing:
        raise InputError(
            f"Expected {' and '.join(_FILES)} in {name}, but {' and '.join(missing)} is missing: "
            "save the model with save_pretrained, and its image processor too."
        )
    weights = next((found[file] for file in _WEIGHTS if file in found), None)
    return found if weights is None else {**found, "weights": weights}


def _from_hub(name: str) -> dict[str, Path]:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    found = {}
    for file in (*_FILES, *_WEIGHTS):
        if file == _WEIGHTS[1] and _WEIGHTS[0] in found:
            continue
        try:
            found[file] = Path(hf_hub_download(name, file))
        except RepositoryNotFoundError:
            raise UnknownNameError(
                f"Expected a folder, or a name on the hub, got {name!r}, which is neither."
            ) from None
        except Exception as error:  # noqa: BLE001 - networks fail in many ways
            there = not isinstance(error, LocalEntryNotFoundError)
            if there and isinstance(error, EntryNotFoundError):
                continue
            raise InputError(
                f"Expected {name} from the hub, but {file} is not in the cache and cannot be "
                f"downloaded ({type(error).__name__}): go online once, or give the folder that "
                "holds it as hf:FOLDER."
            ) from None
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"Expected JSON in {path}, but it cannot be read ({_said(error)})."
        ) from None
    if not isinstance(told, dict):
        raise InputError(f"Expected a JSON object in {path}, got {type(told).__name__}.")
    return told


def _emotions(config: Mapping[str, Any], name: str) -> tuple[str, ...]:
    labels = config.get("id2label")
    numbered = isinstance(labels, Mapping) and all(str(key).isdigit() for key in labels)
    if not isinstance(labels, Mapping) or not numbered or len(labels) < 2:
        raise InputError(
            f"Expected id2label with the emotions of the outputs in config.json of {name}, got "
            f"{str(labels)[:80]}."
        )
    found = []
    for position in range(len(labels)):
        label = str(labels.get(str(position), LEFT_OUT))
        try:
            found.append(parse_emotion(label))
        except UnknownNameError:
            found.append(LEFT_OUT)
    if len(set(found) - {LEFT_OUT}) < 2:
        raise InputError(
            f"Expected emotions among the labels of {name}, got {listed(labels.values())}: it is "
            "no classifier of facial emotions, or its labels are numbered. Build it and wrap it as "
            "FERModel(net, emotions=…, outputs='logits')."
        )
    return tuple(found)


def _normalisation(preprocessor: Mapping[str, Any]) -> dict[str, Any]:
    """Mean and deviation, or the range that the network is fed without them."""
    rescaled = preprocessor.get("do_rescale", True)
    factor = float(preprocessor.get("rescale_factor", 1 / 255)) * 255 if rescaled else 255.0
    mean, std = 0.0, 1.0
    given: tuple[Any, Any] = (mean, std)
    if preprocessor.get("do_normalize", True) and preprocessor.get("image_mean") is not None:
        given = preprocessor["image_mean"], preprocessor.get("image_std", 1.0)
    means, stds = ([one] * 3 if isinstance(one, int | float) else one for one in given)
    return {
        "mean": [value / factor for value in means],
        "std": [value / factor for value in stds],
    }


def _size(preprocessor: Mapping[str, Any], config: Mapping[str, Any], name: str) -> int:
    side: Any = preprocessor.get("size", config.get("image_size"))
    if preprocessor.get("do_center_crop") and "crop_size" in preprocessor:
        side = preprocessor["crop_size"]
    if isinstance(side, Mapping):
        side = side.get("height", side.get("shortest_edge"))
    if not isinstance(side, int) or isinstance(side, bool):
        raise InputError(
            f"Expected the size of images in preprocessor_config.json of {name}, got {side!r}."
        )
    return side


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
