"""Maps at a method's own resolution, for any number of faces and several targets a face."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F

from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.checks import check_ids, names_of_images
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.scores import OUTPUTS, Output
from fer_xai.types import Faces, Sliced


def no_method(got: object) -> InputError:
    """The refusal of what is neither a method's name nor an attribution.

    Parameters
    ----------
    got
        What was given.

    Examples
    --------
    >>> print(no_method(3))
    Expected method as a name or an attribution with its options, got 3: write 'gradcam' or ...
    """
    return InputError(
        f"Expected method as a name or an attribution with its options, got {got!r}: write "
        "'gradcam' or GradCam(layer='relu3')."
    )


def attribute(
    predictor: Predictor,
    images: Tensor | Faces,
    columns: Tensor | None,
    *,
    method: str | Attribution,
    size: int | None = None,
    against: Tensor | None = None,
    output: Output = "logit",
    regions: Tensor | None = None,
    ids: Sequence[object] | None = None,
    seed: int = 0,
    done: Callable[[int], None] | None = None,
) -> Maps:
    """What a method answers for K targets a face, on the CPU, in micro-batches.

    Parameters
    ----------
    predictor
        The model.
    images
        ``(N, 3, H, W)`` float in [0, 1] or uint8; or faces, which are read meanwhile.
    columns
        ``(N, K)`` int64: output columns to explain, or None for the predicted emotion alone
        (K = 1); the answer has the logits then.
    method
        A name of :data:`ATTRIBUTIONS`, or an attribution.
    size
        Side at which faces are read; the model's by default.
    against
        ``(N, K)`` int64: output columns that are contrasted with those, or None. A map whose
        target is contrasted with itself is undefined (NaN).
    output
        The number of an emotion that is explained: ``logit``, ``log_probability`` or
        ``probability``.
    regions
        Bool ``(N, R, H, W)``, for methods over regions: parts that cover each image once.
    ids
        Names of the images, which seed their random generators; positions by default.
    seed
        Seed of random methods.
    done
        Called with the number of images of each micro-batch.

    Returns
    -------
    Maps
        Maps at the method's own resolution. This function gives no warnings.

    Raises
    ------
    UnknownNameError, InputError
        For what :func:`explain` refuses, and for columns that are not the model's or not one row
        an image.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> used = Predictor(model, device="cpu")
    >>> both = torch.tensor([[0, 1]])  # of one face, both emotions
    >>> attribute(used, torch.rand(1, 3, 8, 8), both, method="saliency").cells.shape
    torch.Size([1, 2, 8, 8])
    """
    attribution = ATTRIBUTIONS[method] if isinstance(method, str) else method
    if not isinstance(attribution, Attribution):
        raise no_method(method)
    n, side = len(images), size or predictor.model.size
    height, width = (side, side) if isinstance(images, Faces) else images.shape[-2:]
    attribution.check((height, width))
    if output not in OUTPUTS:
        raise InputError(f"Expected output {', '.join(OUTPUTS)}, got {output!r}.")
    if columns is not None:
        _check_columns("columns", columns, n, None, predictor)
    if against is not None:
        _check_columns("against", against, n, 1 if columns is None else columns.shape[1], predictor)
    _check_regions(regions, attribution, (n, height, width))
    keys = names_of(ids, n)
    logits = None
    with predictor.turn():  # it may look at layers by passes of its own
        predicted = columns is None and attribution.gives_logits(predictor)
    if columns is None:
        columns = torch.zeros(n, 1, dtype=torch.int64)
        if not predicted:
            logits = predictor.logits(images, size=side)
            columns = logits.argmax(dim=1, keepdim=True)
    asked_of: Tensor = columns

    def answered(view: Predictor, rows: slice) -> Maps:
        with torch.inference_mode(mode=False):  # a caller's would forbid gradients
            question = Question(
                images=view.to_device(pixels[rows].detach().clone()),
                columns=asked_of[rows].clone().to(view.device),
                against=None if against is None else against[rows].clone().to(view.device),
                output=output,
                keys=tuple(keys[rows]),
                seed=seed,
                regions=None if regions is None else regions[rows].to(view.device),
                predicted=predicted,
            )
            return attribution.maps(view, question)

    reading: AbstractContextManager[Sliced] = (
        nullcontext(images)
        if isinstance(images, Tensor)
        else images.stream(side, batch=predictor.batch_size_for(n))
    )
    with reading as pixels:
        parts = predictor.each(n, answered, side_by_side=not attribution.rewrites, done=done)
    if not parts:
        return Maps(cells=torch.zeros(0, columns.shape[1], 1, 1), logits=logits)
    if logits is None:
        logits = _joined([part.logits for part in parts])
    if predicted and logits is None:
        raise InputError(
            f"Expected logits from {type(attribution).__name__}, whose gives_logits says that it "
            "has them, got none: return Maps(logits=…), or override gives_logits."
        )
    if predicted:
        assert logits is not None
        columns = logits.argmax(dim=1, keepdim=True)
    same = None if against is None else columns.cpu() == against.cpu()
    return _together(parts, logits, same)


def _together(parts: Sequence[Maps], logits: Tensor | None, same: Tensor | None) -> Maps:
    """The answers of all micro-batches as one, NaN where ``same`` ``(N, K)`` says that a target is
    contrasted with itself.
    """

    def joined(field: str) -> Tensor | None:
        found = _joined([getattr(part, field) for part in parts])
        if found is not None and same is not None:
            found[same] = torch.nan
        return found

    cells = joined("cells")
    assert cells is not None
    return Maps(
        cells=cells,
        channels=joined("channels"),
        expected_sum=joined("expected_sum"),
        completeness_delta=joined("completeness_delta"),
        values=joined("values"),
        logits=logits,
    )


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Tensors one after the other on the CPU; last axes of several lengths are filled with NaN."""
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return None
    most = max(part.shape[-1] for part in found)  # superpixels: not as many in every batch
    return torch.cat(
        [F.pad(part.cpu(), (0, most - part.shape[-1]), value=torch.nan) for part in found]
    )


