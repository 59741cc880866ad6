"""From parameters to pixels: shading, features, folds, hair, light and camera.

Every pixel is traced back to the canonical frontal view of the head (an ellipsoid under
orthographic projection, so this is one quadratic equation), and everything is drawn there as
functions of (u, v): edges are signed distances softened over one pixel, so any size is
anti-aliased.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fer_xai.data.synthetic.head import SIDES, Head, build, landmarks, product, project, surface
from fer_xai.data.synthetic.params import FaceParams
from fer_xai.data.synthetic.rounded import cos, exp, power, sigmoid, sin, sqrt, tanh
from fer_xai.errors import InputError

PARTS: tuple[str, ...] = (
    "forehead",
    "brows",
    "eyes",
    "nose",
    "cheeks",
    "mouth",
    "chin_jaw",
    "off_face",
)
"""Parts of :attr:`RenderedFaces.parts`; they partition the image."""

CENTRE_V = 0.47  # height of the head's origin in the image
_CHUNK = 2**19  # pixels rendered at once: small enough for a processor's cache


@dataclass(frozen=True, kw_only=True, eq=False)
class RenderedFaces:
    """Pixels and their exact causes.

    Attributes
    ----------
    images
        uint8 ``(N, size, size, 3)``.
    landmarks
        float32 ``(N, 68, 2)`` iBUG points, pixels x, y with centres at whole numbers.
    parts
        bool ``(N, 8, size, size)`` in the order of :data:`PARTS`; exactly one is true a pixel.

    Examples
    --------
    >>> from fer_xai.data.synthetic.sampler import sample
    >>> found = render(sample(1)[0], size=16)
    >>> mouth = found.parts[0, PARTS.index("mouth")]  # (16, 16) bool
    >>> found.images[0][mouth].shape == (mouth.sum(), 3)
    True
    """

    images: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    parts: NDArray[np.bool_]


def render(params: FaceParams, *, size: int = 64) -> RenderedFaces:
    """Render faces at any size.

    Raises
    ------
    InputError
        If the size is below 16 pixels, where no face can be read.

    Examples
    --------
    >>> from fer_xai.data.synthetic.sampler import sample
    >>> found = render(sample(1)[0], size=16)
    >>> found.images.shape, found.landmarks.shape, found.parts.shape
    ((1, 16, 16, 3), (1, 68, 2), (1, 8, 16, 16))
    """
    if size < 16:
        raise InputError(f"Expected a size of at least 16 pixels, got {size}.")
    step = max(1, _CHUNK // size**2)
    chunks = [
        _render_chunk(params[start : start + step], size) for start in range(0, len(params), step)
    ]
    if not chunks:
        return RenderedFaces(
            images=np.zeros((0, size, size, 3), np.uint8),
            landmarks=np.zeros((0, 68, 2), np.float32),
            parts=np.zeros((0, len(PARTS), size, size), bool),
        )
    return RenderedFaces(
        images=np.concatenate([chunk.images for chunk in chunks]),
        landmarks=np.concatenate([chunk.landmarks for chunk in chunks]),
        parts=np.concatenate([chunk.parts for chunk in chunks]),
    )


@torch.inference_mode()
def _render_chunk(params: FaceParams, size: int) -> RenderedFaces:
    head = build(params)
    canvas = _Canvas(params, head, size)
    image = _camera(canvas.compose(), params, size)  # (N, 3, size, size)
    return RenderedFaces(
        images=(image * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy(),
        landmarks=_points(params, head, size),
        parts=canvas.parts().numpy(),
    )


@torch.inference_mode()
def face_landmarks(params: FaceParams, *, size: int = 64) -> NDArray[np.float32]:
    """The 68 points alone, ``(N, 68, 2)`` pixels x, y: those of :func:`render`, without pixels.

    Examples
    --------
    >>> from fer_xai.data.synthetic.sampler import sample
    >>> params, _, _ = sample(2)
    >>> bool((face_landmarks(params, size=32) == render(params, size=32).landmarks).all())
    True
    """
    return _points(params, build(params), size)


def _points(params: FaceParams, head: Head, size: int) -> NDArray[np.float32]:
    x, y = project(*landmarks(head), head)
    shift = torch.from_numpy(params.shift).float()
    unit = size * torch.from_numpy(np.ascontiguousarray(params.scale)).float()[:, None]
    px = x * unit + (0.5 + shift[:, :1]) * size - 0.5
    py = y * unit + (CENTRE_V + shift[:, 1:]) * size - 0.5
    points: NDArray[np.float32] = torch.stack([px, py], dim=-1).numpy()
    return points


class _Canvas:
    """One chunk of faces; every field is ``(N, P)`` with P = size² pixels."""

    def __init__(self, params: FaceParams, head: Head, size: int) -> None:
        self.params, self.head, self.size = params, head, size
        self.n = len(params)
        q = (torch.arange(size) + 0.5) / size
        qy, qx = (grid.reshape(1, -1) for grid in torch.meshgrid(q, q, indexing="ij"))
        self.qx, self.qy = qx, qy
        scale, shift = self.col(params.scale), torch.from_numpy(params.shift).float()
        self.x = (qx - 0.5 - shift[:, :1]) / scale
        self.y = (qy - CENTRE_V - shift[:, 1:]) / scale
        self.pixel = 1.0 / (scale * size)  # one pixel in head units, (N, 1)
        self.u, self.v, self.z, margin = surface(self.x, self.y, head)
        outline = head.jaw_half_width(self.v)
        rim = sqrt((1 - (self.v.clamp(min=0) / head.chin) ** 2).clamp(min=0)) * outline
        front = self.z  # what lies behind the widest circle is hair and ears, not face
        self.inside = torch.minimum(torch.minimum(margin * 0.5, front), rim - self.u.abs())
        self.seed = self.col(params.texture)

    @staticmethod
    def col(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).float()[:, None]

    def rgb(self, values: np.ndarray) -> Tensor:
        """(N, 3, 1)"""
        return torch.from_numpy(np.ascontiguousarray(values)).float()[:, :, None]

    def cover(self, distance: Tensor, softness: float = 1.0) -> Tensor:
        """Coverage of a shape from its signed distance (positive inside), soft over a pixel."""
        return (distance / (self.pixel * softness) + 0.5).clamp(0, 1)

    def noise(self, fx: float, fy: float, salt: float) -> Tensor:
        """Smooth noise in [-1, 1] over canonical coordinates, by face."""
        a, b = self.u * fx, self.v * fy
        s = self.seed + salt
        return sin(a + 1.7 * sin(b * 0.8 + s) + s * 3.1) * sin(
            b + 1.3 * sin(a * 0.7 + s * 1.9) + s * 0.7
        )

    # -- composition --------------------------------------------------------------------------

    def compose(self) -> Tensor:
        image = self.background()
        image = self.neck(image)
        image = self.hair_behind(image)
        image = self.ears(image)
        skin, light = self.skin()
        features = self.features(skin)
        face = features * light[:, None]
        face_cover = self.cover(self.inside)[:, None]
        image = image * (1 - face_cover) + face * face_cover
        image = self.hair_front(image)
        image = self.glasses(image)
        return image.clamp(0, 1).reshape(self.n, 3, self.size, self.size)

    def background(self) -> Tensor:
        first, second = (self.rgb(self.params.background[:, k]) for k in (0, 1))
        angle = self.seed * 0.37
        t = ((self.qx - 0.5) * cos(angle) + (self.qy - 0.5) * sin(angle) + 0.5)[:, None]
        image = first + (second - first) * t.clamp(0, 1)
        clutter = self.col(self.params.clutter)
        blobs = sin(self.qx * 9 + self.seed * 5) * sin(self.qy * 7 + self.seed * 3)
        edges = tanh(6 * sin(self.qx * 5 * cos(self.seed) + self.qy * 6 + self.seed))
        return image * (1 + 0.35 * (clutter * (0.6 * blobs + 0.4 * edges))[:, None])

    def neck(self, image: Tensor) -> Tensor:
        width = 0.62
        lean = self.head.rotation[:, 0, 2][:, None] * 0.3
        side = width + 0.25 * (self.y - 1.0).clamp(min=0) - (self.x - lean).abs()
        cover = self.cover(torch.minimum(side, self.y - 0.3), 1.5)[:, None]
        shade = 0.55 + 0.12 * (self.x * self.col(self.params.light[:, 0]))
        image = image * (1 - cover) + self.rgb(self.params.skin) * shade[:, None] * cover
        cloth = self.cover(self.y - 1.42 - 0.12 * cos(self.x * 2.2), 1.5)[:, None]
        colour = self.rgb(self.params.background[:, 1]) * 0.5 + 0.12
        return image * (1 - cloth) + colour * cloth

    def hair_tone(self) -> Tensor:
        strands = 0.5 * self.noise(34.0, 5.0, 1.0) + 0.5 * self.noise(61.0, 9.0, 2.0)
        sheen = exp(-(((self.y + 0.95 + 0.12 * self.x) / 0.22) ** 2))
        tone = 0.85 + 0.20 * strands + 0.35 * sheen * (0.6 + 0.4 * strands)
        return self.rgb(self.params.hair_colour) * tone[:, None]

    def hair_behind(self, image: Tensor) -> Tensor:
        long = self.col(self.params.hair_length)
        volume = 0.10 + 0.10 * long
        dome = 1 - ((self.x / (1.0 + volume)) ** 2 + (self.y / (1.34 + volume)) ** 2)
        bottom = (  # how far down the hair reaches; a short cut tapers to the ear
            -0.06 + 1.8 * long + 0.10 * self.noise(9.0, 2.0, 7.0) - self.y
        )
        sides = torch.where(self.y > 0, (1.0 + volume) * (1 - 0.06 * self.y) - self.x.abs(), dome)
        cover = self.cover(torch.minimum(sides, bottom), 2.0)[:, None]
        return image * (1 - cover) + self.hair_tone() * 0.75 * cover

    def ears(self, image: Tensor) -> Tensor:
        r = self.head.rotation
        for side in SIDES:
            turn = r[:, 0, 0][:, None] * side
            behind = r[:, 0, 2][:, None] * 0.0
            cx, cy = turn * 1.0 + behind, r[:, 1, 0][:, None] * side * 1.0 + 0.02
            distance = 1 - sqrt(((self.x - cx) / 0.11) ** 2 + ((self.y - cy) / 0.24) ** 2)
            cover = self.cover(distance * 0.11)[:, None]
            colour = self.rgb(self.params.skin) * torch.tensor([0.80, 0.70, 0.67])[None, :, None]
            image = (
                image * (1 - cover) + colour * (0.75 + 0.25 * distance.clamp(0, 1)[:, None]) * cover
            )
        return image

    def skin(self) -> tuple[Tensor, Tensor]:
        """Albedo ``(N, 3, P)`` and Lambert shading ``(N, P)`` of the skin."""
        head, params = self.head, self.params
        u, v = self.u, self.v
        units = head.mean
        height_u, height_v = torch.zeros_like(u), torch.zeros_like(u)

        def bump(
            cu: Tensor | float,
            cv: Tensor | float,
            su: float | Tensor,
            sv: float | Tensor,
            amount: Tensor | float,
        ) -> None:
            du, dv = (u - cu) / su, (v - cv) / sv
            value = amount * exp(-0.5 * (du * du + dv * dv))
            height_u.sub_(value * du / su)
            height_v.sub_(value * dv / sv)

        ridge_u = head.nose_u * 0.7
        wing_v = head.nose_tip + 0.05 - head.nose_lift
        bump(ridge_u, head.nose_tip - 0.27, 0.085, 0.23, 0.11)  # bridge
        bump(head.nose_u, head.nose_tip, 0.115, 0.105, 0.17)  # tip
        for side in SIDES:
            bump(head.nose_u + side * head.nose_half * 0.85, wing_v, 0.07, 0.07, 0.055)  # wings
            socket = side * head.eye_u
            bump(socket * 0.94, head.eye_v - 0.08, 0.17, 0.10, -0.10)  # sockets
            bump(socket, -0.52, 0.24, 0.07, 0.05 + 0.05 * units(4))  # brow ridge
            k = 0 if side < 0 else 1
            cheek = torch.maximum(head.units[6][:, k : k + 1], head.units[12][:, k : k + 1])
            bump(side * 0.56, 0.16 - 0.10 * cheek, 0.20, 0.16, 0.05 + 0.11 * cheek)
            bump(
                side * (head.eye_u * 0.97),
                head.eye_v + 0.17,
                0.15,
                0.05,
                0.012 + 0.05 * head.units[6][:, k : k + 1],
            )
        bump(0.0, head.mouth_v, 0.34, 0.17, 0.09)  # muzzle
        bump(0.0, head.chin - 0.17, 0.19, 0.12, 0.09 + 0.07 * units(17))
        bump(0.0, head.mouth_v + 0.2, 0.24, 0.05, -0.03 - 0.04 * units(17))
        bump(0.0, -0.75, 0.5, 0.25, 0.03)

        half_height = torch.where(v > 0, head.chin, torch.full_like(head.chin, 1.34))
        normal = torch.stack(
            [u - height_u * self.z, v / half_height**2 - height_v * self.z, self.z / 1.1],
            dim=1,
        )  # (N, 3, P)
        normal = normal / sqrt((normal**2).sum(dim=1, keepdim=True)).clamp(min=1e-6)
        seen = product(head.rotation, normal)
        light = self.rgb(params.light)
        lambert = (seen * light).sum(dim=1).clamp(min=0)
        ambient = self.col(params.ambient)
        edge = seen[:, 2].clamp(0, 1)
        shading = (ambient + (1.08 - ambient) * lambert) * (0.72 + 0.28 * power(edge, 0.6))
        gloss = power((0.5 * (seen * light).sum(dim=1) + 0.5 * seen[:, 2]).clamp(0, 1), 24)
        shading = shading + 0.10 * gloss

        albedo = self.rgb(params.skin) * (1 + 0.03 * self.noise(23.0, 19.0, 4.0)[:, None])
        blush = torch.zeros_like(u)
        for side in SIDES:
            blush += exp(-(((u - side * 0.55) / 0.26) ** 2 + ((v - 0.2) / 0.2) ** 2))
        blush += 0.8 * exp(-(((u - head.nose_u) / 0.12) ** 2 + ((v - head.nose_tip) / 0.1) ** 2))
        albedo = albedo * (1 + blush[:, None] * torch.tensor([0.05, -0.07, -0.06])[None, :, None])
        shadow = self.stubble() + self.folds()
        return albedo * (1 - shadow.clamp(0, 0.85))[:, None], shading

    def stubble(self) -> Tensor:
        """How much a beard and a moustache darken the skin."""
        head, u, v = self.head, self.u, self.v
        grain = 0.72 + 0.28 * self.noise(70.0, 55.0, 6.0)
        jaw = sigmoid((v - 0.42 - 0.25 * sqrt((1 - u.abs()).clamp(0, 1))) * 18)
        jaw = jaw * (1 - exp(-(((u / 0.30) ** 2) ** 2 + (((v - head.mouth_v) / 0.17) ** 2) ** 2)))
        lip = exp(-(((u / (head.mouth_half * 1.0)) ** 2) ** 3))
        lip = lip * exp(-((((v - head.mouth_v + 0.155) / 0.06) ** 2) ** 2))
        return (
            (self.col(self.params.beard) * jaw + self.col(self.params.moustache) * lip)
            * grain
            * 0.72
        )

    def folds(self) -> Tensor:
        """Darkening by expression folds and by the resting folds of age."""
        head, u, v = self.head, self.u, self.v
        age, unit = self.col(self.params.age), head.mean
        width = torch.maximum(self.pixel * 0.55, torch.full_like(self.pixel, 0.012))
        total = torch.zeros_like(u)

        def line(distance: Tensor, window: Tensor, amount: Tensor, spread: float = 1.0) -> None:
            total.add_(amount * window * exp(-((distance / (width * spread)) ** 2)))

        # forehead: arched lines over raised brows
        raised = (0.5 * unit(1) + 0.5 * unit(2)) * (1 - 0.3 * unit(4))
        middle = unit(1) * (1 - unit(2))
        across = exp(-(((u / 0.62) ** 2) ** 2))
        centre = exp(-(((u / 0.26) ** 2) ** 2))
        for k in range(3):
            curve = -0.70 - 0.095 * k - 0.05 * cos(u * 2.4) - 0.05 * unit(1)
            line(v - curve, across, 0.34 * raised + 0.08 * age, 1.25)
            line(v - curve - 0.02, centre, 0.30 * middle, 1.25)
        # glabella: two upright lines between lowered brows, and the shadow under them
        for side in SIDES:
            window = exp(-((((v + 0.47) / 0.12) ** 2) ** 2))
            line(u - side * (0.075 - 0.02 * (v + 0.47)), window, 0.55 * unit(4) + 0.05 * age, 1.3)
        # nose root wrinkles
        root = exp(-((((u - head.nose_u * 0.5) / 0.15) ** 2) ** 2))
        for k in range(3):
            curve = -0.20 + 0.085 * k + 0.5 * (u - head.nose_u * 0.5) ** 2
            line(v - curve, root, 0.50 * unit(9), 1.2)
        for side in SIDES:
            k = 0 if side < 0 else 1
            a6, a7, a12, a10, a20, a15, a9 = (
                head.units[n][:, k : k + 1] for n in (6, 7, 12, 10, 20, 15, 9)
            )
            # nasolabial fold: from the wing of the nose round the corner of the mouth
            top = head.nose_tip + 0.03
            t = ((v - top) / (head.mouth_v + 0.05 - top)).clamp(0, 1)
            reach = head.mouth_half + 0.10 + 0.05 * a12 - head.nose_half
            curve = side * (head.nose_half * 1.12 + 0.01 + reach * power(t, 1.25))
            window = sigmoid((v - top) * 40) * sigmoid((head.mouth_v + 0.06 - v) * 22)
            depth = 0.50 * torch.maximum(a12, torch.maximum(a10, 0.8 * a9)) + 0.16 * age + 0.05
            line(u - curve - head.nose_u * 0.4 * (1 - t), window, depth, 1.7)
            # crow's feet
            corner = side * (head.eye_u + head.eye_half)
            for slope in (-0.45, 0.0, 0.45):
                run = (u - corner) * side
                window = sigmoid((run - 0.06) * 60) * sigmoid((0.22 - run) * 50)
                line(v - head.eye_v - slope * run, window, 0.40 * a6 + 0.06 * age, 0.9)
            # fold under the eye
            s = ((u * side - head.eye_u) / (head.eye_half * 1.15)).clamp(-1, 1)
            low = head.lids(s, k)[1]
            window = exp(-((((u * side - head.eye_u) / (head.eye_half * 1.1)) ** 2) ** 3))
            line(
                v - low - 0.055, window, 0.12 + 0.34 * torch.maximum(a6, 0.8 * a7) + 0.1 * age, 1.2
            )
            # folds beside drawn-down or stretched corners
            corner_u = side * (head.mouth_half + 0.035)
            corner_v = head.mouth_v + head.corner[:, k : k + 1]
            window = exp(-(((v - corner_v - 0.05) / 0.09) ** 2))
            line(
                u - corner_u - side * 0.25 * (v - corner_v),
                window,
                0.55 * a15 + 0.40 * a20 + 0.30 * a12,
                1.5,
            )
        # the fold above the chin, and its dimples
        window = exp(-(((u / 0.24) ** 2) ** 2))
        edge = head.lips(torch.zeros_like(head.chin))[3]
        line(v - edge - 0.085 + 0.12 * u * u, window, 0.14 + 0.45 * unit(17), 2.0)
        dimples = self.noise(42.0, 38.0, 9.0).clamp(min=0)
        total.add_(
            0.45
            * unit(17)
            * dimples
            * exp(-((u / 0.2) ** 2 + ((v - head.chin + 0.18) / 0.11) ** 2))
        )
        return total

    # -- features -----------------------------------------------------------------------------

    def features(self, skin: Tensor) -> Tensor:
        face = self.nostrils(skin)
        face = self.eyes(face)
        face = self.brows(face)
        return self.mouth(face)

    def nostrils(self, face: Tensor) -> Tensor:
        head = self.head
        for side in SIDES:
            cu = head.nose_u + side * head.nose_half * 0.48
            cv = head.nose_tip + 0.098 - head.nose_lift
            d = 1 - sqrt(((self.u - cu) / 0.058) ** 2 + ((self.v - cv) / 0.026) ** 2)
            face = self.darken(face, self.cover(d * 0.03, 1.5) * 0.72)
            wing = head.nose_u + side * (head.nose_half * 1.0)
            ring = ((self.u - wing) * side * 1.1).clamp(min=-0.05) ** 2 + (
                (self.v - cv + 0.045) / 1.3
            ) ** 2
            arc = exp(-(((sqrt(ring) - 0.045) / 0.018) ** 2))
            outward = sigmoid((self.u - wing) * side * 60)
            face = self.darken(face, 0.30 * arc * outward)
        under = exp(
            -((((self.u - head.nose_u) / 0.13) ** 2) ** 2)
            - ((self.v - head.nose_tip - 0.145 + head.nose_lift) / 0.03) ** 2
        )
        return self.darken(face, 0.26 * under)

    def darken(self, face: Tensor, amount: Tensor) -> Tensor:
        tint = torch.tensor([0.80, 1.0, 1.02])[None, :, None]  # shadows on skin are warm
        return face * (1 - amount[:, None] * tint).clamp(min=0)

    def paint(self, face: Tensor, cover: Tensor, colour: Tensor) -> Tensor:
        return face + cover[:, None] * (colour - face)

    def eyes(self, face: Tensor) -> Tensor:
        head = self.head
        for k, side in enumerate(SIDES):
            s = (self.u * side - head.eye_u) / head.eye_half
            up, low = head.lids(s.clamp(-1, 1), k)
            ends = (1 - s.abs()) * head.eye_half
            opening = torch.minimum(torch.minimum(self.v - up, low - self.v), ends)
            cover = self.cover(opening)
            # lid crease and shade of the socket
            crease = exp(-(((self.v - up + 0.05) / 0.02) ** 2)) * exp(-(((s / 1.1) ** 2) ** 3))
            face = self.darken(face, 0.30 * crease)
            cu, cv = side * head.eye_u, head.eye_v - 0.012
            radius = 0.083 * (head.eye_half / 0.185)
            r = sqrt((self.u - cu) ** 2 + (self.v - cv) ** 2)
            white = torch.tensor([0.93, 0.91, 0.89])[None, :, None] * (
                1 - 0.22 * (s.abs() ** 2).clamp(max=1)[:, None]
            )
            ball = white.expand_as(face)
            iris = self.rgb(self.params.iris) * (0.65 + 0.5 * (r / radius).clamp(0, 1))[:, None]
            ball = self.paint(ball, self.cover(radius - r), iris)
            ring = exp(-(((r - radius) / 0.014) ** 2))
            ball = ball * (1 - 0.55 * ring)[:, None]
            ball = self.paint(ball, self.cover(radius * 0.46 - r), torch.full_like(face, 0.03))
            glint = sqrt((self.u - cu + 0.028) ** 2 + (self.v - cv + 0.03) ** 2)
            ball = self.paint(ball, self.cover(0.021 - glint), torch.full_like(face, 1.0))
            lid_shadow = exp(-((self.v - up).clamp(min=0) / 0.03))
            ball = ball * (1 - 0.45 * lid_shadow)[:, None]
            face = self.paint(face, cover, ball)
            lash = exp(-(((self.v - up) / torch.maximum(self.pixel * 0.6, 0.016 + 0 * up)) ** 2))
            within = self.cover((1.06 - s.abs()) * head.eye_half)
            face = self.darken(face, 0.85 * lash * within)
            rim = exp(-(((self.v - low) / 0.013) ** 2))
            face = self.darken(face, 0.32 * rim * within)
        return face

    def brows(self, face: Tensor) -> Tensor:
        head = self.head
        hair = self.rgb(self.params.hair_colour) * 0.55
        for k, side in enumerate(SIDES):
            inner, outer = head.brow_u[:, k, :1], head.brow_u[:, k, 2:]
            t = (self.u * side - inner) / (outer - inner)
            _, centre = head.brow(t.clamp(0, 1), k)
            taper = 0.55 + 0.45 * power(1 - t.clamp(0, 1), 0.8)
            half = head.brow_thick * taper * (1 - 0.25 * power(1 - t.clamp(0, 1), 6))
            ends = torch.minimum(t, 1 - t) * (outer - inner) + 0.01
            d = torch.minimum(half - (self.v - centre).abs(), ends)
            hairs = 0.80 + 0.20 * sin(self.u * 95 + self.v * side * 60 + self.seed)
            face = self.paint(face, self.cover(d, 1.6) * 0.86 * hairs, hair)
        return face

    def mouth(self, face: Tensor) -> Tensor:
        head = self.head
        s = self.u / head.mouth_half
        inside = s.clamp(-1, 1)
        outer_up, inner_up, inner_low, outer_low = head.lips(inside)
        ends = (1 - s.abs()) * head.mouth_half
        v = self.v
        lips = torch.minimum(torch.minimum(v - outer_up, outer_low - v), ends + self.pixel * 0.5)
        colour = self.rgb(self.params.lip)
        upper = v < (inner_up + inner_low) / 2
        plump = torch.where(
            upper,
            0.84 + 0.10 * ((v - outer_up) / (inner_up - outer_up).clamp(min=0.01)).clamp(0, 1),
            1.16 - 0.30 * ((v - inner_low) / (outer_low - inner_low).clamp(min=0.01)).clamp(0, 1),
        )
        face = self.darken(
            face,
            0.22 * exp(-(((v - outer_low - 0.03) / 0.03) ** 2)) * exp(-(((s / 0.75) ** 2) ** 2)),
        )
        face = self.paint(face, self.cover(lips, 1.3) * 0.92, colour * plump[:, None])
        gape = torch.minimum(torch.minimum(v - inner_up, inner_low - v), ends)
        cavity_cover = self.cover(gape)
        cavity = torch.tensor([0.16, 0.045, 0.05])[None, :, None].expand_as(face)
        tongue_v = inner_low - 0.05
        tongue = 1 - ((s / 0.62) ** 2 + ((v - tongue_v - 0.06) / 0.12) ** 2)
        cavity = self.paint(
            cavity, self.cover(tongue * 0.05) * 0.8, torch.tensor([0.52, 0.2, 0.2])[None, :, None]
        )
        opening = head.open_up + head.open_low
        teeth = (
            torch.tensor([0.92, 0.90, 0.86])[None, :, None]
            * (1 - 0.10 * power(sin(self.u * 62), 8) - 0.28 * inside.abs() ** 3)[:, None]
        )
        smile = torch.maximum(head.mean(12), torch.maximum(head.mean(10), 0.6 * head.mean(20)))
        show_up = 0.03 + 0.09 * smile + 0.03 * head.mean(25)
        upper_teeth = torch.minimum(inner_up + show_up.clamp(max=0.11) - v, opening - 0.02)
        cavity = self.paint(cavity, self.cover(upper_teeth), teeth)
        show_low = 0.10 * torch.maximum(head.mean(16), 0.55 * head.mean(20)) - 0.015
        lower_teeth = torch.minimum(v - inner_low + show_low, opening - 0.03)
        cavity = self.paint(cavity, self.cover(lower_teeth), teeth * 0.9)
        shade = exp(-(v - inner_up).clamp(min=0) / 0.02)
        cavity = cavity * (1 - 0.4 * shade)[:, None]
        face = self.paint(face, cavity_cover, cavity)
        line = (inner_up + inner_low) / 2
        thin = torch.maximum(self.pixel * 0.55, torch.full_like(self.pixel, 0.013))
        closed = exp(-(((v - line) / thin) ** 2)) * self.cover(ends + 0.02)
        shut = exp(-((opening / 0.03) ** 2))
        face = self.darken(face, 0.78 * closed * shut)
        for k, side in enumerate(SIDES):
            corner_v = head.mouth_v + head.corner[:, k : k + 1]
            d = sqrt((self.u - side * head.mouth_half) ** 2 + (v - corner_v) ** 2)
            face = self.darken(face, 0.40 * exp(-((d / 0.035) ** 2)))
        return face

    # -- over the face ------------------------------------------------------------------------

    def hair_front(self, image: Tensor) -> Tensor:
        line = self.col(self.params.hairline)
        fringe = self.col(self.params.fringe)
        sweep = 0.12 * sin(self.u * 2.2 + self.seed)
        strands = 0.03 * self.noise(40.0, 6.0, 11.0)
        edge = line + 0.34 * power(self.u.abs(), 2.6) + fringe * (0.16 + sweep) + strands
        long = self.col(self.params.hair_length)
        temple = self.u.abs() - (0.94 - 0.07 * long - 0.04 * (self.v + 0.3).clamp(0, 1) * long)
        side = torch.minimum(temple + 0.5 * strands, (-0.05 + 1.3 * long) - self.v)
        cover = self.cover(torch.maximum(edge - self.v, side), 2.5) * self.cover(self.inside)
        shadow = exp(-((self.v - edge).clamp(min=0) / 0.07)) * self.cover(self.inside)
        image = image * (1 - 0.25 * (shadow * (1 - cover))[:, None])
        return image + cover[:, None] * (self.hair_tone() - image)

    def glasses(self, image: Tensor) -> Tensor:
        wear = self.col(self.params.glasses)
        if not bool(wear.any()):
            return image
        head = self.head
        d = torch.full_like(self.u, 9.0)
        for side in SIDES:
            du = (self.u - side * (head.eye_u + 0.01)) / 0.30
            dv = (self.v - head.eye_v - 0.035) / 0.215
            d = torch.minimum(d, (sqrt(sqrt((du**2) ** 2 + (dv**2) ** 2)) - 1).abs() * 0.24)
        bridge = torch.maximum(
            (self.v - head.eye_v + 0.02 - 0.3 * self.u**2).abs(), self.u.abs() - (head.eye_u - 0.27)
        )
        arms = torch.maximum((self.v - head.eye_v + 0.02).abs(), (head.eye_u + 0.29) - self.u.abs())
        d = torch.minimum(d, torch.minimum(bridge, arms))
        cover = self.cover(0.02 - d) * wear * self.cover(self.inside)
        return image + cover[:, None] * (0.10 - image)

    def parts(self) -> Tensor:
        """Bool ``(N, 8, size, size)``: the one part each pixel belongs to."""
        head, u, v = self.head, self.u, self.v
        off = self.inside < 0
        s = u / head.mouth_half
        outer_up, _, _, outer_low = head.lips(s.clamp(-1, 1))
        pad = 0.035
        mouth = (
            (v > outer_up - pad)
            & (v < outer_low + pad)
            & (s.abs() * head.mouth_half < head.mouth_half + pad)
        )
        eyes, brows = torch.zeros_like(off), torch.zeros_like(off)
        for k, side in enumerate(SIDES):
            e = (u * side - head.eye_u) / (head.eye_half + 0.05)
            up, low = head.lids(e.clamp(-1, 1), k)
            eyes |= (e.abs() < 1) & (v > up - 0.07) & (v < low + 0.06)
            inner, outer = head.brow_u[:, k, :1], head.brow_u[:, k, 2:]
            t = (u * side - inner) / (outer - inner)
            _, centre = head.brow(t.clamp(0, 1), k)
            brows |= (t > -0.12) & (t < 1.1) & ((v - centre).abs() < head.brow_thick + 0.035)
        brow_line = torch.minimum(head.brow_v[:, 0].mean(1, True), head.brow_v[:, 1].mean(1, True))
        slope = ((v + 0.3) / (head.nose_tip + 0.3)).clamp(0, 1)
        nose = (
            (v > -0.36)
            & (v < head.nose_tip + 0.15 - head.nose_lift)
            & ((u - head.nose_u * slope).abs() < 0.10 + (head.nose_half * 1.2 - 0.10) * slope)
        )
        forehead = v < brow_line
        chin = v > head.mouth_v + 0.06
        layers = {
            "off_face": off,
            "mouth": mouth,
            "eyes": eyes,
            "brows": brows,
            "nose": nose,
            "forehead": forehead,
            "chin_jaw": chin,
        }
        taken = torch.zeros_like(off)
        found: dict[str, Tensor] = {}
        for name, mask in layers.items():
            found[name] = mask & ~taken
            taken = taken | mask
        found["cheeks"] = ~taken
        stacked = torch.stack([found[name] for name in PARTS], dim=1)  # (N, 8, P)
        return stacked.reshape(self.n, len(PARTS), self.size, self.size)


def _camera(image: Tensor, params: FaceParams, size: int) -> Tensor:
    """Exposure, colour, optical blur, the sensor's resolution and noise; ``(N, 3, s, s)``."""

    def field(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).float()[:, None, None, None]

    warm = field(params.warmth) * torch.tensor([1.0, 0.15, -1.0])[None, :, None, None]
    image = (image * (1 + warm)) * field(params.exposure)
    image = 0.5 + (image - 0.5) * field(params.contrast)
    luma = (image * torch.tensor([0.299, 0.587, 0.114])[None, :, None, None]).sum(1, keepdim=True)
    grey = field(params.grey)
    image = image * (1 - grey) + luma * grey
    for resolution in np.unique(params.resolution):
        chosen = torch.from_numpy(np.flatnonzero(params.resolution == resolution))
        if resolution < size:
            small = F.interpolate(
                image[chosen], size=int(resolution), mode="bilinear", antialias=True
            )
            image[chosen] = F.interpolate(small, size=size, mode="bicubic", align_corners=False)
    image = _blur(image, torch.from_numpy(np.ascontiguousarray(params.blur)).float() * size)
    # Noise belongs to the sensor: made on a 64-pixel grid, so that every size shows the same.
    side = 64
    grid = torch.arange(side * side).float()[None] + 1
    seed = field(params.texture)[:, 0, 0]
    hashed = torch.frac(sin(grid * 12.9898 + seed * 78.233) * 43758.547)
    other = torch.frac(sin(grid * 39.3468 + seed * 11.135) * 24634.634)
    normal = (hashed.abs() + other.abs() - 1) * 2.4495  # triangular, unit variance
    noise = normal.reshape(-1, 1, side, side)
    if size != side:
        noise = F.interpolate(noise, size=size, mode="bilinear", align_corners=False)
    return (image + noise * field(params.noise)).clamp(0, 1)


def _blur(image: Tensor, sigma: Tensor) -> Tensor:
    """Separable Gaussian blur with one sigma (pixels) a face; ``(N, 3, s, s)``."""
    size = image.shape[-1]
    radius = max(1, int(np.ceil(2.5 * float(sigma.max()))))
    offsets = torch.arange(-radius, radius + 1).float()
    kernel = exp(-0.5 * (offsets[None] / sigma[:, None].clamp(min=0.05)) ** 2)
    # each face has its own radius, lest its pixels depend on the faces rendered beside it
    kernel = kernel * (offsets.abs()[None] <= (2.5 * sigma[:, None]).ceil().clamp(min=1))
    kernel = (kernel / kernel.sum(dim=1, keepdim=True))[:, :, None, None, None]
    # sums are written out: libraries of convolutions round otherwise on another processor
    taps = range(2 * radius + 1)
    wide = F.pad(image, (radius, radius, 0, 0), mode="replicate")
    image = sum((kernel[:, k] * wide[..., k : k + size] for k in taps), torch.zeros(()))
    high = F.pad(image, (0, 0, radius, radius), mode="replicate")
    return sum((kernel[:, k] * high[..., k : k + size, :] for k in taps), torch.zeros(()))
