"""``describe``: where a map lies, in words, and only where it beats its chance floors."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fer_xai.checks import check_count, check_images, check_length, check_number
from fer_xai.describe.floors import costs, floors_of, standing_out, within
from fer_xai.describe.words import AreaShare, Description, nothing, sentence
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.inference.kept import predictor_of
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import AREAS, EMFACS, UNIT_AREAS, check_landmarks, face_areas
from fer_xai.landmarks.points import Points, known_faces
from fer_xai.models import FERModel
from fer_xai.perturb.fills import fill_named
from fer_xai.types import Explanation, Faces


def describe(
    explanation: Explanation,
    points: Points,
    *,
    images: Tensor | Faces | None = None,
    model: FERModel | Predictor | None = None,
    average: Tensor | None = None,
    gain: float = 1.5,
    most: int = 2,
    fill: str = "blur",
    seed: int = 0,
) -> list[Description]:
    """Where each map lies, in areas of action units, where that is more than chance would give.

    An area is spoken of if it holds at least a tenth of the map's positive values, and ``gain``
    times as much of them as each floor gives it: its share of the image, that of a map which is
    bright in the centre, and that of the mean of other faces' maps. With a model, covering it must
    also cost more than covering each of 19 patches as large elsewhere on the face, which happens by
    chance for one area in twenty. An area that leaves fewer pixels of the face than it has itself
    cannot be compared so, and is not spoken of. Sentences say what was measured and no more: a map
    that lies somewhere does not say that the network looks there. Users believe sentences more than
    maps (arXiv 2501.15864), so that nothing is said where no area passes.

    Parameters
    ----------
    explanation
        Maps ``(B, S, S)`` of B faces.
    points
        ``(B, 68, 2)`` iBUG landmarks in pixels x, y of the maps; NaN where unknown.
    images
        The images that were explained, ``(B, 3, S, S)`` in [0, 1], or faces; with a model.
    model
        The network that was explained, or a predictor of it: what covering an area costs is said.
    average
        ``(S, S)`` mean map of other faces, of a larger sample; by default that of the others among
        these, where there are five or more.
    gain
        How many times as much as each floor an area has to hold, 1 or more.
    most
        Largest number of areas, which hardly overlap.
    fill
        Fill (:data:`fer_xai.perturb.fills.FILLS`) of what is covered.
    seed
        Seed of the patches elsewhere and of random fills.

    Returns
    -------
    list of Description
        One for each face; ``str`` of it is the sentence.

    Raises
    ------
    InputError
        If maps, points and images do not fit each other, or an option is out of range.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> points = canonical_landmarks()[None]
    >>> corners = face_areas(points, size=64)[:, AREAS.index("mouth_corners")].float()
    >>> found = Explanation(
    ...     maps=corners, targets=torch.tensor([0]), logits=torch.zeros(1, 2),
    ...     emotions=("happiness", "fear"), method="mine", params={},
    ... )
    >>> print(describe(found, points)[0])
    100 % of the map for happiness lies on the corners of the mouth (where EMFACS has AU12 for
    happiness), where 3 % would by area and 4 % of a map in the centre does.
    """
    check_number("gain", gain, 1, ends=True)
    check_count("most", most)
    maps = explanation.maps.detach().cpu().float()
    n, side = len(maps), maps.shape[-1]
    if maps.shape[-2] != side:
        raise InputError(f"Expected square maps (B, S, S), got {tuple(maps.shape)}.")
    known = check_landmarks(points, size=side)
    check_length("sets of landmarks", len(known), n)
    chosen = fill_named(fill)
    if chosen.needs_regions:
        raise InputError(f"Expected a fill that needs no facial regions, got {fill!r}.")
    shown = _reader(images, explanation) if model is not None else None
    areas = face_areas(known, size=side)  # (B, A, S, S)
    undefined = explanation.undefined.cpu()
    mass = torch.where(undefined[:, None, None], 0, maps).clamp(min=0)
    total = mass.flatten(1).sum(dim=1)
    unit = mass / total.clamp(min=1e-30)[:, None, None]
    floors = floors_of(unit, total > 0, areas, average)
    share = within(unit, areas)
    missing = ~known_faces(known)
    ids = explanation.ids or tuple(str(row) for row in range(n))
    found = []
    for face in range(n):
        name = _named(explanation, face)
        if reason := _reason(explanation, face, missing=bool(missing[face]), total=total):
            found.append(Description(text=f"{reason[0]}{name}{reason[1]}", areas=()))
            continue
        candidates = standing_out(share[face], floors[face], areas[face], gain=gain, most=most)
        target = EMOTIONS[int(explanation.targets[face])]
        passed: list[AreaShare] = []
        failed: dict[str, tuple[float, float] | None] = {}
        for area in candidates:
            lost = (math.nan, math.nan)
            if model is not None and shown is not None:
                tried = costs(
                    predictor_of(model),
                    shown(face),
                    areas[face],
                    area,
                    target=int(explanation.targets[face]),
                    fill=chosen,
                    key=(seed, ids[face]),
                )
                if tried is None or not tried[0] > max(tried[1], 0):
                    failed[AREAS[area]] = tried
                    continue
                lost = tried
            by = [float(value) for value in floors[face, :, area]]
            passed.append(
                AreaShare(
                    area=AREAS[area],
                    units=tuple(u for u in EMFACS.get(target, ()) if AREAS[area] in UNIT_AREAS[u]),
                    share=float(share[face, area]),
                    by_area=by[0],
                    by_centre=by[1],
                    by_average=by[2],
                    cost=lost[0],
                    cost_elsewhere=lost[1],
                )
            )
        text = " ".join(sentence(one, name, target, first=k == 0) for k, one in enumerate(passed))
        found.append(
            Description(
                text=text
                or nothing(
                    name,
                    gain,
                    failed,
                    with_average=bool(torch.isfinite(floors[face, 2]).all()),
                ),
                areas=tuple(passed),
            )
        )
    return found


def _reader(images: Tensor | Faces | None, explanation: Explanation) -> Callable[[int], Tensor]:
    """What gives the image ``(3, S, S)`` of a face, which is read then."""
    if images is None:
        raise InputError("Expected the images that were explained beside a model: pass images=….")
    side = explanation.maps.shape[-1]
    if isinstance(images, Faces):
        if explanation.ids is not None and tuple(images.ids) != explanation.ids:
            raise InputError(
                "Expected the faces that were explained, got others: hand in the same faces in the "
                "same order."
            )
        check_length("images", len(images), len(explanation))
        some = images.sliced(side)
        return lambda face: some[face : face + 1][0].float() / 255
    shown = check_images(images).detach().cpu()
    check_length("images", len(shown), len(explanation))
    if tuple(shown.shape[-2:]) != (side, side):
        raise InputError(
            f"Expected images of the maps' size {side}, got {tuple(shown.shape)}: hand in those "
            "that were explained."
        )
    return lambda face: shown[face]


def _named(explanation: Explanation, face: int) -> str:
    name = f"the map for {EMOTIONS[int(explanation.targets[face])]}"
    if explanation.against is not None:
        name += f" against {EMOTIONS[int(explanation.against[face])]}"
    return name


def _reason(
    explanation: Explanation, face: int, *, missing: bool, total: Tensor
) -> tuple[str, str] | None:
    """Why nothing can be said of a face: words before and after the map's name."""
    if bool(explanation.undefined[face]):
        return "Nothing can be said: ", " is undefined."
    if bool(explanation.blank[face]):
        return "Nothing can be said: ", " is zero everywhere."
    if not float(total[face]) > 0:
        return "Nothing can be said: ", " speaks for it nowhere, since no value is above zero."
    if missing:
        return "Nothing can be said of where ", " lies: landmarks of this face are unknown."
    return None
