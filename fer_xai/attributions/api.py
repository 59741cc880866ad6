"""``explain``: maps of a model for some images, by method name."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import index
from typing import Any, SupportsIndex, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fer_xai.attributions.controls import CONTROLS, Setting, control_maps
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps, Question
from fer_xai.attributions.core.resizing import upsample
from fer_xai.checks import check_images, check_length
from fer_xai.emotions import emotion_index
from fer_xai.errors import InputError, MapWarning, UnknownNameError
from fer_xai.inference.kept import predictor_of
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.registry import Registry
from fer_xai.scores import OUTPUTS, Output
from fer_xai.types import LARGEST_GAP, Explanation, Faces

Targets = Tensor | NDArray[Any] | Sequence[int] | Sequence[str] | str
MATCHED_TO = "gradcam"
"""Whose resolution and maps the controls have."""
INVERSE = "inverse:"
"""Before a method's name: its map with the sign turned over."""


def explain(
    model: FERModel | Predictor,
    images: Tensor | Faces,
    *,
    method: str | Attribution = "gradcam",
    targets: Targets | None = None,
    against: Targets | None = None,
    output: Output = "logit",
    regions: Tensor | None = None,
    ids: Sequence[object] | None = None,
    seed: int = 0,
) -> Explanation:
    """Attribution maps of images, in batches, with the model left as it was.

    Parameters
    ----------
    model
        A model, or a predictor of one (which fixes device, precision and batch size).
    images
        ``(B, 3, H, W)`` in [0, 1], or faces. Controls that take the maps of other faces tell
        emotions by the labels of faces, and of a tensor by its targets.
    method
        A name of :data:`ATTRIBUTIONS`, of :data:`CONTROLS` (matched to Grad-CAM), either with
        ``"inverse:"`` before it for the map turned over, or an attribution with options of its own,
        such as ``IntegratedGradientsTo(baseline="blur", steps=64)``, which the result names after
        its class where none of those with a name is the same.
    targets
        What is explained: ``(B,)`` canonical emotion indices (not output columns) or names, the
        name of one emotion for all, or None for each image's predicted emotion.
    against
        Emotions that the targets are held against, given likewise: the contrast of the two numbers
        is explained, as for ``targets="happiness", against="surprise"``. Where both are the same
        for a face (it is predicted as what it is held against) its map is undefined, NaN, and a
        warning counts such faces.
    output
        The number of an emotion that is explained: ``logit``, ``log_probability`` or
        ``probability``.
    regions
        Bool ``(B, R, H, W)``, for methods over regions: parts that cover each image once
        (:func:`fer_xai.landmarks.face_regions`). A face without any has maps of NaN.
    ids
        Names of the images, from which (with the seed) each draws what is random about it: those
        of the faces, or positions.
    seed
        Of random methods.

    Returns
    -------
    Explanation
        Maps at image resolution.

    Warns
    -----
    MapWarning
        Where maps do not add up to what the method promises, beyond its tolerance, and where they
        are undefined.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown method, emotion or output, targets of the wrong length or foreign to the
        model, images that are not finite, in [0, 1] and ``(B, 3, H, W)``, regions that overlap or
        leave pixels out, a layer without feature maps, a network without rules for the method.

    Examples
    --------
    >>> from fer_xai import load_model
    >>> result = explain(load_model("gimefive"), torch.rand(2, 3, 64, 64), targets="fear")
    >>> result.maps.shape, result.targets, result.params["layer"]
    (torch.Size([2, 64, 64]), tensor([5, 5]), 'relu5')
    """
    if not isinstance(model, FERModel | Predictor):
        raise InputError(
            f"Expected a FERModel or a Predictor of one, got {type(model).__name__}: wrap the "
            "network as FERModel(net, emotions=…, size=…, cam_layer=…)."
        )
    name, attribution, control, sign = _method(method)
    labels = None
    if isinstance(images, Faces):
        ids, labels = images.ids if ids is None else ids, images.labels
        images = images.images
    images = check_images(images).detach()
    attribution.check((images.shape[-2], images.shape[-1]))
    predictor = (
        model if isinstance(model, Predictor) else predictor_of(model, device=str(model.device))
    )
    logits = predictor.logits(images)
    if targets is None:
        chosen = predictor.model.canonical(logits.argmax(dim=1))
    else:
        chosen = canonical_targets(targets, len(images), what="targets")
    if name.startswith("other_face") and labels is None and len(chosen.unique()) < 2:
        raise InputError(
            f"Expected images of two emotions or more for {name}, got targets that are all the "
            "same: hand in Faces, whose labels say which emotion each shows."
        )
    opposed = None if against is None else canonical_targets(against, len(images), what="against")
    if opposed is not None and len(chosen) and bool((opposed == chosen).all()):
        raise InputError(
            "Expected emotions other than the targets to hold these against, got the same for "
            "every image: such a contrast is zero."
        )
    made = attribute(
        predictor,
        images,
        predictor.model.columns(chosen)[:, None],
        method=attribution,
        against=None if opposed is None else predictor.model.columns(opposed)[:, None],
        output=output,
        regions=regions,
        ids=ids,
        seed=seed,
    )
    cells, gap = made.cells, made.completeness_gap
    if opposed is not None:
        _warn_of_contrasts(chosen, opposed, given=targets is not None)
    if not control:
        _warn_of_gaps(made, name, attribution, predictor.name)
    if control:
        setting = Setting(
            maps=cells,
            labels=chosen if labels is None else labels,
            ids=_names(ids, len(images)),
            pixels=(images * 255).round().to(torch.uint8).cpu(),
            seed=seed,
        )
        cells = control_maps(name, setting)
    size = tuple(images.shape[-2:])
    params = dict(attribution.params(predictor))
    if control:
        params = {"matched_to": MATCHED_TO, "layer": params["layer"]}
    if control or attribution.seeded:
        params["seed"] = seed
    return Explanation(
        maps=sign * upsample(cells, size=size)[:, 0],
        targets=chosen,
        logits=logits,
        emotions=predictor.emotions,
        method=(INVERSE if sign < 0 else "") + name,
        params=params | {"output": output},
        against=opposed,
        channels=None if control or made.channels is None else sign * made.channels[:, 0],
        completeness_gap=None if control or gap is None else sign * gap[:, 0],
        values=None if control or made.values is None else sign * made.values[:, 0],
        ids=None if ids is None else tuple(_names(ids, len(images))),
    )


