"""``explain``: maps of a model for some images, by method name."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from fer_xai.attributions.controls import CONTROLS, ControlInputs, control_maps
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.attributions.core.resizing import upsample
from fer_xai.attributions.raw_maps import attribute, names_of, no_method
from fer_xai.attributions.targets import (
    ExplainedTargets,
    Targets,
    canonical_targets,
    explained_targets,
)
from fer_xai.checks import check_images
from fer_xai.errors import InputError, MapWarning, UnknownNameError
from fer_xai.inference.kept import predictor_of
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.progress import Told, counted
from fer_xai.registry import Registry
from fer_xai.scores import Output
from fer_xai.types import LARGEST_GAP, Explanation, Faces
from fer_xai.types.reading import AT_ONCE

MATCHED_TO = "gradcam"
"""The method whose resolution and maps the controls take."""
INVERSE = "inverse:"
"""Prefix of a method's name: its map with the sign turned over."""


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
    progress: Told = True,
) -> Explanation:
    """Attribution maps of images, in batches, with the model left as it was.

    Parameters
    ----------
    model
        A model, or a predictor of one (which fixes device, precision and batch size).
    images
        ``(B, 3, H, W)`` in [0, 1], or faces, of which a few batches at a time are in memory (their
        maps all are: of a large set explain parts, as in ``faces[:300]``). Controls that take the
        maps of other faces tell emotions by the labels of faces, and of a tensor by its targets.
    method
        A name of :data:`ATTRIBUTIONS`, of :data:`CONTROLS` (matched to Grad-CAM), either with
        ``"inverse:"`` before it for the map turned over, or an attribution with options of its own,
        such as ``IntegratedGradientsTo(baseline="blur", steps=64)``. The result names it by its
        class, or by the registered name of an equal one.
    targets
        What is explained: ``(B,)`` canonical emotion indices (not output columns) or names, the
        name of one emotion for all, or None for each image's predicted emotion.
    against
        Emotions that the targets are contrasted with, given likewise: the difference of the two
        numbers is explained, as for ``targets="happiness", against="surprise"``. Where both are
        the same for a face its map is undefined (NaN), and a warning counts such faces.
    output
        The number of an emotion that is explained: ``logit``, ``log_probability`` or
        ``probability``.
    regions
        Bool ``(B, R, H, W)``, for methods over regions: parts that cover each image once
        (:func:`fer_xai.landmarks.face_regions`). A face without any region has maps of NaN.
    ids
        Names of the images, which seed (with ``seed``) what is random about each: by default the
        ids of the faces, or positions. A name that comes several times gives copies of one image
        the same random numbers; metrics refuse such names.
    seed
        Seed of random methods.
    progress
        Whether a bar shows the progress of long calls on a terminal; or a function that is called
        with the number of images done after each batch.

    Returns
    -------
    Explanation
        Maps at image resolution.

    Warns
    -----
    MapWarning
        Where maps miss what they should add up to by more than the method's tolerance, and where
        they are undefined.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown method, emotion or output, targets of the wrong length or foreign to the
        model, images that are not finite, in [0, 1] and ``(B, 3, H, W)``, faces that are not square
        or of several sizes, or whose maps can take more than 4 GiB, regions that overlap or
        leave pixels out, a layer without feature maps, a network without rules for the method.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> result = explain(model, torch.rand(2, 3, 8, 8), targets="fear")
    >>> result.maps.shape, result.targets, result.params["layer"]
    (torch.Size([2, 8, 8]), tensor([5, 5]), '1')
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
        size = (images.side, images.side)
        _check_room_for_maps(images)
    else:
        images = check_images(images).detach()
        size = (images.shape[-2], images.shape[-1])
    attribution.check(size)
    predictor = (
        model if isinstance(model, Predictor) else predictor_of(model, device=str(model.device))
    )

    with (
        counted("images explained", len(images), progress) as done,
        predictor.turn(),  # layers are looked at between the loops
    ):

        def decided(logits: Tensor | None = None) -> ExplainedTargets:
            chosen = explained_targets(
                predictor.model, len(images), targets=targets, against=against, logits=logits
            )
            if name.startswith("other_face") and labels is None:
                _check_two_emotions(name, chosen.targets)
            return chosen

        chosen = None if targets is None else decided()
        opposed = None  # known before the predicted emotion is
        if against is not None:
            opposed = canonical_targets(against, len(images), what="against")
            opposed = predictor.model.columns(opposed)[:, None]
        made = attribute(
            predictor,
            images,
            None if chosen is None else chosen.columns,
            method=attribution,
            size=size[0],
            against=opposed,
            output=output,
            regions=regions,
            ids=ids,
            seed=seed,
            done=done,
        )
        logits = made.logits
        if logits is None or not (chosen is None or attribution.gives_logits(predictor)):
            logits = predictor.logits(images, size=size[0])
        if chosen is None:
            chosen = decided(logits)
        if chosen.against is not None:
            _warn_of_contrasts(chosen.targets, chosen.against, given=targets is not None)
        cells, gap = made.cells, made.completeness_gap
        if not control:
            _warn_of_gaps(made, name, attribution, predictor.name)
        if control:
            setting = ControlInputs(
                maps=cells,
                labels=chosen.targets if labels is None else labels,
                ids=names_of(ids, len(images)),
                pixels=images.sliced(size[0])
                if isinstance(images, Faces)
                else (images * 255).round().to(torch.uint8).cpu(),
                seed=seed,
            )
            cells = control_maps(name, setting)
        params = dict(attribution.params(predictor))
        if control:
            params = {"matched_to": MATCHED_TO, "layer": params["layer"]}
        if control or attribution.seeded:
            params["seed"] = seed
        return Explanation(
            maps=sign * upsample(cells, size=size)[:, 0],
            targets=chosen.targets,
            logits=logits,
            emotions=predictor.emotions,
            method=(INVERSE if sign < 0 else "") + name,
            params=params | {"output": output},
            against=chosen.against,
            channels=None if control or made.channels is None else sign * made.channels[:, 0],
            completeness_gap=None if control or gap is None else sign * gap[:, 0],
            values=None if control or made.values is None else sign * made.values[:, 0],
            ids=None if ids is None else tuple(names_of(ids, len(images))),
        )


@contextmanager
def counting_maps() -> Iterator[None]:
    """Within it (or in what it decorates) ``explain`` does not warn of maps: the caller counts.

    Examples
    --------
    >>> with counting_maps():
    ...     warnings.warn("1 of 8 maps is undefined", MapWarning)
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MapWarning)
        yield


