"""Attributions straight from their papers: one face, one target, loops and plain autograd."""

import numpy as np
import torch
from torch.nn import functional as F

from tests.reference.relevance_slow import matrix


def at_layers(model, names, image, column):
    """Activations and gradients ``(C, h, w)`` of some layers."""
    kept = []
    handles = [
        model.layer(name).register_forward_hook(lambda *a: kept.append(a[2])) for name in names
    ]
    logit = model(image[None])[0, column]
    for handle in handles:
        handle.remove()
    gradients = torch.autograd.grad(logit, kept)
    return [(a[0].detach(), g[0]) for a, g in zip(kept, gradients, strict=True)]


def enlarged(cells, side):
    return F.interpolate(cells[None, None], (side, side), mode="bilinear")[0, 0]


def fused_layercam_slow(model, names, image, column, *, gamma):
    """Jiang et al. 2021, eq. 6-9: the largest of the stages' maps, the shallow ones lifted."""
    made = []
    for activations, gradients in at_layers(model, names, image, column):
        cells = sum(g.clamp(min=0) * a for a, g in zip(activations, gradients, strict=True))
        cells = cells.clamp(min=0)
        made.append(cells / cells.max())
    made[:-1] = [torch.tanh(gamma * cells) for cells in made[:-1]]
    return torch.stack([enlarged(cells, made[0].shape[0]) for cells in made]).amax(dim=0)


def gradcam_slow(model, name, image, column):
    """Selvaraju et al. 2017, eq. 1-2, at the image's resolution."""
    [(activations, gradients)] = at_layers(model, [name], image, column)
    weighted = sum(g.mean() * a for a, g in zip(activations, gradients, strict=True))
    return enlarged(weighted.clamp(min=0), image.shape[-1])


class GuidedReLU(torch.nn.Module):
    """Passes back what is positive, where the activation is positive (Springenberg et al.)."""

    class Rule(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            return gradient * (x > 0) * (gradient > 0)

    def forward(self, x):
        return self.Rule.apply(x)


def gradient_slow(model, image, column):
    leaf = image.clone().requires_grad_()
    return torch.autograd.grad(model(leaf[None])[0, column], leaf)[0]


def rescaled_slow(layers, image, baseline, column):
    """DeepLift's rescale rule (Shrikumar et al. 2017, eq. 14-16): each ReLU multiplies by its
    outputs' difference over its inputs', through linear layers with ReLUs between them.
    """
    values, slopes, matrices = [image[None], baseline[None]], [], []
    for layer in layers:
        matrices.append(matrix(layer, values[0].shape[1:])[0])
        with torch.no_grad():
            before = [layer(value) for value in values]
        values = [value.relu() for value in before]
        inside, outside = ((a - b).flatten().double().numpy() for a, b in (before, values))
        slopes.append([o / i if i else 0.0 for o, i in zip(outside, inside, strict=True)])
    multiplier = matrices[-1][column]
    for weights, slope in zip(matrices[-2::-1], slopes[-2::-1], strict=True):
        multiplier = (multiplier * slope) @ weights
    return multiplier.reshape(image.shape) * (image - baseline).double().numpy()


def gradient_rollout_slow(weights, gradients):
    """Chefer et al. 2021, eq. 5-6 and 10: R ``(T, T)`` of blocks of heads ``(T, T)``."""
    tokens = len(weights[0][0])
    total = np.eye(tokens)
    for heads, slopes in zip(weights, gradients, strict=True):
        gain = np.zeros((tokens, tokens))
        for head, slope in zip(heads, slopes, strict=True):
            gain += np.maximum(head.numpy() * slope.numpy(), 0) / len(heads)
        total = total + gain @ total
    return total
