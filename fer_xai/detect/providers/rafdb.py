"""The providers ``rafdb5`` and ``rafdb37``: RAF-DB's own points, which are too few."""

from __future__ import annotations

from fer_xai.detect.provider import PROVIDERS, Found, TableProvider
from fer_xai.errors import InputError
from fer_xai.types import Faces


class RafdbPoints(TableProvider):
    """RAF-DB's own points, refused where 68 are needed.

    Three of the five manual ones, the tip of the nose and the corners of the mouth, are iBUG's
    points 30, 48 and 54; the centres of the eyes are none of the 68. The 37 automatic
    ones have other places. Both were measured on the original photographs, not on the aligned
    faces.

    Parameters
    ----------
    count
        5 or 37.
    kind
        How RAF-DB made them.

    Examples
    --------
    >>> PROVIDERS["rafdb5"].count
    5
    """

    version = "1"

    def __init__(self, count: int, kind: str) -> None:
        self.name, self.count, self.kind = f"rafdb{count}", count, kind

    def with_option(self, option: str) -> RafdbPoints:
        """The same, wherever the points lie."""
        del option
        return self

    def look_up(self, faces: Faces) -> Found:
        """No points.

        Raises
        ------
        InputError
            Always: regions and action units need all 68.
        """
        exact = (
            "of which the nose's tip and the mouth's corners alone are points of iBUG-68"
            if self.count == 5
            else "whose places are not those of iBUG-68"
        )
        raise InputError(
            f"Expected 68 points for {faces.name}, but RAF-DB brings {self.count} {self.kind} ones "
            f"of the original photographs, {exact}: use the provider builtin, or csv with a file "
            "of 68 points."
        )


PROVIDERS.register("rafdb5")(RafdbPoints(5, "manual"))
PROVIDERS.register("rafdb37")(RafdbPoints(37, "automatic"))
