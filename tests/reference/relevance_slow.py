"""Layer-wise relevance one weight at a time (Bach et al. 2015; Montavon et al. 2019, sec. 10.2)."""

import numpy as np
import torch


def matrix(layer, shape):
    """A linear layer's weights ``(outputs, inputs)`` and biases, read off unit images."""
    size = int(np.prod(shape))
    with torch.no_grad():
        bias = layer(torch.zeros(1, *shape)).flatten()
        rows = [layer(unit.reshape(1, *shape)).flatten() - bias for unit in torch.eye(size)]
    return torch.stack(rows, dim=1).double().numpy(), bias.double().numpy()


def handed_back(activations, weights, biases, relevance, rule):
    """R_j = Σ_k a_j ρ(w_jk) / Σ_0,j a_j ρ(w_jk) R_k, the bias among what shares."""
    rho = {
        "epsilon": lambda w: w,
        "gamma": lambda w: w + 0.25 * max(w, 0.0),
        "alpha1_beta0": lambda w: max(w, 0.0),
    }[rule]
    out = np.zeros(len(activations))
    for k in range(len(relevance)):
        parts = [a * rho(w) for a, w in zip(activations, weights[k], strict=True)]
        total = sum(parts) + rho(biases[k])
        for j, part in enumerate(parts):
            if part:
                out[j] += part / total * relevance[k]
    return out


def relevance_slow(layers, image, column, rules):
    """Relevance of an image's channels through linear layers with ReLUs between them.

    ``layers`` are called one after the other, and a ReLU after each but the last; ``rules`` names
    each one's.
    """
    kept, value = [], image[None]
    for number, layer in enumerate(layers):
        kept.append(value)
        with torch.no_grad():
            value = layer(value)
            value = value.relu() if number < len(layers) - 1 else value
    relevance = np.where(np.arange(value.shape[1]) == column, value[0].double().numpy(), 0.0)
    for layer, before, rule in zip(layers[::-1], kept[::-1], rules[::-1], strict=True):
        weights, biases = matrix(layer, before.shape[1:])
        flat = before.flatten().double().numpy()
        relevance = handed_back(flat, weights, biases, relevance, rule)
    return relevance.reshape(image.shape)
