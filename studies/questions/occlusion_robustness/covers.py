"""What is put before the faces: occluders, random patches of the same area, cells of a grid."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.attributions.controls import centre_cells
from fer_xai.perturb import guided_patches, occlusions, random_patches
from fer_xai.perturb.occluders.core import Fitted, Occluded
from fer_xai.perturb.occluders.frame import FaceFrame
from fer_xai.perturb.occluders.patches import Patch

OCCLUDERS = (
    *("eyes", "brows", "nose", "mouth", "upper", "lower", "left", "right"),
    *("sunglasses", "surgical_mask", "hand"),
)
"""Occluders that the endpoint is declared for."""
DRAWN = ("sunglasses", "surgical_mask", "hand")
"""Those that have a look of their own."""
FILL = "black"
"""Fill of the endpoint: what hides, and a patch that hides as much, differ by their place alone."""
FILLS = ("mean", "grey", "blur")
"""Fills of the sensitivity."""
LOOK = "drawn"
"""What stands in place of a fill where an occluder has the look of its own."""
AREAS = (0.05, 0.1, 0.2, 0.4)
"""Shares of the face that are hidden in the sweep."""
DRAWS = 2
"""Random patches a face, whose mean is the chance floor; the sensitivity takes the first alone."""
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of the cells of the grid that are hidden (Latent-OFER)."""
RANDOM, CENTRE, RANDOM_MAP = "random", "centre", "random map"
"""Orders in which cells are hidden that know nothing of the model: scattered at random, from the
centre outwards, and by a random map of Grad-CAM's resolution, whose cells hang together as those of
a map do."""
CHANCE = (RANDOM, CENTRE, RANDOM_MAP)
N_COVERS = (
    len(OCCLUDERS) * (1 + len(AREAS))
    + len(DRAWN)
    + DRAWS * (len(OCCLUDERS) + len(AREAS))
    + len(FILLS) * 2 * len(OCCLUDERS)
)
"""Number of covers of :meth:`Seen.covers`."""


def n_grids(maps: Collection[str]) -> int:
    """Number of covers of :meth:`Seen.grids`.

    Parameters
    ----------
    maps
        Names of the maps.

    Examples
    --------
    >>> n_grids(["gradcam"])
    27
    """
    return len(SHARES) * (len({RANDOM, CENTRE}) + len(maps))


class Cover(NamedTuple):
    """What is put before the faces.

    Attributes
    ----------
    kind
        ``clean``, ``occluder``, ``patch`` or ``grid``.
    name
        Name of the occluder, of the one that the patch is as large as (``area`` in the sweep), or
        of the attribution or control by which cells are hidden.
    share
        Share of the face, or of the grid's cells; NaN for an occluder's own size.
    fill
        Fill, or ``drawn``.
    draw
        Number of the random patch.

    Examples
    --------
    >>> Cover("occluder", "mouth", float("nan"), "black", 0).name
    'mouth'
    """

    kind: str
    name: str
    share: float
    fill: str
    draw: int


