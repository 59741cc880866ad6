"""TensorFlow's layers straight from its documentation, in numpy: rows, columns, channels last."""

import numpy as np


def padded(x, side, stride, *, fill=0.0):
    """The padding "same": as many windows as ⌈n / stride⌉ need, the odd cell of padding behind."""
    pads = []
    for n in x.shape[:2]:
        total = max((-(-n // stride) - 1) * stride + side - n, 0)
        pads.append((total // 2, total - total // 2))
    return np.pad(x, [*pads, (0, 0)], constant_values=fill)


def windows(x, side, stride):
    """Every window ``(rows, columns, side, side, channels)``."""
    rows = range(0, x.shape[0] - side + 1, stride)
    columns = range(0, x.shape[1] - side + 1, stride)
    return np.array([[x[r : r + side, c : c + side] for c in columns] for r in rows])


def conv2d(x, kernel, *, stride=1, same=True, bias=0.0):
    x = padded(x, len(kernel), stride) if same else x
    return np.einsum("rcijk,ijko->rco", windows(x, len(kernel), stride), kernel) + bias


def depthwise_conv2d(x, kernel, *, stride=1):
    x = padded(x, len(kernel), stride)
    return np.einsum("rcijk,ijk->rck", windows(x, len(kernel), stride), kernel[..., 0])


def separable_conv2d(x, depthwise, pointwise, *, stride=1, bias=0.0):
    return conv2d(depthwise_conv2d(x, depthwise, stride=stride), pointwise) + bias


def max_pool(x, *, side=3, stride=2):
    return windows(padded(x, side, stride, fill=-np.inf), side, stride).max(axis=(2, 3))


def batch_norm(x, layer):
    """Keras's, whose epsilon is .001 by default."""
    scale = layer["gamma"] / np.sqrt(layer["moving_variance"] + 1e-3)
    return (x - layer["moving_mean"]) * scale + layer["beta"]


def relu(x):
    return np.maximum(x, 0)


def softmax(x):
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def mini_xception(x, layers):
    """Figure 3 of arXiv 1710.07557, as the Keras file's own description wires it, softmax too."""

    def conv(number, x, **options):
        return conv2d(x, layers[f"conv2d_{number}"]["kernel"], **options)

    def norm(number, x):
        return batch_norm(x, layers[f"batch_normalization_{number}"])

    def separable(number, x):
        layer = layers[f"separable_conv2d_{number}"]
        return separable_conv2d(x, layer["depthwise_kernel"], layer["pointwise_kernel"])

    x = relu(norm(1, conv(1, x, same=False)))
    x = relu(norm(2, conv(2, x, same=False)))
    for stage in range(4):
        first = 3 * stage + 3  # number of the shortcut's BatchNorm
        shortcut = norm(first, conv(stage + 3, x, stride=2))
        x = relu(norm(first + 1, separable(2 * stage + 1, x)))
        x = max_pool(norm(first + 2, separable(2 * stage + 2, x))) + shortcut
    x = conv(7, x, bias=layers["conv2d_7"]["bias"])
    return softmax(x.mean(axis=(0, 1)))


def face_api(x, weights):
    """``FaceFeatureExtractor`` and ``FaceProcessor`` of face-api; pixels from 0 to 255 come in."""
    x = (x - np.array([122.782, 117.001, 104.298])) / 255

    def separable(name, x, stride=1):
        one, other = weights[f"{name}/depthwise_filter"], weights[f"{name}/pointwise_filter"]
        return separable_conv2d(x, one, other, stride=stride, bias=weights[f"{name}/bias"])

    for block in range(4):
        if block == 0:
            filters, bias = weights["dense0/conv0/filters"], weights["dense0/conv0/bias"]
            out1 = relu(conv2d(x, filters, stride=2, bias=bias))
        else:
            out1 = relu(separable(f"dense{block}/conv0", x, stride=2))
        out2 = separable(f"dense{block}/conv1", out1)
        out3 = separable(f"dense{block}/conv2", relu(out1 + out2))
        out4 = separable(f"dense{block}/conv3", relu(out1 + out2 + out3))
        x = relu(out1 + out2 + out3 + out4)
    return x.mean(axis=(0, 1)) @ weights["fc/weights"] + weights["fc/bias"]
