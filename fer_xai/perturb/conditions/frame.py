"""The crop: shifted, wider, tighter, turned; beyond the image its border is repeated."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.draws.streams import Streams
from fer_xai.perturb.conditions.core import CONDITIONS, Geometric
from fer_xai.perturb.conditions.moving import turning


def _scaled(scale: float, count: int) -> Tensor:
    one = torch.tensor([[scale, 0.0, 0.0], [0.0, scale, 0.0]])
    return one.expand(count, 2, 3).contiguous()


class Shift(Geometric):
    """A crop beside the face: right, left, up or down, by the face.

    Examples
    --------
    >>> from fer_xai.draws.streams import streams
    >>> found = Shift().matrices(10.0, streams([(0, "a face")]))
    >>> found[0, :, 2].abs().sum()
    tensor(0.2000)
    """

    name, unit, most, severities = "shift", "% of the side", 50.0, (5.0, 10.0, 15.0, 20.0)

    def matrices(self, severity: float, sources: Streams) -> Tensor:
        """Shifts; a face moves to the side that its stream draws."""
        ways = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        way = ways[sources.randint(4)]  # (B, 2)
        whole = torch.eye(2).expand(len(way), 2, 2)
        return torch.cat([whole, (-2 * severity / 100 * way)[..., None]], dim=2)


class Margin(Geometric):
    """A wider crop, in which the face is smaller: so much of the side is added at each edge.

    Examples
    --------
    >>> from fer_xai.draws.streams import streams
    >>> Margin().matrices(25.0, streams([(0, "a face")]))[0, 0, 0]
    tensor(1.5000)
    """

    name, unit, most = "margin", "% of the side added at each edge", 100.0
    severities = (10.0, 20.0, 30.0, 40.0)

    def matrices(self, severity: float, sources: Streams) -> Tensor:
        """Smaller faces."""
        return _scaled(1 + 2 * severity / 100, len(sources))


class Tight(Geometric):
    """A tighter crop, in which the face is larger: so much of the side is cut at each edge.

    Examples
    --------
    >>> from fer_xai.draws.streams import streams
    >>> Tight().matrices(10.0, streams([(0, "a face")]))[0, 0, 0]
    tensor(0.8000)
    """

    name, unit, most = "tight", "% of the side cut at each edge", 45.0
    severities = (5.0, 10.0, 15.0, 20.0)

    def matrices(self, severity: float, sources: Streams) -> Tensor:
        """Larger faces."""
        return _scaled(1 - 2 * severity / 100, len(sources))


class Rotation(Geometric):
    """The face turned in the plane, to the left or to the right by the face.

    Examples
    --------
    >>> from fer_xai.draws.streams import streams
    >>> Rotation().matrices(90.0, streams([(0, "a face")])).round().abs()[0]
    tensor([[0., 1., 0.],
            [1., 0., 0.]])
    """

    name, unit, most, severities = "rotation", "° in the plane", 180.0, (10.0, 20.0, 30.0, 45.0)
    form = "{:g}°"

    def matrices(self, severity: float, sources: Streams) -> Tensor:
        """Turns about the centre of the image."""
        sign = sources.bernoulli(0.5).float() * 2 - 1
        return turning(sign * severity)


for _condition in (Shift(), Margin(), Tight(), Rotation()):
    CONDITIONS.register(_condition.name)(_condition)
