"""Orders of pixels, and images from which the first of them were taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from fer_xai.checks import check_images, check_length
from fer_xai.errors import InputError
from fer_xai.perturb import fill_images
from fer_xai.probe import Classifier, Probe
from fer_xai.seeding import generator

Order = Literal["morf", "lerf"]
"""Most relevant pixels first, or least relevant first (Samek et al., TNNLS 2017)."""
LEVELS = 2**16
"""Maps are rounded to this share of their largest magnitude before they are ranked: they move by
1e-6 with the batch size, and on the plateaus of an enlarged map 13 % of ranks would then swap."""


def rank_pixels(maps: Tensor, *, seed: int = 0, ids: Sequence[str] | None = None) -> Tensor:
    """Rank of each pixel, 0 for the most relevant.

    Signed maps stay signed: what speaks against the target comes last. Ties are broken at random,
    by (seed, face): a map that is zero everywhere gives a random order, and not the image's rows.

    Parameters
    ----------
    maps
        ``(B, H, W)``, finite.
    seed, ids
        Of the ties; faces go by their position where they have no ids.

    Returns
    -------
    Tensor
        int32 ``(B, H, W)``; each rank from 0 to H·W − 1 occurs once a face.

    Raises
    ------
    InputError
        If the maps are not ``(B, H, W)``, or not finite.

    Examples
    --------
    >>> rank_pixels(torch.tensor([[[0.5, 2.0], [-1.0, 0.0]]]))
    tensor([[[1, 0], [3, 2]]], dtype=torch.int32)
    """
    if maps.ndim != 3:
        raise InputError(f"Expected maps (B, H, W), got {tuple(maps.shape)}.")
    if not bool(torch.isfinite(maps).all()):
        raise InputError("Expected finite maps to rank pixels by: leave undefined ones out.")
    names = [str(index) for index in range(len(maps))] if ids is None else list(ids)
    check_length("ids", len(names), len(maps))
    rows = maps.flatten(1).double()  # (B, P)
    top = rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-300)
    levels = (rows / top * LEVELS).round().cpu()
    out = torch.empty(levels.shape, dtype=torch.int32)
    for face, name in enumerate(names):
        shuffled = torch.randperm(levels.shape[1], generator=generator(seed, name, "ties"))
        # a stable sort of the shuffled pixels leaves ties in random order
        order = shuffled[levels[face, shuffled].argsort(descending=True, stable=True)]
        out[face, order] = torch.arange(levels.shape[1], dtype=torch.int32)
    return out.reshape(maps.shape).to(maps.device)


class Ledger:
    """Logits of faces with pixels taken away; each distinct image is scored once.

    What a metric asks for is kept: the clean face, the wholly filled one, and every
    (ranking, fill, order, count) are shared by all metrics that are given one ledger. Images are
    made on the device, a batch at a time, across faces and counts.

    Parameters
    ----------
    model
        A classifier, or a probe of one.
    images
        ``(B, 3, H, W)`` in [0, 1].
    ids, seed
        What seeds random fills and ties.

    Attributes
    ----------
    passes
        How many images were scored so far.
    """

    def __init__(
        self,
        model: Classifier | Probe,
        images: Tensor,
        *,
        ids: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.probe = model if isinstance(model, Probe) else Probe(model)
        check_images(images)
        self.ids = [str(index) for index in range(len(images))] if ids is None else list(ids)
        check_length("ids", len(self.ids), len(images))
        self.images = images.to(self.probe.device).contiguous(memory_format=torch.channels_last)
        self.seed, self.passes = seed, 0
        self._fills: dict[str, Tensor] = {}
        self._ranks: dict[int, tuple[Tensor, Tensor]] = {}  # of maps, held for their id
        self._whole: dict[tuple[str, ...], Tensor] = {}  # clean and empty
        # of each ranking, which is held so that its id stays its own, logits by count
        self._removed: dict[tuple[int, str, str], tuple[Tensor, dict[int, Tensor]]] = {}

    def __len__(self) -> int:
        return len(self.images)

    @property
    def pixels(self) -> int:
        """P, pixels of a face."""
        return self.images.shape[-2] * self.images.shape[-1]

    def filled(self, fill: str) -> Tensor:
        """Images ``(B, 3, H, W)`` of a fill."""
        if fill not in self._fills:
            sources = [generator(self.seed, name, f"fill {fill}") for name in self.ids]
            self._fills[fill] = fill_images(self.images, fill, sources)
        return self._fills[fill]

    def ranked(self, maps: Tensor) -> Tensor:
        """Ranks of maps ``(B, H, W)``, sorted once however many metrics ask."""
        if id(maps) not in self._ranks:
            found = rank_pixels(maps, seed=self.seed, ids=self.ids).to(self.probe.device)
            self._ranks[id(maps)] = (maps, found)
        return self._ranks[id(maps)][1]

    def clean(self) -> Tensor:
        """Logits ``(B, C)`` of the faces as they are."""
        return self._once(("clean",), lambda faces: self.images[faces])

    def empty(self, fill: str) -> Tensor:
        """Logits ``(B, C)`` of the fill alone."""
        return self._once(("empty", fill), lambda faces: self.filled(fill)[faces])

    def removed(self, ranks: Tensor, counts: Sequence[int], *, fill: str, order: Order) -> Tensor:
        """Logits of faces without their first pixels.

        Parameters
        ----------
        ranks
            int32 ``(B, H, W)`` of :func:`rank_pixels`; one tensor is one ranking.
        counts
            How many pixels are taken, S of them, from 0 to P.
        fill
            What stands in their place.
        order
            ``morf`` takes the most relevant first, ``lerf`` the least relevant.

        Returns
        -------
        Tensor
            ``(B, S, C)`` float32 on the CPU.

        Raises
        ------
        InputError
            If ranks do not fit the images, or a count is out of range.
        """
        if ranks.shape != (len(self), *self.images.shape[-2:]):
            raise InputError(
                f"Expected ranks {(len(self), *self.images.shape[-2:])} to fit the images, got "
                f"{tuple(ranks.shape)}: bring maps to the images' size."
            )
        total = self.pixels
        if any(not 0 <= count <= total for count in counts):
            raise InputError(f"Expected counts from 0 to {total} pixels, got {list(counts)}.")
        inner = sorted({int(count) for count in counts} - {0, total})
        _, held = self._removed.setdefault((id(ranks), fill, order), (ranks, {}))
        wanted = [count for count in inner if count not in held]
        if wanted:
            found = self._run(ranks.to(self.probe.device), wanted, fill=fill, order=order)
            held.update({count: found[:, place] for place, count in enumerate(wanted)})
        if 0 in counts:
            held[0] = self.clean()
        if total in counts:
            held[total] = self.empty(fill)
        return torch.stack([held[int(count)] for count in counts], dim=1)

    def _run(self, ranks: Tensor, counts: Sequence[int], *, fill: str, order: Order) -> Tensor:
        """Logits ``(B, S, C)``, batches filled across faces and counts."""
        filled, total, n = self.filled(fill), self.pixels, len(counts)
        limits = torch.tensor(counts, device=self.probe.device, dtype=torch.int32)
        step = self.probe.batch_size_for(len(self) * n)
        parts = []
        for start in range(0, len(self) * n, step):
            rows = torch.arange(start, min(start + step, len(self) * n), device=self.probe.device)
            faces, limit = rows // n, limits[rows % n][:, None, None]
            gone = ranks[faces] < limit if order == "morf" else ranks[faces] >= total - limit
            images = torch.where(gone[:, None], filled[faces], self.images[faces])
            parts.append(self.score(images))
        return torch.cat(parts).unflatten(0, (len(self), n))

    def _once(self, key: tuple[str, ...], make: Callable[[Tensor], Tensor]) -> Tensor:
        if key not in self._whole:
            rows = torch.arange(len(self), device=self.probe.device)
            step = self.probe.batch_size_for(len(self))
            parts = [self.score(make(part)) for part in rows.split(step)] if len(self) else []
            classes = len(self.probe.emotions)
            self._whole[key] = torch.cat(parts) if parts else torch.zeros(0, classes)
        return self._whole[key]

    def score(self, images: Tensor) -> Tensor:
        """Logits ``(M, C)`` on the CPU of one batch that is there, counted."""
        self.passes += len(images)
        return self.probe.run(images.contiguous(memory_format=torch.channels_last)).cpu()
