"""Chance controls: maps that cannot know what the model saw, shaped like those of a real method.

Each takes the maps of a real method, ``(N, K, h, w)`` at its own resolution, so that resolution
and smoothness match; a score means something by its distance to these. All are seeded by face, not
by position, so batch size and order do not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fer_xai.draws.streams import Stream, Streams, stream, streams
from fer_xai.errors import InputError
from fer_xai.registry import Registry
from fer_xai.types import Sliced, undefined_maps

TOGETHER = 64
"""Faces whose pixels a control looks at together; it changes no map."""


@dataclass(frozen=True, kw_only=True)
class ControlInputs:
    """What controls may look at.

    Attributes
    ----------
    maps
        ``(N, K, h, w)`` of the method they are matched to.
    labels
        ``(N,)`` canonical emotion indices.
    ids
        Names of the faces, which seed what is random.
    pixels
        ``(N, 3, H, W)`` uint8, for controls that look at the image alone; of many faces by slices
        (:meth:`fer_xai.types.Faces.sliced`), of which a control takes a few at a time.
    seed
        Seed of the random generators.

    Examples
    --------
    >>> setting = ControlInputs(
    ...     maps=torch.rand(2, 1, 4, 4),
    ...     labels=torch.tensor([0, 5]),
    ...     ids=["one", "two"],
    ...     pixels=torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
    ...     seed=0,
    ... )
    >>> control_maps("other_face_other_emotion", setting).equal(setting.maps.flip(0))
    True
    """

    maps: Tensor
    labels: Tensor
    ids: Sequence[str]
    pixels: Sliced
    seed: int


@dataclass(frozen=True, kw_only=True)
class Control:
    """A control and what it ignores.

    Attributes
    ----------
    make
        From a :class:`ControlInputs` to maps ``(N, K, h, w)``.
    same_for_all
        Whether maps do not depend on the face: their similarity within and between emotions is 1 by
        construction, and no test against them exists.
    meaning
        What the maps are, in words.

    Examples
    --------
    >>> CONTROLS["centre"].same_for_all, CONTROLS["uniform"].meaning
    (True, 'the same value everywhere')
    """

    make: Callable[[ControlInputs], Tensor]
    same_for_all: bool
    meaning: str


CONTROLS: Registry[Control] = Registry(
    "control",
    holds=Control,
    wanted="a fer_xai.attributions.controls.Control",
    remedy="wrap a function of yours in one, which says what it ignores",
)


def control_maps(name: str, setting: ControlInputs) -> Tensor:
    """Maps of a control, at the resolution of the maps it is matched to.

    Parameters
    ----------
    name
        A name of :data:`CONTROLS`.
    setting
        What the control may look at.

    Returns
    -------
    Tensor
        ``(N, K, h, w)``.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown control, or if labels, ids or pixels do not match the maps.

    Examples
    --------
    >>> setting = ControlInputs(
    ...     maps=torch.rand(1, 1, 3, 3),
    ...     labels=torch.tensor([0]),
    ...     ids=["a face"],
    ...     pixels=torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
    ...     seed=0,
    ... )
    >>> control_maps("uniform", setting)
    tensor([[[[1., 1., 1.],
              [1., 1., 1.],
              [1., 1., 1.]]]])
    """
    n = len(setting.maps)
    if not n == len(setting.labels) == len(setting.ids) == len(setting.pixels):
        raise InputError(
            f"Expected one label, id and image for each of {n} maps, got {len(setting.labels)}, "
            f"{len(setting.ids)} and {len(setting.pixels)}."
        )
    return CONTROLS[name].make(setting)


def _of_faces(setting: ControlInputs, use: str) -> Streams:
    return streams((setting.seed, face, use) for face in setting.ids)


def _random(setting: ControlInputs) -> Tensor:
    return _of_faces(setting, "random").rand(*setting.maps.shape[1:])


def _signed_random(setting: ControlInputs) -> Tensor:
    return _of_faces(setting, "signed").randn(*setting.maps.shape[1:])


def _shuffled(setting: ControlInputs) -> Tensor:
    cells = setting.maps.flatten(2)  # (N, K, h·w)
    orders = _of_faces(setting, "shuffled").randperm(cells.shape[2], cells.shape[1])
    return cells.gather(2, orders.to(cells.device)).reshape(setting.maps.shape)


def _donors(setting: ControlInputs, *, same: bool) -> NDArray[np.int64]:
    """For each face another one, of the same or of another emotion; −1 where there is none.

    Each face gives at most once (a face that gave twice would make two maps identical).
    """
    labels = setting.labels.numpy()
    order = np.lexsort((np.array(setting.ids, dtype=str), labels))  # by emotion, then by name
    source = stream(setting.seed, "same" if same else "other", "donors")
    donors = np.full(len(labels), -1, dtype=np.int64)
    if same:
        for emotion in np.flatnonzero(np.bincount(labels) > 1):
            members = order[labels[order] == emotion]
            donors[members] = np.roll(members, 1 + _below(len(members) - 1, source))
        return donors
    donors[order] = order[_strangers(labels[order], source)]
    donors[labels == labels[donors]] = -1  # only if one emotion has more than half of the faces
    return donors


def _strangers(labels: NDArray[np.int64], source: Stream) -> NDArray[np.int64]:
    """A random permutation that brings each face one of another emotion, as far as there is one.

    Faces are drawn from all other emotions: if each emotion were handed on as a whole, its maps
    would stay together under a new name, and the control would look as consistent as the method.
    Faces that drew their own emotion swap with a random one, so that both are served.
    """
    drawn = source.randperm(len(labels)).numpy()
    own = np.flatnonzero(labels[drawn] == labels)
    partners = {  # faces that neither show nor drew the emotion
        emotion: _Places((labels != emotion) & (labels[drawn] != emotion))
        for emotion in np.unique(labels[own]).tolist()
    }
    for face in own[source.randperm(len(own)).numpy()]:
        emotion, got = int(labels[face]), int(labels[drawn[face]])
        if got != emotion or not partners[emotion].count:
            continue  # a swap has served it already, or nobody can
        other = partners[emotion].place(_below(partners[emotion].count, source))
        theirs = int(labels[drawn[other]])
        drawn[[face, other]] = drawn[[other, face]]
        partners[emotion].remove(other)
        if theirs in partners:
            partners[theirs].remove(int(face))
            if theirs != labels[other]:
                partners[theirs].add(other)
    return drawn


class _Places:
    """A set of places below n whose k-th smallest is found in O(log n), by a Fenwick tree.

    Source: Fenwick (1994), A new data structure for cumulative frequency tables.
    """

    def __init__(self, members: NDArray[np.bool_]) -> None:
        sums = np.concatenate([[0], np.cumsum(members)])
        ends = np.arange(len(members) + 1)
        self._tree: list[int] = (sums - sums[ends - (ends & -ends)]).tolist()
        self.count = int(sums[-1])

    def add(self, place: int) -> None:
        self._change(place, 1)

    def remove(self, place: int) -> None:
        self._change(place, -1)

    def _change(self, place: int, by: int) -> None:
        self.count += by
        end = place + 1
        while end < len(self._tree):
            self._tree[end] += by
            end += end & -end

    def place(self, k: int) -> int:
        """The member that k others are smaller than."""
        found, step = 0, 1 << len(self._tree).bit_length()
        while step := step // 2:
            if found + step < len(self._tree) and self._tree[found + step] <= k:
                found += step
                k -= self._tree[found]
        return found


def _below(n: int, source: Stream) -> int:
    return int(source.randint(n))


def _other_face(setting: ControlInputs, *, same: bool) -> Tensor:
    donors = torch.from_numpy(_donors(setting, same=same))
    maps = setting.maps[donors.clamp(min=0)].clone()
    maps[donors < 0] = torch.nan  # no donor: undefined, and counted
    return maps


def _average(setting: ControlInputs) -> Tensor:
    undefined = undefined_maps(setting.maps)  # (N, K), and no part of a mean
    maps = torch.where(undefined[..., None, None], torch.nan, setting.maps)
    mean = maps.nanmean(dim=0, keepdim=True) if bool(undefined.any()) else maps.mean(0, True)
    return mean.expand_as(maps).clone()


def _uniform(setting: ControlInputs) -> Tensor:
    return torch.ones_like(setting.maps)


def centre_cells(side: tuple[int, int], *, sigma: float = 0.25) -> Tensor:
    """A Gaussian on the centre of a grid of cells: the control ``centre``.

    Parameters
    ----------
    side
        ``(h, w)`` cells.
    sigma
        Standard deviation, as a share of each side.

    Returns
    -------
    Tensor
        ``(h, w)``, 1 at the very centre.

    Examples
    --------
    >>> centre_cells((1, 3), sigma=0.5).round(decimals=4)
    tensor([[0.8007, 1.0000, 0.8007]])
    """
    y, x = ((torch.arange(cells) + 0.5) / cells - 0.5 for cells in side)
    return torch.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * sigma**2))


def _centre(setting: ControlInputs) -> Tensor:
    height, width = setting.maps.shape[-2:]
    return centre_cells((height, width)).expand_as(setting.maps).clone()


def _edges(setting: ControlInputs) -> Tensor:
    """Sobel magnitude of the image, averaged into the method's cells."""
    height, width = setting.maps.shape[-2:]
    cells = torch.empty(len(setting.maps), 1, height, width)
    for start in range(0, len(cells), TOGETHER):
        rows = slice(start, start + TOGETHER)
        strength = _edge_strength(setting.pixels[rows])
        cells[rows] = F.adaptive_avg_pool2d(strength[:, None], (height, width))
    return cells.expand_as(setting.maps).clone()


