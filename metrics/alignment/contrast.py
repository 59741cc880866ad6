"""The primary endpoint: do an emotion's maps lie on its own areas rather than on others?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fer_xai.checks import check_choice, check_tensor
from fer_xai.errors import InputError
from metrics.alignment.linear import unit_rows
from metrics.alignment.rows import area_rows, positive_rows, signed_rows

SIMILARITIES = ("cosine", "pearson", "pearson_signed")
_VALUES = 2**22
"""Numbers of maps at a time, so that memory does not grow with the faces."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EmotionContrast:
    """Likenesses of a face's maps of all targets to the areas of all emotions.

    Attributes
    ----------
    similarities
        ``(N, C, C)``: the map of a target (row) and the area of an emotion (column); NaN where
        either is undefined.
    values
        ``(N,)``: the contrast of each face, in [−1, 1]; NaN with fewer than two defined targets.

    Examples
    --------
    >>> areas = torch.eye(4).reshape(1, 4, 2, 2)[:, :2]
    >>> emotion_contrast(areas, areas)
    EmotionContrast(1 face, 2 targets, mean 1, 0 faces undefined)
    """

    similarities: Tensor
    values: Tensor

    def __repr__(self) -> str:
        n, targets = self.similarities.shape[:2]
        return (
            f"EmotionContrast({n} face{'' if n == 1 else 's'}, {targets} targets, mean "
            f"{float(self.values.nanmean()):.4g}, {int(self.values.isnan().sum())} faces undefined)"
        )

    @property
    def defined(self) -> Tensor:
        """Bool ``(N, C)``: for which targets a face has both a map and an area."""
        return self.similarities.diagonal(dim1=1, dim2=2).isfinite()

    @property
    def counts(self) -> Tensor:
        """``(C, C)``: the number of faces for which both emotions are defined."""
        defined = self.defined.long()
        return defined.T @ defined

    @property
    def matrix(self) -> Tensor:
        """``(C, C)``: mean likeness of maps (rows) to areas (columns), over the faces counted in
        :attr:`counts`. Where these differ, its diagonal less the rest is not the mean contrast.
        """
        both = self.defined[:, :, None] & self.defined[:, None, :]
        return self.similarities.double().where(both, torch.nan).nanmean(dim=0).float()

    @property
    def pairs(self) -> Tensor:
        """``(C, C)``: mean contrast of each pair of emotions, ((tt + ss) − (ts + st)) / 2, over the
        faces counted in :attr:`counts`; NaN on the diagonal. Which emotions are told apart?
        """
        pairs = _contrasts(self.similarities.double()).nanmean(dim=0)
        return pairs.fill_diagonal_(torch.nan).float()


