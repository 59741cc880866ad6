"""Do sums of a map say how far the score moves? Random changes of a face, and their effects."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from fer_xai.checks import check_choice, check_count, check_length, check_number, check_shares
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.pixel_order import average_ranks
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import FLAT, ScoreCache, cache_of
from metrics.core.scores import OUTPUTS, Output, check_maps, target_scores
from metrics.core.undefined import nan_where_undefined, without_undefined
from metrics.faithfulness.deletion import Curve

SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75)
"""Shares of pixels that sensitivity-n takes."""
SMALL = 0.01
"""Changes, of pixels in [0, 1], of the scaled infidelity that is registered. Of changes as large as
0.2 what a trained network's score does is next to nothing first-order, and its own gradient
foretells no more of it than noise."""
Scaling = Literal["none", "free", "share"]
Correlation = Literal["pearson", "spearman"]


class Draws:
    """Random changes of each face, drawn when they are needed, the same whatever the batch.

    Parameters
    ----------
    cache
        Whose faces they are of.
    salt
        What tells these draws from others of the face.
    draw
        From a generator to the draws of one face, ``(M, …)``.
    """

    def __init__(
        self, cache: ScoreCache, salt: str, draw: Callable[[torch.Generator], Tensor]
    ) -> None:
        self.cache, self.salt, self.draw = cache, salt, draw
        self._last: dict[int, Tensor] = {}

    def __getitem__(self, face: int) -> Tensor:
        if face not in self._last:
            while len(self._last) > 1:  # faces come one after another
                del self._last[next(iter(self._last))]
            self._last[face] = self.draw(self.cache.generator(face, self.salt))
        return self._last[face]

    def rows(self, faces: Tensor, numbers: Tensor) -> Tensor:
        """Draws ``(M, …)`` of faces and numbers, on the cache's device."""
        found = [
            self[face][number]
            for face, number in zip(faces.tolist(), numbers.tolist(), strict=True)
        ]
        return torch.stack(found).to(self.cache.predictor.device)


