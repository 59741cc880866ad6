"""Explanations of faces: clean logits, targets and maps, computed once for each face.

The scoreboard, the randomisation gate, the audit, the agreement study and the meta-evaluation all
share one object for a network and its faces, so that all of them explain the same emotion.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Literal, get_args

import torch
from torch import Tensor

from fer_xai.attributions import (
    Attribution,
    ControlInputs,
    control_maps,
    explain,
    native_maps,
    upsample,
)
from fer_xai.attributions.api import counting_maps
from fer_xai.attributions.targets import explained_targets
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from fer_xai.types import Explanation, Faces
from metrics.evaluation import calibration_images

TargetRule = Literal["predicted", "true"]
"""Whether the emotion that the network names is explained, or the one that the face shows."""
MATCHED_TO = "gradcam"
"""The method whose resolution and maps the chance controls have."""
KEPT = 2**28
"""Bytes of maps that are kept in memory to be used again; further maps are made again each time."""


def check_targets(rule: str) -> None:
    """Check that a rule for targets is known.

    Raises
    ------
    InputError
        For anything but ``predicted`` and ``true``.

    Examples
    --------
    >>> check_targets("predicted")
    >>> check_targets("shown")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected targets predicted or true, got 'shown'.
    """
    if rule not in get_args(TargetRule):
        raise InputError(f"Expected targets predicted or true, got {rule!r}.")


class Explained:
    """Logits, targets and maps of faces for one network.

    Parameters
    ----------
    predictor
        The network.
    faces
        Labelled faces; with landmarks where regions are needed.
    rule
        Whether the predicted or the true emotion is explained.
    size
        Side of the images that are explained, in pixels; that of the network by default.
    seed
        Seed of random methods and controls.
    keep
        Whether maps are kept for a second reader, such as the gate after the scores, as long as
        they take no more than :data:`KEPT` bytes.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 16, 8)), torch.nn.Flatten())
    >>> predictor = Predictor(FERModel(halves, emotions=["happiness", "surprise"], size=16))
    >>> explained = Explained(predictor, synthetic_faces(2, size=16), rule="true")
    >>> explained.targets, explained.explanation("saliency").maps.shape
    (tensor([0, 1]), torch.Size([2, 16, 16]))
    """

    def __init__(
        self,
        predictor: Predictor,
        faces: Faces,
        *,
        rule: TargetRule = "predicted",
        size: int | None = None,
        seed: int = 0,
        keep: bool = False,
    ) -> None:
        check_targets(rule)
        self.predictor, self.faces, self.rule, self.seed = predictor, faces, rule, seed
        self.size = predictor.model.size if size is None else size
        self._kept: dict[tuple[str, int, int, int], Explanation] = {}
        self._room = KEPT if keep else 0
        self._control_cells: dict[tuple[str, int], Tensor] = {}
        self._room_of_controls = KEPT

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def ids(self) -> list[str]:
        """Names of the faces."""
        return self.faces.ids

    @cached_property
    def logits(self) -> Tensor:
        """``(N, C)`` of the unchanged faces, in the network's output order."""
        return self.predictor.logits(self.faces, size=self.size)

    @cached_property
    def predicted(self) -> Tensor:
        """``(N,)`` canonical emotions that the network names."""
        logits = self.logits
        return explained_targets(self.predictor.model, len(self), logits=logits).targets

    @cached_property
    def targets(self) -> Tensor:
        """``(N,)`` canonical emotions that are explained."""
        return self.faces.labels if self.rule == "true" else self.predicted

    @cached_property
    def regions(self) -> Tensor | None:
        """Facial regions ``(N, R, size, size)`` bool; None where no landmarks are known."""
        if self.faces.landmarks is None:
            return None
        return face_regions(self.faces.landmarks_at(self.size), size=self.size)

    def images(self, rows: slice | Sequence[int] = slice(None)) -> Tensor:
        """``(n, 3, size, size)`` float in [0, 1] of some faces; all of them if they are few.

        Raises
        ------
        InputError
            If they take more than 4 GiB.
        """
        chosen = len(range(len(self))[rows]) if isinstance(rows, slice) else len(rows)
        self.faces.check_room(chosen, self.size, each=4)
        return self.faces.pixels(self.size, rows).float() / 255

    @cached_property
    def calibration(self) -> Tensor:
        """Images that the BatchNorm statistics of random networks come from."""
        return calibration_images(self.ids, self.images)

    @cached_property
    def setting(self) -> ControlInputs:
        """Inputs of the chance controls: Grad-CAM's cells and the targets of all faces."""
        columns = self.predictor.model.columns(self.targets)[:, None]
        cells = native_maps(self.predictor, self.faces, columns, method=MATCHED_TO, size=self.size)
        return ControlInputs(
            maps=cells.cpu(),
            labels=self.targets,
            ids=self.ids,
            pixels=self.faces.sliced(self.size),
            seed=self.seed,
        )

    @counting_maps()
    def explanation(
        self, method: str | Attribution, rows: slice = slice(None), *, seed: int | None = None
    ) -> Explanation:
        """Maps of some faces by an attribution, made once while there is room to keep them.

        Parameters
        ----------
        method
            A name, or an attribution with options of its own.
        rows
            Which faces.
        seed
            Another seed of a random method.

        Raises
        ------
        InputError
            If the method has no rules for the network.
        """
        chosen = self.seed if seed is None else seed
        start, stop, _ = rows.indices(len(self))
        key = (str(method), start, stop, chosen)
        if key in self._kept:
            return self._kept[key]
        made = explain(
            self.predictor,
            self.images(rows),
            method=method,
            targets=self.targets[rows],
            regions=None if self.regions is None else self.regions[rows],
            ids=self.ids[rows],
            seed=chosen,
        )
        size = made.maps.nbytes + (0 if made.channels is None else made.channels.nbytes)
        if size <= self._room:
            self._kept[key] = made
            self._room -= size
        return made

    def control(
        self, name: str, rows: slice = slice(None), *, seed: int | None = None
    ) -> Explanation:
        """Maps of some faces by a chance control, of Grad-CAM's resolution.

        Parameters
        ----------
        name
            A name of :data:`fer_xai.attributions.CONTROLS`.
        rows
            Which faces.
        seed
            Another seed of a random control.
        """
        chosen = self.seed if seed is None else seed
        full = upsample(self._cells_of(name, chosen)[rows], size=(self.size, self.size))
        return Explanation(
            maps=full[:, 0],
            targets=self.targets[rows],
            logits=self.logits[rows],
            emotions=self.predictor.emotions,
            method=name,
            params={"seed": chosen},
        )

    def _cells_of(self, name: str, seed: int) -> Tensor:
        """Cells ``(N, 1, h, w)`` of a control for all faces, made once while there is room.

        Several controls are made from all faces at once (other faces, their mean), so that making
        them for each chunk of faces would take time that grows with the square of N.
        """
        if (name, seed) in self._control_cells:
            return self._control_cells[name, seed]
        made = control_maps(name, dataclasses.replace(self.setting, seed=seed))
        if made.nbytes <= self._room_of_controls:
            self._control_cells[name, seed] = made
            self._room_of_controls -= made.nbytes
        return made

    def maps(self, method: str, *, chunk: int) -> Tensor:
        """Maps ``(N, size, size)`` of all faces by an attribution, NaN where they are undefined.

        Parameters
        ----------
        method
            A name.
        chunk
            Faces at a time, as they were asked for before.
        """
        steps = range(0, len(self), chunk)
        parts = [self.explanation(method, slice(start, start + chunk)) for start in steps]
        return torch.cat([part.defined_maps for part in parts])

    def seen_by(self, predictor: Predictor) -> Explained:
        """The same faces and targets, explained of another network."""
        other = Explained(predictor, self.faces, rule=self.rule, size=self.size, seed=self.seed)
        other.targets = self.targets
        return other
