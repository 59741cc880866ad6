"""Imputation: what stands where pixels were taken, guessed from those that are left.

The weights 1/6 of an edge neighbour and 1/12 of a diagonal one are, but for the pixel itself, a
twelfth of the binomial blur B = [1 2 1] ⊗ [1 2 1]. With B seeing zeros outside of the image and D
the diagonal of its row sums, the system of noisy linear imputation is therefore (D − B) x = 0 at
the missing pixels, with x given at the others. It is solved for all images at once by conjugate
gradients, preconditioned by a multigrid V-cycle, in nothing but elementwise steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fer_xai.errors import InputError

_SMALLEST_TOLERANCE = 1e-5
_MOST_STEPS = 50
_RELAXATION = 4 / 3
"""Relaxation of one Jacobi sweep: modes of period four and less have eigenvalues from ½ to 1."""
_COARSEST = 8
_COARSEST_SWEEPS = tuple(
    1 / (0.525 + 0.475 * math.cos(math.pi * (2 * k + 1) / 12)) for k in range(6)
)
"""Chebyshev's relaxations for eigenvalues from 0.05 to 1."""
_TOGETHER = {"cpu": 2**18}
"""Numbers of one array that are worked on at a time: what a processor's cache holds a few of."""
_TOGETHER_ELSEWHERE = 2**24

_Sum = tuple[Tensor, Tensor, int, Tensor]
"""(a, b, k, c) stands for c ← a + k·b."""


