"""What is said of a map: areas in words, and the sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

PLACES: dict[str, str] = {
    "forehead": "the forehead",
    "inner_forehead": "the middle of the forehead",
    "outer_forehead": "the sides of the forehead",
    "inner_brows": "the inner brows",
    "outer_brows": "the outer brows",
    "glabella": "the skin between the brows",
    "eyes": "the eyes",
    "upper_lids": "the upper lids",
    "lower_lids": "the lower lids",
    "crows_feet": "the outer corners of the eyes",
    "nose_root": "the root of the nose",
    "nose": "the nose",
    "nose_sides": "the sides of the nose",
    "cheeks": "the cheeks",
    "upper_cheeks": "the upper cheeks",
    "lower_cheeks": "the cheeks beside the mouth",
    "nasolabial": "the folds from nose to mouth",
    "mouth": "the mouth",
    "mouth_corners": "the corners of the mouth",
    "upper_lip": "the upper lip",
    "lower_lip": "the lower lip",
    "below_corners": "the skin below the corners of the mouth",
    "chin": "the chin",
    "jaw": "the jaw",
    "off_face": "what is off the face",
}
"""Areas of the face in words, in the order of :data:`fer_xai.landmarks.AREAS`."""
OTHERS = 19
"""Patches elsewhere, each of which covering an area has to cost more than: one in 20 by chance."""


@dataclass(frozen=True, kw_only=True)
class AreaShare:
    """An area in which a map lies, beside its floors.

    Attributes
    ----------
    area
        Name of :data:`fer_xai.landmarks.AREAS`.
    units
        Action units that show there, of the explained emotion's code in EMFACS.
    share
        Share of the map's positive values that lie in it.
    by_area
        Share of the image that it covers, which a uniform map would have.
    by_centre
        Share of a map that is bright in the image's centre.
    by_average
        Share of the mean of other faces' maps; NaN without one.
    cost
        Probability of the explained emotion that covering it takes away; NaN without a model.
    cost_elsewhere
        The most that a patch as large takes away elsewhere on the face; NaN without a model.

    Examples
    --------
    >>> found = AreaShare(area="eyes", units=(), share=0.4, by_area=0.1, by_centre=0.2)
    >>> found.floor
    0.2
    """

    area: str
    units: tuple[str, ...]
    share: float
    by_area: float
    by_centre: float
    by_average: float = math.nan
    cost: float = math.nan
    cost_elsewhere: float = math.nan

    @property
    def floor(self) -> float:
        """The largest of the shares that are chance's."""
        known = (self.by_area, self.by_centre, self.by_average)
        return max(value for value in known if not math.isnan(value))


@dataclass(frozen=True, kw_only=True)
class Description:
    """A face's map in words.

    Attributes
    ----------
    text
        One or two sentences.
    areas
        The areas that are spoken of; empty where nothing stands out, or nothing can be said.

    Examples
    --------
    >>> str(Description(text="The map for fear is zero everywhere.", areas=()))
    'The map for fear is zero everywhere.'
    """

    text: str
    areas: tuple[AreaShare, ...]

    def __str__(self) -> str:
        return self.text


def sentence(found: AreaShare, name: str, target: str, *, first: bool) -> str:
    """The sentence about an area.

    Parameters
    ----------
    found
        What was measured.
    name
        What the map is called, such as ``the map for fear``.
    target
        The explained emotion.
    first
        Whether it is the face's first sentence, which names the map.

    Examples
    --------
    >>> eyes = AreaShare(area="eyes", units=(), share=0.4, by_area=0.1, by_centre=0.2)
    >>> sentence(eyes, "the map for fear", "fear", first=True)
    '40 % of the map for fear lies on the eyes, where 10 % would by area and 20 % of a map in ...'
    """
    place = PLACES[found.area]
    book = ""
    if found.units:
        book = f" (where EMFACS has {' and '.join(found.units)} for {target})"
    floor = ("the average map", found.by_average)
    if not found.by_average >= found.by_centre:
        floor = ("a map in the centre", found.by_centre)
    text = f"{_percent(found.share)} of {name} lies on {place}{book}, where "
    if not first:
        text = f"{_percent(found.share)} lies on {place}{book}, where "
    text += f"{_percent(found.by_area)} would by area and {_percent(floor[1])} of {floor[0]} does"
    if math.isfinite(found.cost):
        text += (
            f"; covering {'it' if found.area in _SINGLE else 'them'} costs {_score(found.cost)} of "
            f"the probability, more than each of {OTHERS} patches as large elsewhere on the face "
            f"(at most {_score(found.cost_elsewhere)})"
        )
    return f"{text}."


_SINGLE = (
    *("forehead", "inner_forehead", "glabella", "nose_root", "nose", "mouth", "upper_lip"),
    *("lower_lip", "below_corners", "chin", "jaw", "off_face"),
)
"""Areas that are spoken of as one."""


def nothing(
    name: str, gain: float, failed: Mapping[str, tuple[float, float] | None], *, with_average: bool
) -> str:
    """The sentence about a map of which no area passes.

    Parameters
    ----------
    name
        What the map is called.
    gain
        How many times as much as its floors an area would have to hold.
    failed
        What covering costs, and covering elsewhere at most, by the name of each area that holds as
        much and costs too little: see :func:`fer_xai.describe.floors.costs`.
    with_average
        Whether an average map was known.

    Examples
    --------
    >>> nothing("the map for fear", 1.5, {}, with_average=True)[:60]
    'No area of the face stands out in the map for fear: none hol'
    >>> nothing("the map for fear", 1.5, {"nose": (-0.1, 0.2)}, with_average=True)[-60:]
    'uch of it lies on the nose, but covering that costs nothing.'
    """
    if failed:
        places: dict[str, list[str]] = {}
        for area, found in failed.items():
            places.setdefault(_too_little(found), []).append(PLACES[area])
        said = [f"on {' or '.join(where)}, but {why}" for why, where in places.items()]
        return f"No area of the face stands out in {name}: much of it lies {', and '.join(said)}."
    floors = ("by area", "in the average map", "in a map of the centre")
    named = floors if with_average else (floors[0], floors[2])
    return (
        f"No area of the face stands out in {name}: none holds a tenth of it and {gain:g} times "
        f"what it would {', '.join(named[:-1])} and {named[-1]}."
    )


def _too_little(found: tuple[float, float] | None) -> str:
    """Why what covering an area costs, and covering elsewhere at most, is not enough."""
    if found is None:
        return (
            "what covering that costs has nothing to be compared with, since the rest of the face "
            "has fewer pixels"
        )
    if any(math.isnan(value) for value in found):
        return "what covering that costs is not a number"
    if found[0] <= 0:
        return "covering that costs nothing"
    return "covering that costs no more than covering some patch as large elsewhere on the face"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _score(value: float) -> str:
    """A probability without its leading zero."""
    return f"{value:.2f}".replace("0.", ".", 1).replace("-", "−")
