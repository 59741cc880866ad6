"""Maps at a method's own resolution, for any number of faces and several targets a face."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from fer_xai.attributions.core.registry import (
    ATTRIBUTIONS,
    OUTPUTS,
    Attribution,
    Maps,
    Output,
    Question,
)
from fer_xai.checks import check_length
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor


def no_method(got: object) -> InputError:
    """The refusal of what is neither a method's name nor an attribution."""
    return InputError(
        f"Expected method as a name or an attribution with its options, got {got!r}: write "
        "'gradcam' or GradCam(layer='relu3')."
    )


def attribute(
    predictor: Predictor,
    images: Tensor,
    columns: Tensor,
    *,
    method: str | Attribution,
    against: Tensor | None = None,
    output: Output = "logit",
    regions: Tensor | None = None,
    ids: Sequence[object] | None = None,
    seed: int = 0,
) -> Maps:
    """What a method answers for K targets a face, on the CPU, in micro-batches.

    Parameters
    ----------
    predictor
        The model.
    images
        ``(N, 3, H, W)`` float in [0, 1] or uint8.
    columns, against
        ``(N, K)`` output columns.
    method
        A name of :data:`ATTRIBUTIONS`, or an attribution.
    output, regions, ids, seed
        As in :func:`explain`; nothing is warned of here.

    Raises
    ------
    UnknownNameError, InputError
        For what :func:`explain` refuses, and columns that are none of the model's or not one row
        an image.
    """
    attribution = ATTRIBUTIONS[method] if isinstance(method, str) else method
    if not isinstance(attribution, Attribution):
        raise no_method(method)
    attribution.check((images.shape[-2], images.shape[-1]))
    n = len(images)
    if output not in OUTPUTS:
        raise InputError(f"Expected output {', '.join(OUTPUTS)}, got {output!r}.")
    _check_columns("columns", columns, n, None, predictor)
    if against is not None:
        _check_columns("against", against, n, columns.shape[1], predictor)
    _check_regions(regions, attribution, images)
    keys = names_of(ids, n)
    step, parts = predictor.batch_size_for(n), []
    for start in range(0, n, step):
        rows = slice(start, start + step)
        with torch.inference_mode(mode=False):  # a caller's would forbid gradients
            question = Question(
                images=predictor.to_device(images[rows].detach().clone()),
                columns=columns[rows].clone().to(predictor.device),
                against=None if against is None else against[rows].clone().to(predictor.device),
                output=output,
                keys=tuple(keys[rows]),
                seed=seed,
                regions=None if regions is None else regions[rows].to(predictor.device),
            )
            parts.append(attribution.maps(predictor, question))
    if not parts:
        return Maps(cells=torch.zeros(0, columns.shape[1], 1, 1))

    alike = torch.zeros_like(columns, dtype=torch.bool)
    if against is not None:
        alike = (columns == against).cpu()  # held against itself: undefined

    def joined(field: str) -> Tensor | None:
        found = [getattr(part, field) for part in parts]
        if found[0] is None:
            return None
        most = max(part.shape[-1] for part in found)  # superpixels: not as many in every batch
        whole = torch.cat(
            [F.pad(part.cpu(), (0, most - part.shape[-1]), value=torch.nan) for part in found]
        )
        whole[alike] = torch.nan
        return whole

    cells = joined("cells")
    assert cells is not None
    return Maps(
        cells=cells,
        channels=joined("channels"),
        gap=joined("gap"),
        whole=joined("whole"),
        values=joined("values"),
    )


def native_maps(
    predictor: Predictor, images: Tensor, columns: Tensor, *, method: str, seed: int = 0
) -> Tensor:
    """Maps ``(N, K, h, w)`` at the method's own resolution: :func:`attribute`'s ``cells``, with NaN
    throughout where they are undefined (:attr:`Maps.undefined`).
    """
    return attribute(predictor, images, columns, method=method, seed=seed).defined_cells


def names_of(ids: Sequence[object] | None, n: int) -> list[str]:
    """What images are called: by position where nothing is said."""
    names = [str(name) for name in (range(n) if ids is None else ids)]
    check_length("ids", len(names), n)
    return names


def _check_columns(
    what: str, columns: Tensor, n: int, targets: int | None, predictor: Predictor
) -> None:
    """Output columns of the model, a row an image and as many in each as there are targets."""
    fits = isinstance(columns, Tensor) and columns.dtype == torch.int64 and columns.ndim == 2
    if not fits or columns.shape[0] != n or targets not in (None, columns.shape[1]):
        got = f"{columns.dtype} {tuple(columns.shape)}" if isinstance(columns, Tensor) else columns
        raise InputError(
            f"Expected {what} as int64 ({n}, {targets or 'K'}), got {got}: hand in a row of output "
            "columns an image."
        )
    low, high = torch.aminmax(columns) if columns.numel() else (0, 0)
    if low < 0 or high >= len(predictor.emotions):
        raise InputError(
            f"Expected {what} in 0–{len(predictor.emotions) - 1}, the outputs of {predictor.name}, "
            f"got values in [{int(low)}, {int(high)}]: FERModel.columns gives those of emotions."
        )


def _check_regions(regions: Tensor | None, attribution: Attribution, images: Tensor) -> None:
    """Regions are there where they are needed, and cover each pixel once or (no face) never."""
    if regions is None:
        if attribution.needs_regions:
            raise InputError(
                "Expected regions (B, R, H, W) for a method over regions, got none: hand in "
                "regions=fer_xai.landmarks.face_regions(faces.landmarks_at(size), size=size)."
            )
        return
    wanted = (len(images), *images.shape[-2:])
    fits = isinstance(regions, Tensor) and regions.dtype == torch.bool and regions.ndim == 4
    if not fits or (regions.shape[0], *regions.shape[2:]) != wanted:
        got = f"{regions.dtype} {tuple(regions.shape)}" if isinstance(regions, Tensor) else regions
        raise InputError(
            f"Expected regions as bool ({wanted[0]}, R, {wanted[1]}, {wanted[2]}), got {got}."
        )
    cover = regions.sum(dim=1)  # (B, H, W)
    bad = ((cover != 1).any(dim=(1, 2)) & (cover != 0).any(dim=(1, 2))).nonzero()[:, 0]
    if len(bad):
        first = cover[bad[0]]
        raise InputError(
            f"Expected regions that cover each pixel once, but in image {int(bad[0])} "
            f"{int((first > 1).sum())} pixels lie in two or more and {int((first == 0).sum())} in "
            "none: add a region for the rest, and let the first that holds a pixel keep it."
        )