@torch.no_grad()
def linear_imputation(images: Tensor, gone: Tensor, *, tolerance: float = 1e-4) -> Tensor:
    """Images whose missing pixels are weighted means of their neighbours, missing ones included.

    Rong et al., "A consistent and efficient evaluation strategy for attribution methods", ICML
    2022, section 4.2, without the noise: at each missing pixel
    xᵢ·Σ w = Σ w·xⱼ over the neighbours inside the image, w = 1/6 across an edge and 1/12 across a
    corner. Known pixels stay as they are to the bit. An image of which nothing is known has no
    solution: it becomes its mean colour. An image whose channels are equal costs a third.

    Parameters
    ----------
    images
        ``(M, 3, H, W)`` in [0, 1].
    gone
        Bool ``(M, H, W)``: the missing pixels; what they hold does not matter.
    tolerance
        A channel is done when its error, estimated in the energy norm, is below this. The largest
        error of a pixel is smaller: on masks of many shapes, a tenth of it in most and half of it
        at worst. What is done is left alone, so that neighbours in a batch do not matter.

    Returns
    -------
    Tensor
        ``(M, 3, H, W)``, of the dtype of the images; worked out in single precision.

    Raises
    ------
    InputError
        If the two do not fit, or for a tolerance that single precision cannot reach.

    Examples
    --------
    >>> image = torch.tensor([0.0, 0.5, 1.0]).expand(1, 3, 3, 3)
    >>> middle = torch.tensor([False, True, False]).expand(1, 3, 3)
    >>> linear_imputation(image, middle)[0, 0, 0].round(decimals=4)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if images.ndim != 4 or images.shape[1] != 3 or gone.shape != images[:, 0].shape:
        raise InputError(
            f"Expected images (M, 3, H, W) and masks (M, H, W) of their missing pixels, got "
            f"{tuple(images.shape)} and {tuple(gone.shape)}."
        )
    if gone.dtype != torch.bool:
        raise InputError(f"Expected a bool mask, True where a pixel is missing, got {gone.dtype}.")
    if not tolerance >= _SMALLEST_TOLERANCE:
        raise InputError(
            f"Expected a tolerance of at least {_SMALLEST_TOLERANCE:g}, which single precision "
            f"reaches, got {tolerance}."
        )
    out = images.clone()
    lost = gone.flatten(1).all(dim=1)
    out[lost] = images[lost].mean(dim=(2, 3), keepdim=True).expand_as(images[lost])
    some = gone.flatten(1).any(dim=1) & ~lost
    grey = (images[:, 1:] == images[:, :1]).flatten(1).all(dim=1)
    together = _TOGETHER.get(images.device.type, _TOGETHER_ELSEWHERE)
    for channels, chosen in ((1, some & grey), (3, some & ~grey)):
        faces = chosen.nonzero()[:, 0]
        size = max(1, together // max(1, channels * gone.shape[1] * gone.shape[2]))
        for start in range(0, len(faces), size):
            part = faces[start : start + size]
            solved = _solve(images[part, :channels], gone[part], tolerance).to(out.dtype)
            out[part] = torch.where(gone[part, None], solved, images[part])
    return out


class _Frame:
    """Planes ``(H, W, N)`` with a frame of zeros around them, in one row of numbers.

    In a row a neighbour lies at a constant distance, so that a blur is a sum of four shifted rows.
    It gives the ``span`` from the first pixel of the planes to the last, which is what all other
    arrays of that size hold; what they hold on the frame between the lines is never used.
    """

    def __init__(self, height: int, width: int, depth: int, device: torch.device) -> None:
        self.shape = (height, width, depth)
        self.line = (width + 2) * depth
        self.total = (height + 2) * self.line
        self.device = device
        self._scratch = [torch.empty(self.total, device=device) for _ in range(2)]

    def row(self, planes: Tensor | None = None) -> Tensor:
        """The whole row of planes ``(H, W, N)``, or of zeros."""
        row = torch.zeros(self.total, device=self.device)
        if planes is not None:
            self.planes(row).copy_(planes)
        return row

    def framed(self, row: Tensor) -> Tensor:
        """View ``(H + 2, W + 2, N)`` of a row."""
        return row.view(self.shape[0] + 2, self.shape[1] + 2, self.shape[2])

    def planes(self, row: Tensor) -> Tensor:
        """View ``(H, W, N)`` of a row."""
        return self.framed(row)[1:-1, 1:-1]

    def span(self, row: Tensor) -> Tensor:
        """View of a row from the first pixel of the planes to the last."""
        first = self.line + self.shape[2]
        return row[first : self.total - first]

    def blur(self, row: Tensor) -> tuple[list[_Sum], Tensor]:
        """Sums that blur a row, and the span where the blurred planes then stand."""
        sums: list[_Sum] = []
        size = self.total
        for number, shift in enumerate((self.shape[2], self.shape[2], self.line, self.line)):
            size -= shift
            into = self._scratch[number % 2][:size]
            sums.append((row[:size], row[shift : shift + size], 1, into))
            row = into
        return sums, row

    def blurred(self, row: Tensor) -> Tensor:
        """The span of a row's blur, until the next one overwrites it."""
        sums, out = self.blur(row)
        _run(sums)
        return out

    def coarser(self) -> _Frame:
        """Every other line and column, beginning with the first."""
        height, width, depth = self.shape
        return _Frame((height + 1) // 2, (width + 1) // 2, depth, self.device)

    def down(self, row: Tensor, coarse: _Frame, into: Tensor) -> list[_Sum]:
        """Sums that blur a row and keep what falls on the coarser planes."""
        fine, (height, width, depth) = self.framed(row), coarse.shape
        lines = torch.empty(height, self.shape[1] + 2, depth, device=self.device)
        out = coarse.planes(into)
        return [
            (fine[0 : 2 * height - 1 : 2], fine[2 : 2 * height + 1 : 2], 1, lines),
            (lines, fine[1 : 2 * height : 2], 2, lines),
            (lines[:, 0 : 2 * width - 1 : 2], lines[:, 2 : 2 * width + 1 : 2], 1, out),
            (out, lines[:, 1 : 2 * width : 2], 2, out),
        ]

    def up(self, row: Tensor, coarse: _Frame, into: Tensor) -> list[_Sum]:
        """Sums that interpolate coarser planes linearly, four times as large."""
        high, wide, depth = coarse.shape
        height, width, _ = self.shape
        known = coarse.framed(row)[1:, 1:]
        lines = torch.empty(high + 1, width, depth, device=self.device)
        out = self.planes(into)
        return [
            (known[:, :wide], known[:, :wide], 1, lines[:, 0::2]),
            (known[:, : width // 2], known[:, 1 : width // 2 + 1], 1, lines[:, 1::2]),
            (lines[:high], lines[:high], 1, out[0::2]),
            (lines[: height // 2], lines[1 : height // 2 + 1], 1, out[1::2]),
        ]


def _run(sums: Sequence[_Sum]) -> None:
    for first, second, factor, into in sums:
        torch.add(first, second, alpha=factor, out=into)


class _Level:
    """The system on one grid: (diagonal − B) z = residual at its missing points, zero elsewhere.

    Coarser grids have every other line and column. What known pixels pull at a missing one, its
    leak, is handed down as it is: so also a known pixel between the coarse points is felt there.

    Parameters
    ----------
    frame
        Frame of the masks ``(H, W, M)``.
    missing, leak
        Their row and their span; only missing points' leak counts.
    channels
        C: a mask holds for so many planes. N is C·M, masks fastest.
    """

    def __init__(self, frame: _Frame, missing: Tensor, leak: Tensor, channels: int) -> None:
        height, width, masks = frame.shape
        self.frame = _Frame(height, width, channels * masks, frame.device)
        self.channels = channels
        mask = frame.span(missing)
        diagonal = frame.blurred(missing) + leak
        self.diagonal = self.spread(diagonal)
        self.inverse = self.spread(mask / diagonal.clamp(min=1))
        self.row, self.other = self.frame.row(), self.frame.row()
        self.z, self.y = self.frame.span(self.row), self.frame.span(self.other)
        self.sums, self.blurred = self.frame.blur(self.row)
        self.coarse: _Level | None = None
        if max(height, width) > _COARSEST:
            self._coarsen(frame, missing, mask, leak)

    def spread(self, span: Tensor) -> Tensor:
        """From masks to planes: ``(L·M,)`` to ``(L·C·M,)``."""
        if self.channels == 1:
            return span
        lines = span.view(-1, 1, self.frame.shape[2] // self.channels)  # (L, 1, M)
        return lines.expand(-1, self.channels, -1).reshape(-1)

    def _coarsen(self, frame: _Frame, missing: Tensor, mask: Tensor, leak: Tensor) -> None:
        # a last line without a coarse one behind it is interpolated from one side alone
        ends = [torch.full((side,), 0.5, device=frame.device) for side in frame.shape[:2]]
        for end in ends:
            end[-1] = 0.5 if len(end) % 2 else 1.0
        weight = _Frame(*frame.shape[:2], 1, frame.device)
        weights = weight.span(weight.row((ends[0][:, None] * ends[1])[..., None]))  # (L,)
        share = (weights[:, None] * mask.view(len(weights), -1)).reshape(-1)
        self.share = self.spread(share)
        below = frame.coarser()
        leaks, rest = below.row(), frame.row()
        frame.span(rest).copy_(share * leak)
        _run(frame.down(rest, below, leaks))
        missing_below = below.row(frame.planes(missing)[::2, ::2])
        self.coarse = _Level(below, missing_below, below.span(leaks), self.channels)
        into = self.coarse.frame.row()
        self.residual = self.coarse.frame.span(into)
        self.down = self.frame.down(self.other, self.coarse.frame, into)
        self.up = self.frame.up(self.coarse.row, self.coarse.frame, self.other)

    def cycle(self, residual: Tensor) -> None:
        """Leave an approximate solution in ``z``: one symmetric V-cycle."""
        z, inverse = self.z, self.inverse
        if self.coarse is None:
            torch.mul(residual, inverse, out=z).mul_(_COARSEST_SWEEPS[0])
            for relaxation in _COARSEST_SWEEPS[1:]:
                self._sweep(residual, relaxation)
            return
        torch.mul(residual, inverse, out=z).mul_(_RELAXATION)
        _run(self.sums)
        # what is left of the residual after this first sweep, where there is something missing
        left = self.blurred.add_(residual, alpha=1 - _RELAXATION)
        torch.mul(left, self.share, out=self.y)
        _run(self.down)
        self.coarse.cycle(self.residual)
        _run(self.up)
        z.addcmul_(self.y, self.share)
        self._sweep(residual, _RELAXATION)

    def _sweep(self, residual: Tensor, relaxation: float) -> None:
        """Jacobi's: z ← z + relaxation·(residual − (diagonal − B) z) / diagonal."""
        _run(self.sums)
        self.z.mul_(1 - relaxation)
        self.z.addcmul_(self.blurred.add_(residual), self.inverse, value=relaxation)


def _solve(images: Tensor, gone: Tensor, tolerance: float) -> Tensor:
    """Imputed ``(M, C, H, W)`` of images ``(M, C, H, W)`` of which some pixels are missing."""
    masks, channels, height, width = images.shape
    frame = _Frame(height, width, masks, images.device)
    absent = gone.permute(1, 2, 0)  # (H, W, M)
    missing, given = frame.row(absent), frame.row(~absent)
    level = _Level(frame, missing, frame.blurred(given).clone(), channels)
    present = level.spread(frame.span(given)).view(-1, channels * masks)  # (L, N)
    frame = level.frame
    row, way = frame.row(), frame.row()
    planes = frame.planes(row).unflatten(2, (channels, masks)).permute(3, 2, 0, 1)
    planes.copy_(images.masked_fill(gone[:, None], 0))
    x, step = (frame.span(part).view_as(present) for part in (row, way))
    z, diagonal = level.z.view_as(present), level.diagonal.view_as(present)
    product = torch.empty_like(present)

    def dot(first: Tensor, second: Tensor) -> Tensor:
        return torch.mul(first, second, out=product).sum(dim=0)  # (N,)

    mean = x.sum(dim=0) / (~gone).flatten(1).sum(dim=1).repeat(channels)
    x.sub_(mean).mul_(present)  # what is missing begins with the mean of what is known
    residual = frame.blurred(row).view_as(present).clone()
    sums, end = frame.blur(way)
    bent = end.view_as(present)
    live = torch.ones_like(mean)
    energy = torch.zeros_like(live)
    for _ in range(_MOST_STEPS):
        level.cycle(residual.view(-1))
        previous, energy = energy, dot(residual, z)
        live = live * (energy > tolerance**2)
        if not bool(live.any()):
            break
        turn = torch.where(previous > 0, energy / previous, 0.0)
        torch.addcmul(z, step, turn, out=step)
        _run(sums)
        bent.addcmul_(diagonal, step, value=-1)  # B − diagonal, applied to the step
        curve = dot(step, bent)
        length = live * torch.where(curve < 0, energy / -curve, 0.0)
        x.addcmul_(step, length)
        residual.addcmul_(bent, length)
    x.add_(z).add_(mean)
    return planes.contiguous()