def emotion_contrast(maps: Tensor, areas: Tensor, *, similarity: str = "cosine") -> EmotionContrast:
    """Do maps of an emotion lie on its own areas rather than on other emotions'? Higher is more so.

    Each face has a map for every target and an area for every emotion's codebook, hence a C×C
    matrix of cosines (:func:`au_cosine`). Its contrast is the mean of the diagonal less the mean of
    the rest.

    **What cancels.** Whatever adds to a row (a sharp map) or a column (a large or central area) is
    in the diagonal as often as off it. So maps that are the same for all targets score 0 exactly,
    and so does, in expectation, every map that is drawn without regard to the target: the centre,
    a random map, the face's own average. Taking row and column means off first (double centring)
    changes nothing: the contrast of the centred matrix is the same number, and the mean of its
    diagonal is (C − 1)/C of it. Cosines are bounded by √f of the area, so that a *product* of row
    and column effects would not cancel: maps that are wider for targets with larger areas have a
    positive contrast. ``similarity="pearson"``, which takes the means off maps and areas, is the
    sensitivity to it, and untrained networks are the floor.

    **Undefined targets.** A blank map or an empty area takes its target out of both rows and
    columns of that face, whose contrast is that of the block that is left, which is the mean of
    ((tt + ss) − (ts + st)) / 2 over its pairs t, s of defined targets. In each such 2×2 block row
    and column effects cancel, whichever targets are missing and why; in a mean over all defined
    entries they would not, since a blank map leaves its column behind. Faces with fewer than two
    defined targets have no contrast (NaN). Faces then differ in their targets: ``pairs`` has the
    mean of each pair, and ``defined.all(dim=1)`` the faces that have all.

    Parameters
    ----------
    maps
        ``(N, C, H, W)``: the maps of all C targets.
    areas
        ``(N, C, H, W)``, bool or from 0 to 1: the areas of the same emotions in the same order.
    similarity
        ``cosine`` of φ⁺ and the area (as declared for the primary endpoint), ``pearson`` of them
        over pixels, or ``pearson_signed``: Pearson of φ itself and the area, where relevance
        against the emotion lowers the likeness, and a map without a positive value is defined.

    Returns
    -------
    EmotionContrast
        ``.values`` ``(N,)``, one contrast a face, whose mean and interval are the endpoint;
        ``.matrix``, ``.counts`` and ``.pairs`` ``(C, C)``; ``.similarities`` ``(N, C, C)``.

    Raises
    ------
    InputError
        If maps and areas do not fit, there are fewer than two emotions, or areas leave [0, 1].

    Examples
    --------
    >>> areas = torch.eye(4).reshape(1, 4, 2, 2)
    >>> emotion_contrast(areas, areas).values
    tensor([1.])
    >>> everywhere_the_same = areas[:, :1].expand(-1, 4, -1, -1)
    >>> emotion_contrast(everywhere_the_same, areas).values
    tensor([0.])
    """
    check_choice("similarity", similarity, SIMILARITIES)
    check_emotion_areas(areas)
    check_tensor("maps", maps, "(N, C, H, W)")
    if maps.shape != areas.shape:
        raise InputError(
            f"Expected maps and areas (N, C, H, W) of the same faces, emotions and size, got "
            f"{tuple(maps.shape)} and {tuple(areas.shape)}."
        )
    n, targets, height, width = maps.shape
    chunk = max(1, _VALUES // (targets * height * width))
    centred = similarity != "cosine"
    read = signed_rows if similarity == "pearson_signed" else positive_rows
    parts = [torch.zeros(0, targets, targets, dtype=torch.float64)]
    for start in range(0, n, chunk):
        part = slice(start, start + chunk)
        shown = unit_rows(read(maps[part].flatten(0, 1)), centred=centred)
        shown = shown.reshape(-1, targets, height * width)  # (n, C, P)
        inside = unit_area_rows(areas[part], centred=centred)
        # a column at a time, and no matrix product: equal maps have equal rows, to the last bit
        columns = [(shown * inside[:, s : s + 1]).sum(dim=2) for s in range(targets)]
        parts.append(torch.stack(columns, dim=2))
    similarities = torch.cat(parts)
    values = _contrasts(similarities)
    values = values.masked_fill(torch.eye(targets, dtype=torch.bool), torch.nan)
    return EmotionContrast(
        similarities=similarities.float(), values=values.flatten(1).nanmean(dim=1).float()
    )


def check_emotion_areas(areas: Tensor) -> None:
    """Areas ``(N, C, H, W)`` of two emotions or more.

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> check_emotion_areas(torch.ones(3, 1, 4, 4))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected areas (N, C, H, W) of C = 2 emotions or more, got (3, 1, ...
    """
    check_tensor("areas", areas, "(N, C, H, W)")
    if areas.ndim != 4 or areas.shape[1] < 2:
        raise InputError(
            f"Expected areas (N, C, H, W) of C = 2 emotions or more, got {tuple(areas.shape)}."
        )


def unit_area_rows(areas: Tensor, *, centred: bool = False) -> Tensor:
    """Areas ``(N, C, H, W)`` as rows ``(N, C, P)`` of length 1, float64; NaN for undefined ones.

    Examples
    --------
    >>> unit_area_rows(torch.tensor([[[[1.0, 0.0]], [[0.0, 0.0]]]])).tolist()
    [[[1.0, 0.0], [nan, nan]]]
    """
    rows = area_rows(areas.flatten(0, 1), binary=False)
    return unit_rows(rows, centred=centred).reshape(*areas.shape[:2], -1)


def _contrasts(similarities: Tensor) -> Tensor:
    """Contrasts of all pairs of emotions ``(N, C, C)``; NaN where a map or an area is undefined.

    In this order of additions equal rows give exactly 0.
    """
    own = similarities.diagonal(dim1=1, dim2=2)
    other = similarities + similarities.transpose(1, 2)
    return ((own[:, :, None] + own[:, None, :]) - other) / 2
