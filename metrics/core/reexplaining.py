"""Maps that a metric asks for while it runs: for other networks, changed faces, other targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from fer_xai.checks import check_targets
from fer_xai.draws.streams import streams
from fer_xai.errors import InputError
from metrics.core.registry import Explain
from metrics.core.score_cache import Change, ScoreCache
from metrics.core.scores import check_maps


def checked_maps(cache: ScoreCache, maps: Tensor) -> Tensor:
    """Maps ``(B, H, W)`` on the CPU, if they fit the cache's images.

    Raises
    ------
    InputError
        If they do not fit.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 2, 1)), torch.nn.Flatten())
    >>> model = FERModel(halves, emotions=["happiness", "anger"], size=2)
    >>> cache = ScoreCache(model, torch.ones(1, 3, 2, 2))
    >>> checked_maps(cache, torch.ones(1, 2, 2, dtype=torch.float64)).dtype
    torch.float32
    """
    check_maps(cache, maps)
    return maps.detach().float().cpu()


def seeded_images(
    cache: ScoreCache, faces: Tensor, numbers: Tensor, *, salt: str, draw: Callable[..., Tensor]
) -> Tensor:
    """Random images ``(M, 3, H, W)``, each by its face's name and the number of the copy.

    ``draw`` is :meth:`Streams.rand` or :meth:`Streams.randn` of :mod:`fer_xai.draws.streams`.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> from fer_xai.draws.streams import Streams
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 2, 1)), torch.nn.Flatten())
    >>> model = FERModel(halves, emotions=["happiness", "anger"], size=2)
    >>> cache = ScoreCache(model, torch.ones(2, 3, 2, 2), ids=["a", "b"])
    >>> faces, numbers = torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1])
    >>> noise = seeded_images(cache, faces, numbers, salt="noise", draw=Streams.rand)
    >>> last = seeded_images(cache, faces[2:], numbers[2:], salt="noise", draw=Streams.rand)
    >>> noise.shape, torch.equal(noise[2:], last)
    (torch.Size([3, 3, 2, 2]), True)
    """
    shape = cache.images.shape[1:]
    pairs = zip(faces.tolist(), numbers.tolist(), strict=True)
    own = streams((cache.seed, cache.ids[face], salt, number) for face, number in pairs)
    return draw(own, *shape, device=cache.images.device).to(cache.images)


def explained(
    cache: ScoreCache,
    explain: Explain,
    network: Any,
    targets: Tensor,
    *,
    change: Change | None = None,
    copies: int = 1,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Maps of a network, a batch at a time, so that no more of them are in memory.

    Parameters
    ----------
    cache
        Score cache of the faces; batches hold one micro-batch of its predictor's size for each
        thread, and are full across faces and copies.
    explain
        Callable that makes maps. It gets the name of the face with each copy, so that a method with
        randomness draws the same for all copies of a face.
    network
        The network that is explained.
    targets
        ``(B,)`` canonical emotion indices.
    change
        Function from faces ``(M,)`` and numbers of their copies ``(M,)`` to images
        ``(M, 3, H, W)``; by default the faces are not changed.
    copies
        Number of copies of each face.

    Yields
    ------
    tuple
        Faces ``(M,)``, the numbers of their copies ``(M,)``, and maps ``(M, H, W)`` float32, all
        on the CPU; copies of a face come in order.

    Raises
    ------
    InputError
        If targets do not fit, or maps differ in shape from the images.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 2, 1)), torch.nn.Flatten())
    >>> model = FERModel(halves, emotions=["happiness", "anger"], size=2)
    >>> cache = ScoreCache(model, torch.ones(2, 3, 2, 2))
    >>> def brightness(model, images, targets, ids):
    ...     return images.mean(dim=1)
    >>> for part in explained(cache, brightness, model, torch.tensor([0, 3]), copies=2):
    ...     faces, numbers, maps = part
    >>> faces.tolist(), numbers.tolist(), maps.shape
    ([0, 0, 1, 1], [0, 1, 0, 1], torch.Size([4, 2, 2]))
    """
    chosen = check_targets(targets, len(cache))
    total = len(cache) * copies
    step = cache.predictor.batch_size_for(total) * torch.get_num_threads()  # side by side
    for start in range(0, total, step):
        rows = torch.arange(start, min(start + step, total))
        faces, numbers = rows // copies, rows % copies
        here = faces.to(cache.predictor.device)
        images = cache.images[here] if change is None else change(here, numbers.to(here.device))
        with torch.inference_mode(mode=False):  # a caller's would forbid gradients
            found = explain(
                network, images.clone(), chosen[faces], [cache.ids[face] for face in faces]
            )
        if found.shape != (len(rows), *images.shape[-2:]):
            raise InputError(
                f"Expected maps {(len(rows), *images.shape[-2:])} from `explain`, got "
                f"{tuple(found.shape)}: add up colour channels, and bring maps to the images' size."
            )
        yield faces, numbers, found.detach().float().cpu()
