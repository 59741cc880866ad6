"""Geometry of the built-in head: features as curves on an ellipsoid, moved by action units.

Canonical coordinates (u, v) are the frontal view, u right and v down, in half face widths, with
the origin between nose bridge and tip. The head is an ellipsoid; a pose rotates it, and the
projection is orthographic. Landmarks are points of the very curves that are drawn, so they are
exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fer_xai.data.synthetic.action_units import AUS
from fer_xai.data.synthetic.params import FaceParams
from fer_xai.data.synthetic.rounded import cos, exp, power, sin, sqrt

HEAD_TOP = 1.34  # upper half-height of the ellipsoid
HEAD_DEPTH = 1.05
SIDES = (-1.0, 1.0)  # image-left, image-right


@dataclass(frozen=True, kw_only=True)
class Head:
    """Curves of N heads in canonical coordinates; tensors are ``(N, 1)`` unless stated."""

    chin: Tensor  # v of the chin, and lower half-height of the ellipsoid
    jaw: Tensor
    rotation: Tensor  # (N, 3, 3)
    eye_u: Tensor  # centre, image-right eye; the other is mirrored
    eye_v: Tensor
    eye_half: Tensor
    eye_tilt: Tensor
    lid_up: Tensor  # (N, 2) opening above the centre line, a side
    lid_low: Tensor  # (N, 2)
    brow_u: Tensor  # (N, 2, 3) inner, middle, outer u of each side (positive outward)
    brow_v: Tensor  # (N, 2, 3)
    brow_thick: Tensor
    nose_u: Tensor  # shift of the nose with yaw: it stands out of the face
    nose_tip: Tensor  # v
    nose_half: Tensor  # half width at the wings
    nose_lift: Tensor
    mouth_v: Tensor
    mouth_half: Tensor
    corner: Tensor  # (N, 2) v displacement of the corners
    upper_thick: Tensor
    lower_thick: Tensor
    open_up: Tensor
    open_low: Tensor
    units: dict[int, Tensor]  # action unit -> (N, 2)

    def mean(self, unit: int) -> Tensor:
        """Intensity of a unit, both sides averaged, ``(N, 1)``."""
        return self.units[unit].mean(dim=1, keepdim=True)

    # -- curves, each a function of a local coordinate ----------------------------------------

    def jaw_half_width(self, v: Tensor) -> Tensor:
        """Half width of the face at height v, before the ellipsoid's own rounding."""
        t = (v / self.chin).clamp(0, 1)
        return 1.0 - self.jaw * 0.16 * sin(t * math.pi * 0.95) * t

    def lids(self, s: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """V of the upper and lower lid at s in [-1, 1], inner to outer corner."""
        bow = (1 - s * s).clamp(min=0)
        centre = self.eye_v - self.eye_tilt * s * self.eye_half
        up = centre - self.lid_up[:, side : side + 1] * power(bow, 0.75)
        low = centre + self.lid_low[:, side : side + 1] * bow
        return up, low

    def brow(self, t: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Centre line of a brow at t in [0, 1], inner to outer: u outward, v. Quadratic."""
        inner, middle, outer = (self.brow_u[:, side, k : k + 1] for k in range(3))
        u = inner + (outer - inner) * t
        v0, v1, v2 = (self.brow_v[:, side, k : k + 1] for k in range(3))
        p = ((middle - inner) / (outer - inner)).clamp(0.3, 0.7)
        weight0, weight2 = (1 - t) * (p - t) / p, t * (t - p) / (1 - p)
        return u, v0 * weight0 + v2 * weight2 + v1 * (1 - weight0 - weight2)

    def lips(self, s: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """V of the lips' four edges at s in [-1, 1], image-left to image-right corner.

        Outer upper, inner upper, inner lower, outer lower.
        """
        bow = (1 - s * s).clamp(min=0)
        left, right = self.corner[:, :1], self.corner[:, 1:]
        sway = (s + 1) / 2
        lift = (left * (1 - sway) + right * sway) * (1.25 * s * s - 0.25)
        chin_push = -0.10 * self.mean(17) * bow
        middle = self.mouth_v + lift + chin_push
        cupid = 1 - 0.28 * exp(-((s / 0.16) ** 2))
        gape = power(bow, 0.8)
        inner_up, inner_low = middle - self.open_up * gape, middle + self.open_low * gape
        outer_up = inner_up - self.upper_thick * power(bow, 0.7) * cupid
        outer_low = inner_low + self.lower_thick * power(bow, 0.6)
        return outer_up, inner_up, inner_low, outer_low


def build(params: FaceParams) -> Head:
    """Curves of the heads, with action units applied to the resting identity.

    Examples
    --------
    >>> from fer_xai.data.synthetic.sampler import sample
    >>> head = build(sample(2)[0])
    >>> head.chin.shape, head.brow_u.shape, sorted(head.units)[:3]
    (torch.Size([2, 1]), torch.Size([2, 2, 3]), [1, 2, 4])
    """

    def col(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).float()[:, None]

    both = torch.from_numpy(params.action_units).float()  # (N, A, 2)
    units = {unit: both[:, index] for index, unit in enumerate(AUS)}
    mean = {unit: value.mean(dim=1, keepdim=True) for unit, value in units.items()}
    jaw_drop = mean[26]

    lid_up = (
        0.085
        * col(params.eye_size)
        * (
            1
            + 0.85 * units[5]
            - 0.42 * units[7]
            - 0.25 * units[6]
            - 0.25 * units[9]
            - 0.1 * units[4]
        )
    )
    lid_low = (
        0.062
        * col(params.eye_size)
        * (1 + 0.1 * units[5] - 0.55 * units[7] - 0.65 * units[6] - 0.3 * units[9])
    )

    height = -0.52 - col(params.brow_height)  # (N, 1)
    arch = col(params.brow_arch)
    inner_v = height + 0.035 - 0.20 * units[1] + 0.15 * units[4] + 0.06 * units[9]
    middle_v = height - arch - 0.10 * units[1] - 0.13 * units[2] + 0.10 * units[4] + 0.04 * units[9]
    outer_v = height + 0.05 - 0.15 * units[2] + 0.045 * units[4] + 0.02 * units[1]
    inner_u = 0.19 - 0.06 * units[4] + 0 * units[1]
    spacing = col(params.eye_spacing)
    outer_u = 0.34 + spacing + 0 * units[1]
    middle_u = inner_u + 0.58 * (outer_u - inner_u)

    tip = 0.26 + col(params.nose_length)
    mouth_v = 0.64 + col(params.mouth_height) + 0.03 * jaw_drop - 0.02 * mean[17]
    wide = 1 + 0.24 * mean[12] + 0.30 * mean[20] + 0.05 * mean[15] - 0.22 * mean[23]
    wide = wide - 0.16 * mean[26] * (1 - mean[20]) * (1 - mean[12])
    corner = -0.20 * units[12] + 0.18 * units[15] + 0.04 * units[20]
    fullness = col(params.lip_fullness)
    thin = (1 - 0.62 * mean[23]) * (1 - 0.3 * mean[20]) * (1 - 0.22 * mean[12])
    opening = 0.075 * mean[25] * (1 - 0.3 * mean[23]) + 0.36 * jaw_drop * (0.55 + 0.45 * mean[25])
    open_up = 0.22 * opening + 0.085 * mean[10] * (0.35 + mean[25]) + 0.02 * mean[12] * mean[25]
    open_low = 0.78 * opening + 0.085 * mean[16] + 0.02 * mean[12] * mean[25]

    yaw = col(params.yaw)
    return Head(
        chin=1.16 + col(params.chin) + 0.17 * jaw_drop - 0.02 * mean[17],
        jaw=col(params.jaw),
        rotation=rotation(params),
        eye_u=spacing,
        eye_v=torch.full_like(spacing, -0.235),
        eye_half=0.185 * (0.8 + 0.2 * col(params.eye_size)),
        eye_tilt=col(params.eye_tilt),
        lid_up=lid_up.clamp(min=0.012),
        lid_low=lid_low.clamp(min=0.008),
        brow_u=torch.stack([inner_u, middle_u, outer_u], dim=-1),
        brow_v=torch.stack([inner_v, middle_v, outer_v], dim=-1),
        brow_thick=0.055 * col(params.brow_thickness),
        nose_u=0.16 * sin(yaw),
        nose_tip=tip - 0.03 * mean[9],
        nose_half=col(params.nose_width) * (1 + 0.14 * mean[9] + 0.12 * mean[12]),
        nose_lift=0.05 * mean[9] + 0.02 * mean[10],
        mouth_v=mouth_v,
        mouth_half=col(params.mouth_width) * wide,
        corner=corner,
        upper_thick=(0.085 * fullness * thin - 0.02 * mean[10]).clamp(min=0.014),
        lower_thick=(0.115 * fullness * thin + 0.02 * mean[17]).clamp(min=0.018),
        open_up=open_up,
        open_low=open_low,
        units=units,
    )


def rotation(params: FaceParams) -> Tensor:
    """``(N, 3, 3)`` rotations: head to camera, yaw about v, then pitch about u, then roll.

    Examples
    --------
    >>> from fer_xai.data.synthetic.sampler import sample
    >>> turned = rotation(sample(2)[0])
    >>> torch.allclose(turned @ turned.mT, torch.eye(3).expand(2, 3, 3), atol=1e-6)
    True
    """
    yaw, pitch, roll = (
        torch.from_numpy(np.ascontiguousarray(a)).float()
        for a in (params.yaw, params.pitch, params.roll)
    )
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)

    def matrix(*rows: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)

    about_v = matrix((cos(yaw), zero, sin(yaw)), (zero, one, zero), (-sin(yaw), zero, cos(yaw)))
    about_u = matrix(
        (one, zero, zero), (zero, cos(pitch), sin(pitch)), (zero, -sin(pitch), cos(pitch))
    )
    about_z = matrix((cos(roll), -sin(roll), zero), (sin(roll), cos(roll), zero), (zero, zero, one))
    return product(about_z, product(about_u, about_v))


def product(one: Tensor, other: Tensor) -> Tensor:
    """Products of 3 × 3 matrices ``(N, 3, 3)`` and matrices ``(N, 3, P)``.

    Their sums are written out: libraries of linear algebra add up in another order, or with other
    roundings, on another processor, and the same seed would give other pixels there.

    Examples
    --------
    >>> one = torch.arange(9.0).reshape(1, 3, 3)
    >>> torch.equal(product(one, torch.eye(3)[None]), one)
    True
    """
    columns = [one[:, :, k, None] * other[:, None, k] for k in range(3)]
    return columns[0] + columns[1] + columns[2]


def surface(x: Tensor, y: Tensor, head: Head) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The head's surface seen at camera points.

    Parameters
    ----------
    x, y
        ``(N, P)`` camera coordinates in head units.

    Returns
    -------
    u, v, z, margin
        ``(N, P)`` canonical coordinates and depth of the point seen; ``margin`` is positive on
        the ellipsoid and falls to negative off it.

    Examples
    --------
    >>> from fer_xai.data.synthetic.sampler import sample
    >>> x, y = torch.tensor([[0.0, 3.0]]), torch.tensor([[0.0, 0.0]])
    >>> surface(x, y, build(sample(1)[0]))[3] > 0  # the middle of the head, and a point beside it
    tensor([[ True, False]])
    """
    r = head.rotation

    def solve(half_height: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        scale = torch.stack(
            [
                torch.ones_like(half_height),
                half_height**-2,
                torch.full_like(half_height, HEAD_DEPTH**-2),
            ],
            dim=-1,
        )  # (N, 1, 3)
        m = product(r * scale, r.transpose(1, 2))  # (N, 3, 3)
        a = m[:, 2, 2][:, None]
        b = m[:, 0, 2][:, None] * x + m[:, 1, 2][:, None] * y
        c = (
            m[:, 0, 0][:, None] * x * x
            + 2 * m[:, 0, 1][:, None] * x * y
            + m[:, 1, 1][:, None] * y * y
            - 1
        )
        inside = b * b - a * c
        depth = (-b + sqrt(inside.clamp(min=0))) / a
        u = r[:, 0, 0][:, None] * x + r[:, 1, 0][:, None] * y + r[:, 2, 0][:, None] * depth
        v = r[:, 0, 1][:, None] * x + r[:, 1, 1][:, None] * y + r[:, 2, 1][:, None] * depth
        z = r[:, 0, 2][:, None] * x + r[:, 1, 2][:, None] * y + r[:, 2, 2][:, None] * depth
        return u, v, z, inside / a

    upper = solve(torch.full_like(head.chin, HEAD_TOP))
    lower = solve(head.chin)
    below = upper[1] > 0
    u, v, z, margin = (torch.where(below, low, up) for up, low in zip(upper, lower, strict=True))
    return u, v, z, margin


def project(u: Tensor, v: Tensor, head: Head) -> tuple[Tensor, Tensor]:
    """Camera coordinates ``(N, P)`` of canonical points on the head.

    Examples
    --------
    >>> from fer_xai.data.synthetic.sampler import sample
    >>> head = build(sample(1)[0])
    >>> x, y = project(torch.tensor([[0.2]]), torch.tensor([[0.1]]), head)
    >>> u, v, _, _ = surface(x, y, head)  # what is seen there
    >>> round(u.item(), 3), round(v.item(), 3)
    (0.2, 0.1)
    """
    half_height = torch.where(v > 0, head.chin, torch.full_like(head.chin, HEAD_TOP))
    z = HEAD_DEPTH * sqrt((1 - u**2 - (v / half_height) ** 2).clamp(min=0))
    r = head.rotation
    x = r[:, 0, 0][:, None] * u + r[:, 0, 1][:, None] * v + r[:, 0, 2][:, None] * z
    y = r[:, 1, 0][:, None] * u + r[:, 1, 1][:, None] * v + r[:, 1, 2][:, None] * z
    return x, y


def landmarks(head: Head) -> tuple[Tensor, Tensor]:
    """Canonical coordinates of the 68 iBUG points, each ``(N, 68)``.

    Examples
    --------
    >>> from fer_xai.data.synthetic.sampler import sample
    >>> u, v = landmarks(build(sample(1)[0]))
    >>> u.shape, bool(v[0, 8] > v[0, 57] > v[0, 33])  # chin below lip below nose
    (torch.Size([1, 68]), True)
    """
    ones = torch.ones_like(head.chin)
    us: list[Tensor] = []
    vs: list[Tensor] = []

    def add(u: Tensor, v: Tensor) -> None:
        us.append(u * ones)
        vs.append(v * ones)

    # jaw 0-16: along the outline from ear level over the chin
    for k in range(-8, 9):
        angle = torch.tensor(k * math.pi / 16)
        start = -0.16  # v of the ears
        v = start + (head.chin - start) * power(cos(angle).clamp(min=0), 1.25)
        rim = sqrt((1 - (v.clamp(min=0) / head.chin) ** 2).clamp(min=0))
        add(torch.sign(angle) * rim * head.jaw_half_width(v) * 0.985, v)
    # brows 17-21 (image-left, outer to inner), 22-26 (inner to outer)
    for t in torch.linspace(1, 0, 5):
        u, v = head.brow(t * ones, 0)
        add(-u, v)
    for t in torch.linspace(0, 1, 5):
        u, v = head.brow(t * ones, 1)
        add(u, v)
    # nose 27-30 bridge, 31-35 base
    for k in range(4):
        add(head.nose_u * (0.35 + 0.65 * k / 3), -0.27 + (head.nose_tip + 0.27) * (k / 3))
    for k, s in enumerate((-0.8, -0.4, 0.0, 0.4, 0.8)):
        drop = (0.07, 0.1, 0.115, 0.1, 0.07)[k]
        add(head.nose_u + s * head.nose_half, head.nose_tip + drop - head.nose_lift)
    # eyes 36-41 (image-left, from its outer corner), 42-47 (image-right, from its inner corner)
    for side, order in ((0, (1.0, 0.35, -0.35, -1.0)), (1, (-1.0, -0.35, 0.35, 1.0))):
        for s in order:
            add(*_lid_point(head, s * ones, side, upper=True))
        for s in (order[2], order[1]):
            add(*_lid_point(head, s * ones, side, upper=False))
    # mouth 48-59 outer, 60-67 inner
    for s, edge in (
        [(s, 0) for s in (-1, -0.62, -0.25, 0, 0.25, 0.62, 1)]
        + [(s, 3) for s in (0.62, 0.25, 0, -0.25, -0.62)]
        + [(s, 1) for s in (-0.9, -0.4, 0, 0.4, 0.9)]
        + [(s, 2) for s in (0.4, 0, -0.4)]
    ):
        add(s * head.mouth_half, head.lips(s * ones)[edge])
    return torch.cat(us, dim=1), torch.cat(vs, dim=1)


def _lid_point(head: Head, s: Tensor, side: int, *, upper: bool) -> tuple[Tensor, Tensor]:
    up, low = head.lids(s, side)
    return SIDES[side] * (head.eye_u + s * head.eye_half), up if upper else low