def _check_room_for_maps(faces: Faces) -> None:
    """Refuse faces whose maps do not fit in memory: some have a value a channel and pixel."""
    needed = 4 * 3 * faces.side**2 * len(faces)
    if needed > AT_ONCE:
        raise InputError(
            f"Expected at most {AT_ONCE / 2**30:.0f} GiB of maps at once, but those of "
            f"{len(faces):,} faces of {faces.name} at {faces.side}×{faces.side} pixels can take "
            f"{needed / 2**30:.1f} GiB: explain fewer of them at a time, as in faces[:300]."
        )


def _check_two_emotions(name: str, targets: Tensor) -> None:
    """Refuse targets that are all the same for controls that tell emotions by them."""
    if len(targets.unique()) < 2:
        raise InputError(
            f"Expected images of two emotions or more for {name}, got targets that are all the "
            "same: hand in Faces, whose labels say which emotion each shows."
        )


def _warn_of_contrasts(chosen: Tensor, opposed: Tensor, *, given: bool) -> None:
    """Warn of faces whose target is contrasted with itself."""
    same = int((chosen == opposed).sum())
    if same:
        how = (
            "have the target that they are contrasted with"
            if given
            else "are predicted as the emotion that they are contrasted with"
        )
        warnings.warn(
            f"{same} of {len(chosen)} faces {how}: such a contrast is zero whatever the face, and "
            "their maps are undefined (NaN).",
            MapWarning,
            stacklevel=3,
        )


def _warn_of_gaps(made: Maps, name: str, attribution: Attribution, model: str) -> None:
    """Warn of maps that do not add up to what the method promises; maps that are undefined for
    another reason are not counted.
    """
    if made.completeness_gap is None:
        return
    off = made.completeness_gap[:, 0].abs()[torch.isfinite(made.cells[:, 0]).all(dim=2).all(dim=1)]
    outside, undefined = (
        int((~(off <= room)).sum()) for room in (attribution.tolerance, LARGEST_GAP)
    )
    if outside:
        # where the expected sum is close to zero, any share of it can be missing
        worst = f"{float(off.max()):.1%}" if float(off.max()) <= 1 else "more than 100%"
        rest = f" {undefined} are undefined in metrics, being off by more than {LARGEST_GAP:.0%}."
        warnings.warn(
            f"{name} of {model}: {outside} of {len(made.cells)} maps miss what they should add up "
            f"to ({attribution.law or 'its law'}) by more than the method's tolerance of "
            f"{attribution.tolerance:.0%}, the worst by {worst}."
            f"{rest if undefined else ''}",
            MapWarning,
            stacklevel=3,
        )


def _method(method: str | Attribution) -> tuple[str, Attribution, bool, int]:
    """A method's name, the attribution that makes its maps, whether a control is made of them, and
    the sign.
    """
    if isinstance(method, Attribution):
        known = ATTRIBUTIONS.names_of(method)
        return (known or [type(method).__name__])[0], method, False, 1
    if not isinstance(method, str):
        raise no_method(method)
    name = method.removeprefix(INVERSE)
    control = name in CONTROLS and name not in ATTRIBUTIONS
    if not control and name not in ATTRIBUTIONS:
        both: Registry[None] = Registry("method", dict.fromkeys([*ATTRIBUTIONS, *CONTROLS], ""))
        raise UnknownNameError(both.unknown(name))
    made_by = ATTRIBUTIONS[MATCHED_TO if control else name]
    return name, made_by, control, -1 if name != method else 1