def native_maps(
    predictor: Predictor,
    images: Tensor | Faces,
    columns: Tensor,
    *,
    method: str,
    seed: int = 0,
    size: int | None = None,
) -> Tensor:
    """Maps at the method's own resolution, with NaN throughout where they are undefined
    (:attr:`Maps.undefined`).

    Parameters
    ----------
    predictor
        The model.
    images
        ``(N, 3, H, W)`` float in [0, 1] or uint8; or faces, which are read meanwhile.
    columns
        ``(N, K)`` int64: output columns to explain.
    method
        A name of :data:`ATTRIBUTIONS`.
    seed
        Seed of random methods.
    size
        Side at which faces are read; the model's by default.

    Returns
    -------
    Tensor
        ``(N, K, h, w)`` float32.

    Raises
    ------
    UnknownNameError, InputError
        For what :func:`attribute` refuses.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> used, columns = Predictor(model, device="cpu"), torch.tensor([[0], [1], [1]])
    >>> native_maps(used, torch.rand(3, 3, 8, 8), columns, method="gradcam").shape
    torch.Size([3, 1, 2, 2])
    """
    made = attribute(predictor, images, columns, method=method, seed=seed, size=size)
    return made.defined_cells


def names_of(ids: Sequence[object] | None, n: int) -> list[str]:
    """Names of images, which seed what is random in a method.

    Parameters
    ----------
    ids
        The names, or None for their positions. A name may come several times: metrics explain
        changed copies of one face, which draw the same random numbers. Each map is still the one
        that its image and name give alone.
    n
        Number of images.

    Raises
    ------
    InputError
        If they are one text, or there are not ``n`` of them.

    Examples
    --------
    >>> names_of(None, 2), names_of(["a", 7], 2)
    (['0', '1'], ['a', '7'])
    """
    return names_of_images(None, n) if ids is None else check_ids(ids, n, repeated=True)


def _check_columns(
    what: str, columns: Tensor, n: int, targets: int | None, predictor: Predictor
) -> None:
    """Refuse what is not output columns of the model, a row an image with one for each target."""
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


def _check_regions(
    regions: Tensor | None, attribution: Attribution, wanted: tuple[int, int, int]
) -> None:
    """Refuse regions that are missing where they are needed, or do not cover each pixel of an image
    once; an image without any region (no face was found) is let through.
    """
    if regions is None:
        if attribution.asks_for_regions:
            what = (
                "a method over regions"
                if attribution.needs_regions
                else "a fill that is made of them"
            )
            raise InputError(
                f"Expected regions (B, R, H, W) for {what}, got none: hand in "
                "regions=fer_xai.landmarks.face_regions(faces.landmarks_at(size), size=size)."
            )
        return
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
