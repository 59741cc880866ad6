"""Checks that need labels: recognition, other ways of feeding, the order of the outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from fer_xai.emotions import LEFT_OUT
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.recognition import exact_scores
from fer_xai.types import Faces
from fer_xai.wiring.alternatives import Alternative, alternatives
from fer_xai.wiring.finding import Finding
from fer_xai.wiring.halves import person_codes, second_half
from fer_xai.wiring.inputs import input_findings
from fer_xai.wiring.outputs import order_finding, order_of_outputs
from fer_xai.wiring.pair_rates import Floats, Ints
from fer_xai.wiring.readings import Labelled, read
from fer_xai.wiring.recognised import recognition

LARGEST = 256
"""Pixels a side at which larger faces are read."""


class Scoring(Protocol):
    """Gives logits of some faces.

    Examples
    --------
    >>> def first(scoring: Scoring) -> Floats:
    ...     return scoring((), np.arange(1))
    """

    @property
    def predictor(self) -> Predictor:
        """The predictor of the model as it is declared."""
        ...

    def __call__(self, changes: Sequence[Alternative], rows: Ints) -> Floats:
        """Logits ``(n, C)`` of some of the faces, fed with all of these changes together."""
        ...


class FacesScoring:
    """Logits of faces under other ways of feeding, each computed once.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> model = FERModel(nn.Sequential(nn.Flatten(), nn.Linear(12, 7)), emotions="rafdb", size=2)
    >>> faces = Faces.from_tensors(torch.rand(5, 3, 2, 2), torch.arange(5))
    >>> FacesScoring(Predictor(model, device="cpu"), faces)((), np.arange(3)).shape
    (3, 7)
    """

    def __init__(self, predictor: Predictor, faces: Faces) -> None:
        self.predictor = predictor
        sizes = faces.image_sizes
        side = int(np.median(sizes)) if len(sizes) else predictor.model.size
        self.images: Tensor = faces.pixels(min(max(side, predictor.model.size), LARGEST))
        self._kept: dict[tuple[Any, ...], Floats] = {}
        self._batch = predictor.batch_size_for(len(faces))

    def __call__(
        self, changes: Sequence[Alternative], rows: Ints, *, mirror: bool = False
    ) -> Floats:
        """Logits ``(n, C)`` of some faces."""
        key = (tuple((one.check, one.words) for one in changes), mirror, rows.tobytes())
        if key not in self._kept:
            self._kept[key] = self._scored(changes, rows, mirror)
        return self._kept[key]

    def _scored(self, changes: Sequence[Alternative], rows: Ints, mirror: bool) -> Floats:
        settings: dict[str, Any] = {}
        turns = 0
        for one in changes:
            settings |= one.changes
            turns += one.turns
        predictor = self.predictor
        if settings:
            predictor = Predictor(
                predictor.model.rewired(**settings),
                device=str(predictor.device),
                precision=predictor.precision,
                batch_size=self._batch,
            )
        images = self.images[torch.from_numpy(rows)]
        if turns:
            images = torch.rot90(images, turns, dims=(2, 3))
        if mirror:
            images = images.flip(-1)
        return predictor.logits(images).double().numpy()


def labelled_findings(
    scoring: Scoring,
    faces: Faces,
    *,
    known: Ints,
    truth: Ints,
    seed: int,
    suggestion: dict[str, Any],
    progress: Callable[[int, int], None] | None,
) -> list[Finding]:
    """Findings that need labels; what would repair the wiring is added to ``suggestion``.

    Parameters
    ----------
    scoring
        Gives logits of some of the faces under other ways of feeding.
    faces
        The faces.
    known, truth
        Rows of the faces that have a label of the model's, and the declared output of each.
    seed
        Seed of the halves.
    suggestion
        Arguments of :class:`fer_xai.FERModel`, added to.
    progress
        Called with the number of ways of feeding done and to do.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from fer_xai.inference.predictor import Predictor
    >>> model = FERModel(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), emotions=["sad", "happy"],
    ...                  size=2)
    >>> faces = Faces.from_tensors(torch.rand(20, 3, 2, 2), torch.tensor([0, 2] * 10))
    >>> rows, given = np.arange(20), {}
    >>> scoring = FacesScoring(Predictor(model, device="cpu"), faces)
    >>> found = labelled_findings(scoring, faces, known=rows, truth=1 - rows % 2, seed=0,
    ...                           suggestion=given, progress=None)
    >>> [one.check for one in found][:2]
    ['recognition', 'colour order']
    """
    predictor = scoring.predictor
    names = [
        f"person {person}" if person else f"face {name}"
        for name, person in zip(faces.ids, faces.persons, strict=True)
    ]
    labelled = Labelled(
        labels=truth,
        persons=person_codes([names[at] for at in known]),
        half=second_half(truth, [names[at] for at in known], seed=seed),
    )
    base = scoring((), known)
    options = alternatives(predictor.model)
    done = 0

    def seen(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(min(done, len(options)), len(options))

    found, adopted = input_findings(
        lambda changes, rows: scoring(changes, known[rows]),
        options,
        labelled,
        rate=read(base, labelled).rate,
        seen=seen,
    )
    for one in found:
        suggestion |= one.suggestion
    best = scoring(adopted, known) if adopted else base
    order = order_of_outputs(best, truth, persons=labelled.persons, half=labelled.half)
    outputs = order_finding(order, predictor.emotions, len(known))
    if "emotions" in outputs.suggestion:
        suggestion["emotions"] = _with_left_out(predictor.model, outputs.suggestion["emotions"])
    scores = exact_scores(
        torch.from_numpy(base), torch.from_numpy(truth), emotions=predictor.emotions
    )
    hits = base.argmax(axis=1) == truth
    return [recognition(hits, truth, labelled.persons, scores), *found, outputs]


def _with_left_out(model: FERModel, names: Sequence[str]) -> tuple[str, ...]:
    """An order of outputs, with those that are no emotion in their places."""
    given = iter(names)
    return tuple(name if name == LEFT_OUT else next(given) for name in model.wiring["emotions"])
