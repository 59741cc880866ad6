"""Random changes of each face, drawn when they are needed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fer_xai.draws.streams import Stream
from metrics.core.score_cache import ScoreCache


class Draws:
    """Random changes of each face, which are the same whatever the batch.

    Parameters
    ----------
    cache
        Score cache of the faces.
    salt
        Name of these draws, which distinguishes them from others of the same face.
    draw
        Function from the random numbers of one face to its draws, ``(M, …)`` on the CPU: it calls
        ``rand``, ``randn``, ``randint``, ``bernoulli``, ``randperm``, ``subsets`` or ``choice`` of
        a :class:`fer_xai.draws.streams.Stream`.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 2, 1)), torch.nn.Flatten())
    >>> model = FERModel(halves, emotions=["happiness", "anger"], size=2)
    >>> cache = ScoreCache(model, torch.ones(2, 3, 2, 2), ids=["a", "b"])
    >>> draws = Draws(cache, "masks", lambda own: own.rand(5))
    >>> draws.rows(torch.tensor([0, 1, 1]), torch.tensor([4, 0, 4])).shape
    torch.Size([3])
    >>> alone = Draws(ScoreCache(model, cache.images[1:], ids=["b"]), "masks", draws.draw)
    >>> torch.equal(draws[1], alone[0])
    True
    """

    def __init__(self, cache: ScoreCache, salt: str, draw: Callable[[Stream], Tensor]) -> None:
        self.cache, self.salt, self.draw = cache, salt, draw
        self._last: dict[int, Tensor] = {}

    def __getitem__(self, face: int) -> Tensor:
        if face not in self._last:
            while len(self._last) > 1:  # faces come one after another
                del self._last[next(iter(self._last))]
            self._last[face] = self.draw(self.cache.stream(face, self.salt))
        return self._last[face]

    def rows(self, faces: Tensor, numbers: Tensor) -> Tensor:
        """Draws ``(M, …)`` for pairs of a face and a number, on the device of the cache."""
        found = [
            self[face][number]
            for face, number in zip(faces.tolist(), numbers.tolist(), strict=True)
        ]
        return torch.stack(found).to(self.cache.predictor.device)
