"""What makes maps, for metrics that explain again."""

import torch


def gradient(model, images, targets, ids):
    """Signed, and quick."""
    del ids
    images = images.detach().requires_grad_()
    score = model(images).gather(1, model.columns(targets)[:, None]).sum()
    return torch.autograd.grad(score, images)[0].sum(dim=1)


def edges(model, images, targets, ids):
    """What an image shows, whatever the model."""
    del model, targets, ids
    across = images.diff(dim=-1, append=images[..., -1:]).abs()
    down = images.diff(dim=-2, append=images[..., -1:, :]).abs()
    return (across + down).sum(dim=1)


def centre(model, images, targets, ids):
    """A Gaussian on the centre."""
    del model, targets, ids
    height, width = images.shape[-2:]
    y, x = ((torch.arange(side) + 0.5) / side - 0.5 for side in (height, width))
    gauss = torch.exp(-(y[:, None] ** 2 + x[None] ** 2) / (2 * 0.25**2))
    return gauss.expand(len(images), -1, -1)


def upsampled(cells, side=64):
    """Maps ``(B, side, side)`` of cells ``(B, h, w)``, as those of CAMs are enlarged."""
    return torch.nn.functional.interpolate(cells[:, None], size=(side, side), mode="bilinear")[:, 0]
