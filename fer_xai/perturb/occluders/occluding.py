"""Faces with something before them: one occluder, or a sweep of occluders and sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_images, check_length, check_number
from fer_xai.draws.streams import streams
from fer_xai.errors import InputError
from fer_xai.landmarks.regions import face_regions
from fer_xai.perturb.fills import Prepared, fill_named
from fer_xai.perturb.occluders.core import Fitted, Occluded, occluder_named
from fer_xai.perturb.occluders.frame import FaceFrame

FILL = "black"
"""Fill of what has no look of its own."""


def occlude(
    images: Tensor,
    points: NDArray[np.floating] | Tensor,
    occluder: str = "sunglasses",
    *,
    share: float | None = None,
    fill: str | None = None,
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Occluded:
    """Faces with an occluder before them, fitted to their landmarks.

    Parameters
    ----------
    images
        ``(B, 3, H, W)`` in [0, 1].
    points
        ``(B, 68, 2)`` iBUG points in pixels x, y of these images; NaN where unknown. A face with an
        unknown point is left as it is and its mask is empty, as is one whose occluder lies outside
        of the image: :attr:`~fer_xai.perturb.occluders.Occluded.covered` says which were covered.
    occluder
        Name of :data:`~fer_xai.perturb.occluders.OCCLUDERS`; ``patch:NAME`` is a random patch that
        hides as much of the face as the occluder NAME.
    share
        Share of the face that is hidden, above 0 and below 1, exact to half a pixel; the
        occluder's own size by default. A mask or a hand becomes smaller or larger as a whole, all
        else at its edge, all around; what lies outside of the face does not count.
    fill
        Name of :data:`fer_xai.perturb.fills.FILLS` that shows in place of what is hidden. By
        default sunglasses, mask and hand are drawn, and all else is black.
    ids
        Names of the faces, each once, which seed random patches and fills; their positions by
        default.
    seed
        Seed of the random generators.

    Returns
    -------
    Occluded
        The images, and bool masks ``(B, H, W)`` of what is hidden; pixels outside are unchanged.

    Raises
    ------
    UnknownNameError
        For an unknown occluder or fill.
    InputError
        If points do not fit the images or are mirrored, or the share is out of range.

    Examples
    --------
    >>> import torch
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> faces, points = torch.full((1, 3, 64, 64), 0.8), canonical_landmarks()[None]
    >>> images, masks = occlude(faces, points, "mouth", fill="mean")
    >>> images.shape, masks.shape, bool(masks[0, 48, 32])
    (torch.Size([1, 3, 64, 64]), torch.Size([1, 64, 64]), True)
    >>> occlude(faces, points * float("nan"), "mouth").covered
    tensor([False])
    """
    _, _, found = next(
        occlusions(images, points, [occluder], shares=[share], fill=fill, ids=ids, seed=seed)
    )
    return found


def occlusions(
    images: Tensor,
    points: NDArray[np.floating] | Tensor,
    occluders: Sequence[str],
    *,
    shares: Sequence[float | None] = (None,),
    fill: str | None = None,
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Iterator[tuple[str, float | None, Occluded]]:
    """A sweep: faces with each of several occluders before them, in several sizes.

    What a size does not change is made once, so that this takes much less time than
    :func:`occlude` for each. Hand in some ten to a hundred faces at a time.

    Parameters
    ----------
    images, points
        As for :func:`occlude`.
    occluders
        Names, as for :func:`occlude`.
    shares
        Shares of the face that are hidden; None is the occluder's own size.
    fill, ids, seed
        As for :func:`occlude`.

    Yields
    ------
    tuple
        Name, share, and the faces with that occluder.

    Raises
    ------
    UnknownNameError, InputError
        As for :func:`occlude`, before anything is made.

    Examples
    --------
    >>> import torch
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> faces, points = torch.full((1, 3, 64, 64), 0.8), canonical_landmarks()[None]
    >>> for name, share, found in occlusions(faces, points, ["upper", "hand"], shares=[0.1, 0.2]):
    ...     print(name, share, int(found.masks.sum() > 200))
    upper 0.1 1
    upper 0.2 1
    hand 0.1 1
    hand 0.2 1
    """
    check_images(images)
    for name in (occluders, shares):
        if isinstance(name, str):
            raise InputError(f"Expected a list of names, got one name: pass [{name!r}].")
    chosen = [occluder_named(name) for name in occluders]
    for share in shares:
        if share is not None:
            check_number("the share of the face", share, 0, 1)
    filling = None if fill is None else fill_named(fill)
    height, width = images.shape[-2:]
    frame = FaceFrame(points, height=height, width=width, ids=ids, seed=seed)
    check_length("sets of landmarks", len(frame), len(images))
    regions = None
    if filling is not None and filling.needs_regions:
        if height != width:
            raise InputError(
                f"Expected square images for the fill {fill!r}, which is made of facial regions, "
                f"got {height} x {width} pixels: choose another fill."
            )
        regions = face_regions(frame.placed, size=height)
    prepared: dict[str, Prepared] = {}

    def filled(name: str) -> Prepared:
        if name not in prepared:
            one = fill_named(name)
            own = streams((seed, face, f"fill {one.kind}") for face in frame.ids)
            prepared[name] = one.prepare(
                images, generators=own if one.random else None, regions=regions
            )
        return prepared[name]

    def sweep() -> Iterator[tuple[str, float | None, Occluded]]:
        for name, occluder in zip(occluders, chosen, strict=True):
            fitted = Fitted(occluder, frame)
            for share in shares:
                sized = fitted.sized(share)
                masks = sized.masks.to(images.device)
                if occluder.drawn and fill is None:
                    found = sized.paint(images)
                else:
                    found = filled(fill or FILL).blend(masks)
                yield name, share, Occluded(found, masks)

    return sweep()
