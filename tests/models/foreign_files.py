"""Files of other frameworks as they write them, filled with random numbers."""

import json

import numpy as np

from fer_xai.models.face_api import WIDTHS as FACE_API_WIDTHS
from fer_xai.models.mini_xception import WIDTHS
from fer_xai.models.tfjs import ENDING


def mini_xception_layers(*, classes=7, seed=0):
    """Layers of a mini-Xception by Keras's names, with random weights."""
    rng = np.random.default_rng(seed)
    layers, norms, convs, separable = {}, [8, 8], [(3, 1, 8), (3, 8, 8)], []
    channels = 8
    for width in WIDTHS:
        convs.append((1, channels, width))
        separable += [(channels, width), (width, width)]
        norms += [width] * 3
        channels = width
    convs.append((3, channels, classes))
    for number, (side, inputs, outputs) in enumerate(convs, start=1):
        kernel = rng.normal(0, (side * side * inputs) ** -0.5, (side, side, inputs, outputs))
        layers[f"conv2d_{number}"] = {"kernel": kernel}
    layers["conv2d_7"]["kernel"] *= 0.02  # so that no output takes all
    layers["conv2d_7"]["bias"] = rng.normal(0, 1, classes)
    for number, (inputs, outputs) in enumerate(separable, start=1):
        layers[f"separable_conv2d_{number}"] = {
            "depthwise_kernel": rng.normal(0, 1 / 3, (3, 3, inputs, 1)),
            "pointwise_kernel": rng.normal(0, inputs**-0.5, (1, 1, inputs, outputs)),
        }
    for number, width in enumerate(norms, start=1):
        layers[f"batch_normalization_{number}"] = {
            "gamma": rng.uniform(0.5, 1.5, width),
            "beta": rng.normal(0, 0.3, width),
            "moving_mean": rng.normal(0, 0.3, width),
            "moving_variance": rng.uniform(1e-3, 1, width),  # small ones tell the epsilon
        }
    return {
        name: {part: values.astype(np.float32) for part, values in layer.items()}
        for name, layer in layers.items()
    }


def write_keras(path, layers, *, h5py, inside="model_weights"):
    """As ``model.save`` of Keras 2 writes them: ``model_weights/LAYER/LAYER_1/kernel:0``."""
    with h5py.File(path, "w") as file:
        for name, layer in layers.items():
            for part, values in layer.items():
                file[f"{inside}/{name}/{name}_1/{part}:0".lstrip("/")] = values
    return path


def face_api_weights(outputs=7, *, seed=0):
    """Weights of a network of face-api by the manifest's names, random."""
    rng = np.random.default_rng(seed)
    weights, channels = {}, 3
    for block, width in enumerate(FACE_API_WIDTHS):
        for index in range(4):
            name, inputs = f"dense{block}/conv{index}", channels if index == 0 else width
            if block == index == 0:
                weights[f"{name}/filters"] = rng.normal(0, 0.3, (3, 3, inputs, width))
            else:
                weights[f"{name}/depthwise_filter"] = rng.normal(0, 1 / 3, (3, 3, inputs, 1))
                shape = (1, 1, inputs, width)
                weights[f"{name}/pointwise_filter"] = rng.normal(0, inputs**-0.5, shape)
            weights[f"{name}/bias"] = rng.normal(0, 0.1, width)
        channels = width
    weights["fc/weights"] = rng.normal(0, channels**-0.5, (channels, outputs))
    weights["fc/bias"] = rng.normal(0, 0.1, outputs)
    return {name: values.astype(np.float32) for name, values in weights.items()}


def write_manifest(folder, model, weights, *, quantised="uint8"):
    """A manifest and its file of numbers; what they stand for, which rounding moved."""
    folder.mkdir(parents=True, exist_ok=True)
    told, content, meant = [], b"", {}
    for name, values in weights.items():
        entry = {"name": name, "shape": list(values.shape), "dtype": "float32"}
        if quantised is None or name.endswith("bias"):
            content += values.astype("<f4").tobytes()
            meant[name] = values
        elif quantised == "float16":
            entry["quantization"] = {"dtype": "float16"}
            content += values.astype("<f2").tobytes()
            meant[name] = values.astype(np.float16).astype(np.float32)
        else:
            most = 2 ** (8 * np.dtype(quantised).itemsize) - 1
            least = float(values.min())
            scale = (float(values.max()) - least) / most or 1.0
            whole = np.rint((values.astype(np.float64) - least) / scale)
            entry["quantization"] = {"dtype": quantised, "scale": scale, "min": least}
            content += whole.astype(np.dtype(quantised).newbyteorder("<")).tobytes()
            meant[name] = (whole * scale + least).astype(np.float32)
        told.append(entry)
    (folder / f"{model}.bin").write_bytes(content)
    place = folder / f"{model}{ENDING}"
    place.write_text(json.dumps([{"paths": [f"{model}.bin"], "weights": told}]))
    return place, meant