def _edge_strength(pixels: Tensor) -> Tensor:
    """Sobel magnitude ``(n, H, W)`` of the luma of some faces."""
    luma = (pixels.float() * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, True)
    sobel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    kernels = torch.stack([sobel, sobel.T])[:, None]  # (2, 1, 3, 3)
    return F.conv2d(F.pad(luma / 255, (1, 1, 1, 1), mode="replicate"), kernels).norm(dim=1)


def _register(
    name: str, make: Callable[[ControlInputs], Tensor], same_for_all: bool, meaning: str
) -> None:
    CONTROLS.register(name)(Control(make=make, same_for_all=same_for_all, meaning=meaning))


_register("random", _random, False, "uniform noise in the method's own cells")
_register(
    "signed_random",
    _signed_random,
    False,
    "normal noise in the method's own cells, for methods whose maps have a sign",
)
_register("shuffled", _shuffled, False, "each map's own cells in random order")
_register(
    "other_face_same_emotion",
    lambda s: _other_face(s, same=True),
    False,
    "the map of another face with the same emotion",
)
_register(
    "other_face_other_emotion",
    lambda s: _other_face(s, same=False),
    False,
    "the map of a face with another emotion",
)
_register("average", _average, True, "the method's mean map")
_register("uniform", _uniform, True, "the same value everywhere")
_register("centre", _centre, True, "a Gaussian on the image's centre, sigma a quarter of its side")
_register("edges", _edges, False, "image gradients, without a model")