def infidelity(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    samples: int = 64,
    sigma: float = 0.2,
    scaling: Scaling = "none",
    output: Output = "logit",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Tensor:
    """Does the map, times a change of the image, foretell the change of the score? Lower is better.

    E[(Iᵀφ − (f(x) − f(x − I)))²] over I ~ N(0, σ²), one value a pixel for its three channels, so
    that φ may be a map whose channels were added up (Yeh et al., NeurIPS 2019, eq. 1). The plain
    value depends on the map's units: it is meant for gradients, and compares nothing else.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a cache of these images, which other metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1]; changed ones are not clamped to it.
    maps
        ``(B, H, W)``.
    targets
        ``(B,)`` canonical emotion indices.
    samples, sigma
        Number and standard deviation of changes.
    scaling
        ``free``: of the best multiple of the map, as Captum's ``normalize=True`` has it, which
        makes maps of all methods comparable, and turns a blind eye to their sign; ``share``: the
        same as a share of E[Δ²], which makes faces and models comparable too, over 1 − 1/M for
        the multiple that was fitted to the same M changes (as adjusted R² has it), so that a map
        that foretells nothing has 1 on average, and M/(M − 1) at worst. One that is zero
        everywhere has E[Δ²], or 1.
    output
        Logit, probability or log-probability: that which was explained.
    ids, seed
        Of the changes.

    Returns
    -------
    Tensor
        ``(B,)``; NaN for a map that is not finite.

    Raises
    ------
    InputError
        For maps or targets that do not fit, an unknown scaling, or fewer than two samples.
    """
    cache = cache_of(model, images, ids=ids, seed=seed)
    check_maps(cache, maps)
    check_count("samples", samples, low=2)
    check_number("sigma", sigma, 0)
    check_choice("scaling", scaling, get_args(Scaling))
    check_choice("output", output, OUTPUTS)
    size = cache.images.shape[-2:]
    draws = Draws(cache, "infidelity", lambda g: sigma * torch.randn(samples, *size, generator=g))
    logits = cache.ask(
        ("infidelity", samples, sigma),
        lambda faces, numbers: cache.images[faces] - draws.rows(faces, numbers)[:, None],
        copies=samples,
    )
    drops = _drops(cache, logits, targets, output)
    foretold = (
        torch.stack(
            [
                draws[face].flatten(1).double() @ one.flatten().cpu().double()
                for face, one in enumerate(without_undefined(maps))
            ]
        )
        if len(cache)
        else drops
    )
    if scaling != "none":
        size_of = (foretold**2).mean(dim=1)
        beta = (foretold * drops).mean(dim=1) / size_of.clamp(min=1e-300)
        foretold = foretold * beta[:, None]
    left = ((foretold - drops) ** 2).mean(dim=1)
    if scaling == "share":
        all_of_it = (drops**2).mean(dim=1)
        left = left / torch.where(size_of > 0, 1 - 1 / samples, 1.0)
        left = torch.where(all_of_it > FLAT**2, left / all_of_it, torch.nan)
    return nan_where_undefined(left.float(), maps)


def mu_fidelity(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    grid: int = 9,
    share: float = 0.2,
    samples: int = 200,
    fill: str = "blur",
    correlation: Correlation = "pearson",
    output: Output = "logit",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Tensor:
    """Do sums of the map over random cells go with what is lost without them? Higher is better.

    Correlation over subsets of the cells of a grid (Bhatt et al., IJCAI 2020, definition 3, which
    asks for Pearson's; grid and share are those of Fel et al., "Xplique", 2022, which asks for
    Spearman's). Parameters are those of :func:`infidelity`, and:

    Parameters
    ----------
    grid
        Cells a side; pixel y belongs to cell ⌊y · grid / H⌋, so sides need not divide.
    share
        Of the cells that is taken.
    fill
        What stands in their place.
    correlation
        ``pearson`` or ``spearman``.

    Returns
    -------
    Tensor
        ``(B,)`` in [−1, 1]; NaN where sums or scores do not vary, or the map is not finite.
    """
    cache = cache_of(model, images, ids=ids, seed=seed)
    check_maps(cache, maps)
    check_count("samples", samples, low=2)
    check_choice("correlation", correlation, get_args(Correlation))
    check_choice("output", output, OUTPUTS)
    check_count("grid", grid)
    check_number("share", share, 0, 1)
    height, width = cache.images.shape[-2:]
    taken = round(share * grid * grid)
    if grid > min(height, width) or not 1 <= taken < grid * grid:
        raise InputError(
            f"Expected a grid of 1 to {min(height, width)} cells a side of which a share is taken, "
            f"got grid {grid} and share {share}."
        )
    cell = cells_of(height, width, grid).to(cache.predictor.device)  # (H, W)

    def subsets(g: torch.Generator) -> Tensor:
        order = torch.rand(samples, grid * grid, generator=g).argsort(dim=1)
        return torch.zeros(samples, grid * grid, dtype=torch.bool).scatter(
            1, order[:, :taken], value=True
        )

    draws = Draws(cache, f"mu {grid}", subsets)
    logits = cache.ask(
        ("mu", grid, taken, samples, fill),
        lambda faces, numbers: cache.blended(faces, draws.rows(faces, numbers)[:, cell], fill),
        copies=samples,
    )
    drops = _drops(cache, logits, targets, output)
    flat = torch.nn.functional.one_hot(cell.flatten().cpu(), grid * grid).double()  # (P, cells)
    sums = without_undefined(maps).flatten(1).cpu().double() @ flat
    given = (
        torch.stack([draws[face].double() @ one for face, one in enumerate(sums)])
        if len(cache)
        else drops
    )
    return nan_where_undefined(_correlated(given, drops, correlation), maps)


def sensitivity_n(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    shares: Sequence[float] = SHARES,
    samples: int = 100,
    fill: str = "blur",
    correlation: Correlation = "pearson",
    output: Output = "logit",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Curve:
    """Do sums of the map over n random pixels go with what is lost without them, for every n?

    Ancona et al., "Towards better understanding of gradient-based attribution methods", ICLR 2018,
    sec. 4. Higher is better. Parameters are those of :func:`mu_fidelity`; of 100 samples a share a
    face's mean over six shares is off by about .04, of 32 by .07, as much as methods differ.

    Returns
    -------
    Curve
        Correlations ``(B, S)`` at the shares of pixels that were taken.
    """
    cache = cache_of(model, images, ids=ids, seed=seed)
    check_maps(cache, maps)
    check_count("samples", samples, low=2)
    check_choice("correlation", correlation, get_args(Correlation))
    check_choice("output", output, OUTPUTS)
    check_shares("shares", shares)
    size, total = cache.images.shape[-2:], cache.pixels
    counts = [round(share * total) for share in shares]
    if any(not 1 <= count < total for count in counts):
        raise InputError(f"Expected shares between none and all of {total} pixels, got {shares}.")
    scores = []
    for count in counts:

        def subsets(g: torch.Generator, count: int = count) -> Tensor:
            drawn = torch.rand(samples, total, generator=g)
            first = drawn.topk(count, dim=1, largest=False, sorted=False).indices
            gone = torch.zeros(samples, total, dtype=torch.bool)
            return gone.scatter(1, first, value=True).unflatten(1, size)

        draws = Draws(cache, f"sensitivity {count}", subsets)
        logits = cache.ask(
            ("sensitivity-n", count, samples, fill),
            lambda faces, numbers, draws=draws: cache.blended(  # type: ignore[misc]
                faces, draws.rows(faces, numbers), fill
            ),
            copies=samples,
        )
        drops = _drops(cache, logits, targets, output)
        given = (
            torch.stack(
                [
                    draws[face].flatten(1).double() @ one.flatten().cpu().double()
                    for face, one in enumerate(without_undefined(maps))
                ]
            )
            if len(cache)
            else drops
        )
        scores.append(nan_where_undefined(_correlated(given, drops, correlation), maps))
    return Curve(fractions=torch.tensor(counts) / total, scores=torch.stack(scores, dim=1))


def cells_of(height: int, width: int, grid: int) -> Tensor:
    """``(H, W)``: the cell of each pixel."""
    y, x = torch.arange(height) * grid // height, torch.arange(width) * grid // width
    return y[:, None] * grid + x


def _drops(cache: ScoreCache, logits: Tensor, targets: Tensor, output: Output) -> Tensor:
    """What each copy lost, ``(B, M)`` float64."""
    clean = target_scores(cache, cache.clean()[:, None], targets, output)
    return (clean - target_scores(cache, logits, targets, output)).double()


def _correlated(given: Tensor, drops: Tensor, kind: Correlation) -> Tensor:
    """``(B,)`` over samples ``(B, M)``; NaN where either does not vary, or is not finite."""
    check_length("rows of sums", len(given), len(drops))
    undefined = (
        ~given.isfinite().all(dim=1)
        | (drops.std(dim=1) <= FLAT)
        | (given.std(dim=1) <= 1e-9 * given.abs().amax(dim=1).clamp(min=1e-300))
    )
    if kind == "spearman":
        given, drops = average_ranks(given), average_ranks(drops)
    a, b = (rows - rows.mean(dim=1, keepdim=True) for rows in (given, drops))
    found = (a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1)).clamp(min=1e-300)
    return torch.where(undefined, torch.nan, found.clamp(-1, 1)).float()


def _spec(
    name: str,
    fn: Callable[..., Any],
    *,
    reference: str,
    better: bool = True,
    bounds: tuple[float, float] = (-1.0, 1.0),
    read: str = "",
    sign_blind: bool = False,
    **options: Any,
) -> MetricSpec:
    return METRICS.register(name)(
        MetricSpec(
            name=name,
            fn=fn,
            family="faithfulness",
            higher_is_better=better,
            bounds=bounds,
            needs=("model", "images", "maps", "targets"),
            options=options,
            read=read,
            sign_blind=sign_blind,
            reference=reference,
        )
    )


_YEH = "Yeh et al., NeurIPS 2019, eq. 1"
INFIDELITY = _spec("infidelity", infidelity, better=False, bounds=(0.0, math.inf), reference=_YEH)
INFIDELITY_SCALED = _spec(
    "infidelity_scaled",
    infidelity,
    better=False,
    bounds=(0.0, 64 / 63),
    sign_blind=True,
    scaling="share",
    samples=64,
    sigma=SMALL,
    reference=f"{_YEH}, of the map's best multiple, as a share of the scores' small changes",
)
MU_FIDELITY = _spec("mu_fidelity", mu_fidelity, reference="Bhatt et al., IJCAI 2020, definition 3")
SENSITIVITY_N = _spec(
    "sensitivity_n", sensitivity_n, read="mean", reference="Ancona et al., ICLR 2018, sec. 4"
)