@contextmanager
def counting_maps() -> Iterator[None]:
    """Within it (or in what it decorates) ``explain`` does not warn of maps: the caller counts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MapWarning)
        yield


def _warn_of_contrasts(chosen: Tensor, opposed: Tensor, *, given: bool) -> None:
    """Faces whose target is held against itself have no contrast."""
    same = int((chosen == opposed).sum())
    if same:
        how = (
            "have the target that they are held against"
            if given
            else ("are predicted as the emotion that they are held against")
        )
        warnings.warn(
            f"{same} of {len(chosen)} faces {how}: such a contrast is zero whatever the face, and "
            "their maps are undefined (NaN).",
            MapWarning,
            stacklevel=3,
        )


def _warn_of_gaps(made: Maps, name: str, attribution: Attribution, model: str) -> None:
    """Maps that do not add up to what the method promises are counted, those that are undefined
    for another reason aside.
    """
    if made.completeness_gap is None:
        return
    off = made.completeness_gap[:, 0].abs()[torch.isfinite(made.cells[:, 0]).all(dim=2).all(dim=1)]
    beyond, undefined = (
        int((~(off <= room)).sum()) for room in (attribution.tolerance, LARGEST_GAP)
    )
    if beyond:
        # of a difference that is all but zero a gap can be any share
        worst = f"{float(off.max()):.1%}" if float(off.max()) <= 1 else "more than 100%"
        rest = f" {undefined} are undefined in metrics, being off by more than {LARGEST_GAP:.0%}."
        warnings.warn(
            f"{name} of {model}: {beyond} of {len(made.cells)} maps miss what they should add up "
            f"to ({attribution.law or 'its law'}) by more than the method's tolerance of "
            f"{attribution.tolerance:.0%}, the worst by {worst}."
            f"{rest if undefined else ''}",
            MapWarning,
            stacklevel=3,
        )


def _method(method: str | Attribution) -> tuple[str, Attribution, bool, int]:
    """Name, what makes the maps, whether a control is made of them, and the sign."""
    if isinstance(method, Attribution):
        known = [name for name in ATTRIBUTIONS if ATTRIBUTIONS[name] == method]
        return (known or [type(method).__name__])[0], method, False, 1
    if not isinstance(method, str):
        raise _no_method(method)
    name = method.removeprefix(INVERSE)
    control = name in CONTROLS and name not in ATTRIBUTIONS
    if not control and name not in ATTRIBUTIONS:
        both: Registry[None] = Registry("method", dict.fromkeys([*ATTRIBUTIONS, *CONTROLS], ""))
        raise UnknownNameError(both.unknown(name))
    made_by = ATTRIBUTIONS[MATCHED_TO if control else name]
    return name, made_by, control, -1 if name != method else 1


def _no_method(got: object) -> InputError:
    return InputError(
        f"Expected method as a name or an attribution with its options, got {got!r}: write "
        "'gradcam' or GradCam(layer='relu3')."
    )


def canonical_targets(targets: Targets, n: int, *, what: str) -> Tensor:
    """Canonical emotion indices ``(n,)`` of emotions given by name or index, one or one an image.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown emotion, or a number of them that does not fit.
    """
    if isinstance(targets, str):
        return torch.full((n,), emotion_index(targets))
    listed = targets.tolist() if isinstance(targets, Tensor | np.ndarray) else targets
    if not isinstance(listed, Sequence):
        raise InputError(f"Expected {what} as one emotion's name or one an image, got {targets!r}.")
    check_length(what, len(listed), n)
    try:
        chosen = [emotion_index(t) if isinstance(t, str) else _whole(t) for t in listed]
    except TypeError:
        raise InputError(
            f"Expected {what} as emotions' names or whole numbers, one an image, got {targets!r}."
        ) from None
    return torch.tensor(chosen, dtype=torch.int64)


def _whole(number: object) -> int:
    """A whole number that is no truth value: True would be taken for emotion 1."""
    if isinstance(number, bool | np.bool_):
        raise TypeError
    return index(cast(SupportsIndex, number))


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
        raise _no_method(method)
    attribution.check((images.shape[-2], images.shape[-1]))
    n = len(images)
    if output not in OUTPUTS:
        raise InputError(f"Expected output {', '.join(OUTPUTS)}, got {output!r}.")
    _check_columns("columns", columns, n, None, predictor)
    if against is not None:
        _check_columns("against", against, n, columns.shape[1], predictor)
    _check_regions(regions, attribution, images)
    keys = _names(ids, n)

    def answered(view: Predictor, rows: slice) -> Maps:
        with torch.inference_mode(mode=False):  # a caller's would forbid gradients
            question = Question(
                images=view.to_device(images[rows].detach().clone()),
                columns=columns[rows].clone().to(view.device),
                against=None if against is None else against[rows].clone().to(view.device),
                output=output,
                keys=tuple(keys[rows]),
                seed=seed,
                regions=None if regions is None else regions[rows].to(view.device),
            )
            return attribution.maps(view, question)

    parts = predictor.each(n, answered, side_by_side=not attribution.rewrites)
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


def _names(ids: Sequence[object] | None, n: int) -> list[str]:
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
