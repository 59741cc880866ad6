"""``explain``: maps of a model for some images, by method name."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from fer_xai.attributions.controls import CONTROLS, Setting, control_maps
from fer_xai.attributions.registry import ATTRIBUTIONS
from fer_xai.checks import check_images, check_length
from fer_xai.emotions import emotion_index
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.models import FERModel
from fer_xai.probe import Probe
from fer_xai.registry import Registry
from fer_xai.types import Explanation, Faces


def explain(
    model: FERModel | Probe,
    images: Tensor | Faces,
    *,
    method: str = "gradcam",
    targets: Tensor | Sequence[int] | Sequence[str] | str | None = None,
    seed: int = 0,
) -> Explanation:
    """Attribution maps of images, in batches, with the model left as it was.

    Parameters
    ----------
    model
        A model, or a probe of one (which fixes device, precision and batch size).
    images
        ``(B, 3, H, W)`` in [0, 1], or faces.
    method
        A name of :data:`ATTRIBUTIONS`, or of :data:`CONTROLS` (matched to Grad-CAM).
    targets
        What is explained: ``(B,)`` canonical emotion indices (not output columns) or names, the
        name of one emotion for all, or None for each image's predicted emotion.
    seed
        Of random methods; image ``i`` draws from (seed, i).

    Returns
    -------
    Explanation
        Maps at image resolution.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown method or emotion, targets of the wrong length or foreign to the model,
        images that are not finite, in [0, 1] and ``(B, 3, H, W)``.

    Examples
    --------
    >>> from fer_xai import load_model
    >>> result = explain(load_model("gimefive"), torch.rand(2, 3, 64, 64), targets="fear")
    >>> result.maps.shape, result.targets, result.params["layer"]
    (torch.Size([2, 64, 64]), tensor([5, 5]), 'relu5')
    """
    control = method in CONTROLS and method not in ATTRIBUTIONS
    if not control and method not in ATTRIBUTIONS:
        both: Registry[None] = Registry("method", dict.fromkeys([*ATTRIBUTIONS, *CONTROLS], ""))
        raise UnknownNameError(both.unknown(method))
    if not isinstance(model, FERModel | Probe):
        raise InputError(
            f"Expected a FERModel or a Probe of one, got {type(model).__name__}: wrap the network "
            "as FERModel(net, emotions=…, size=…, cam_layer=…)."
        )
    images = images.images if isinstance(images, Faces) else images
    check_images(images)
    probe = model if isinstance(model, Probe) else Probe(model, device=str(model.device))
    logits = probe.logits(images)
    if targets is None:
        chosen = probe.model.canonical(logits.argmax(dim=1))
    elif isinstance(targets, str):
        chosen = torch.full((len(images),), emotion_index(targets))
    else:
        listed = targets.tolist() if isinstance(targets, Tensor) else targets
        if not isinstance(listed, Sequence):
            raise InputError(
                f"Expected targets as one emotion's name or one an image, got {targets!r}."
            )
        chosen = torch.tensor(
            [emotion_index(t) if isinstance(t, str) else int(t) for t in listed], dtype=torch.int64
        )
        check_length("targets", len(chosen), len(images))
    attribution = ATTRIBUTIONS["gradcam" if control else method]
    columns = probe.model.columns(chosen)[:, None]  # (B, 1)
    cells = native_maps(probe, images, columns, method="gradcam" if control else method)
    if control:
        setting = Setting(
            maps=cells,
            labels=chosen,
            ids=[str(index) for index in range(len(images))],
            pixels=(images * 255).round().to(torch.uint8).cpu(),
            seed=seed,
        )
        cells = control_maps(method, setting)
    return Explanation(
        maps=upsample(cells, size=tuple(images.shape[-2:]))[:, 0],
        targets=chosen,
        logits=logits,
        emotions=probe.emotions,
        method=method,
        params={"seed": seed} if control else attribution.params(probe.model),
    )


def native_maps(probe: Probe, images: Tensor, columns: Tensor, *, method: str) -> Tensor:
    """Maps ``(N, K, h, w)`` at the method's own resolution, on the CPU, in micro-batches.

    Parameters
    ----------
    probe
        The model.
    images
        ``(N, 3, H, W)`` float in [0, 1] or uint8.
    columns
        ``(N, K)`` output columns.
    method
        A name of :data:`ATTRIBUTIONS`.
    """
    make, step = ATTRIBUTIONS[method].maps, probe.batch_size_for(len(images))
    parts = [
        make(probe, probe.to_device(images[i : i + step]), columns[i : i + step]).cpu()
        for i in range(0, len(images), step)
    ]
    return torch.cat(parts) if parts else torch.zeros(0, columns.shape[1], 1, 1)


def upsample(cells: Tensor, *, size: tuple[int, ...]) -> Tensor:
    """Maps ``(N, K, h, w)`` at image resolution, bilinear between cell centres."""
    if tuple(cells.shape[-2:]) == tuple(size):
        return cells
    return F.interpolate(cells, size=list(size), mode="bilinear", align_corners=False)