class Seen:
    """Some faces, as what covers them sees them.

    Parameters
    ----------
    images
        ``(B, 3, H, W)`` in [0, 1].
    points
        ``(B, 68, 2)``, all known.
    ids
        Names of the faces, which seed random places.
    seed
        Seed of the study.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> seen = Seen(torch.ones(1, 3, 64, 64), canonical_landmarks()[None], ids=["a"], seed=0)
    >>> len(list(seen.covers())), seen.own_masks().shape
    (154, torch.Size([1, 22, 64, 64]))
    """

    def __init__(
        self, images: Tensor, points: NDArray[np.float32], *, ids: Sequence[str], seed: int
    ) -> None:
        self.images, self.points, self.ids, self.seed = images, points, list(ids), seed

    def covers(self) -> Iterator[tuple[Cover, Occluded]]:
        """Occluders in their own size and in the sweep's, and the patches that they are held to."""
        sizes: tuple[float | None, ...] = (None, *AREAS)
        for name, share, found in self._occluded(OCCLUDERS, sizes, FILL):
            yield Cover("occluder", name, _number(share), FILL, 0), found
        for name, _, found in self._occluded(DRAWN, (None,), None):
            yield Cover("occluder", name, float("nan"), LOOK, 0), found
        for draw in range(DRAWS):
            for name, _, found in self._patches(OCCLUDERS, FILL, draw):
                yield Cover("patch", name, float("nan"), FILL, draw), found
            for _, share, found in self._occluded(["patch"], AREAS, FILL, draw):
                yield Cover("patch", "area", _number(share), FILL, draw), found
        for fill in FILLS:
            for name, _, found in self._occluded(OCCLUDERS, (None,), fill):
                yield Cover("occluder", name, float("nan"), fill, 0), found
            for name, _, found in self._patches(OCCLUDERS, fill, 0):
                yield Cover("patch", name, float("nan"), fill, 0), found

    def grids(self, maps: Mapping[str, Tensor]) -> Iterator[tuple[Cover, Occluded]]:
        """Cells that are hidden at random, from the centre outwards, and by each map.

        Parameters
        ----------
        maps
            Maps ``(B, H, W)`` by the attribution's name.
        """
        height, width = self.images.shape[-2:]
        centre = centre_cells((height, width)).expand(len(self.images), height, width)
        for share in SHARES:
            found = random_patches(
                self.images, share=share, fill=FILL, ids=self.ids, seed=self.seed
            )
            yield Cover("grid", RANDOM, share, FILL, 0), found
            for name, one in {CENTRE: centre, **maps}.items():
                found = guided_patches(
                    self.images, one, share=share, fill=FILL, ids=self.ids, seed=self.seed
                )
                yield Cover("grid", name, share, FILL, 0), found

    def own_masks(self) -> Tensor:
        """Bool ``(B, 2K, H, W)``: the K occluders in their own size, then patches as large."""
        parts = [
            *(found.masks for _, _, found in self._occluded(OCCLUDERS, (None,), FILL)),
            *(found.masks for _, _, found in self._patches(OCCLUDERS, FILL, 0)),
        ]
        return torch.stack(parts, dim=1)

    def patches_of(self, regions: Tensor, draw: int) -> Tensor:
        """Random patches that hide as many pixels of the face as each region.

        Parameters
        ----------
        regions
            Bool ``(B, R, H, W)``.
        draw
            Number of the patch.

        Returns
        -------
        Tensor
            Bool ``(B, R, H, W)``; empty for a region outside of the face.
        """
        height, width = self.images.shape[-2:]
        frame = FaceFrame(
            self.points, height=height, width=width, ids=self.ids, seed=self._seed(draw)
        )
        counts = (regions.cpu() & frame.face[:, None]).flatten(2).sum(dim=2)  # (B, R)
        return torch.stack(
            [Fitted(_AsLarge(column), frame).sized().masks for column in counts.unbind(dim=1)],
            dim=1,
        )

    def face_pixels(self) -> NDArray[np.int64]:
        """``(B,)`` pixels of each face in its image."""
        height, width = self.images.shape[-2:]
        frame = FaceFrame(self.points, height=height, width=width, ids=self.ids, seed=self.seed)
        return np.asarray(frame.pixels.numpy(), dtype=np.int64)

    def _seed(self, draw: int) -> int:
        return DRAWS * self.seed + draw

    def _occluded(
        self,
        names: Sequence[str],
        shares: Sequence[float | None],
        fill: str | None,
        draw: int = 0,
    ) -> Iterator[tuple[str, float | None, Occluded]]:
        return occlusions(
            self.images,
            self.points,
            names,
            shares=shares,
            fill=fill,
            ids=self.ids,
            seed=self._seed(draw),
        )

    def _patches(
        self, names: Sequence[str], fill: str, draw: int
    ) -> Iterator[tuple[str, float | None, Occluded]]:
        """Patches as large as each occluder, by its name."""
        for name, share, found in self._occluded(
            [f"patch:{one}" for one in names], [None], fill, draw
        ):
            yield name.removeprefix("patch:"), share, found


class _AsLarge(Patch):
    """A random patch that hides so many pixels of each face."""

    def __init__(self, pixels: Tensor) -> None:
        super().__init__()
        self._pixels = pixels

    def counts(self, frame: FaceFrame) -> Tensor:
        del frame
        return self._pixels


def _number(share: float | None) -> float:
    return float("nan") if share is None else share
