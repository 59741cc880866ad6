"""Conditions with their severities, as a study is asked for them, and the faces under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fer_xai.data.datasets.synthetic import degraded_faces
from fer_xai.data.synthetic.conditions import RENDERED
from fer_xai.errors import InputError, UnknownNameError, did_you_mean
from fer_xai.perturb.conditions import CONDITIONS, condition_named, degrade
from fer_xai.types import Faces
from studies.engine.description import described

DEFAULT = ("blur", "noise", "dark", "rotation", "yaw", "intensity")
"""Conditions that are looked at if none are named; on real faces, those that need no rendering."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Under:
    """Faces under a condition.

    Attributes
    ----------
    images
        ``(B, 3, S, S)`` in [0, 1].
    points
        ``(B, 68, 2)`` landmarks in their pixels, NaN where unknown.
    theta
        ``(B, 2, 3)`` affine maps of a move (:class:`fer_xai.perturb.conditions.Degraded`), or None.

    Examples
    --------
    >>> Under(images=torch.rand(1, 3, 8, 8), points=torch.zeros(1, 68, 2), theta=None).theta is None
    True
    """

    images: Tensor
    points: Tensor
    theta: Tensor | None


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A condition and the severities that are looked at, 0 first.

    Attributes
    ----------
    condition
        Its name.
    severities
        From 0, rising.

    Examples
    --------
    >>> sweep = Sweep.parse("blur=1,4")
    >>> sweep.severities, sweep.labels(64), sweep.rendered
    ((0.0, 1.0, 4.0), ['unchanged', 'σ 1 % (0.64 px)', 'σ 4 % (2.6 px)'], False)
    """

    condition: str
    severities: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> Sweep:
        """A sweep from ``NAME`` or ``NAME=SEVERITY,SEVERITY``.

        Raises
        ------
        UnknownNameError, InputError
            For an unknown condition, or severities that do not rise from above 0 to its most.
        """
        name, equals, rest = text.partition("=")
        known = [*CONDITIONS, *RENDERED]
        if name not in known:
            close = did_you_mean(name, known)
            raise UnknownNameError(
                f"Expected a condition ({', '.join(known)}), got {name!r}"
                f"{f': {close}' if close else '.'}"
            )
        kind = RENDERED[name] if name in RENDERED else condition_named(name)
        if not equals:
            return cls(condition=name, severities=(0.0, *kind.severities))
        try:
            asked = [float(part) for part in rest.split(",")]
        except ValueError:
            asked = []
        rises = asked == sorted(set(asked)) and all(0 < value <= kind.most for value in asked)
        if not asked or not rises:
            raise InputError(
                f"Expected --conditions {name}=SEVERITY,… with numbers that rise, above 0 and up "
                f"to {kind.most:g} ({kind.unit}), got {text!r}."
            )
        return cls(condition=name, severities=(0.0, *asked))

    @property
    def rendered(self) -> bool:
        """Whether faces are rendered anew, which built-in ones alone can be."""
        return self.condition in RENDERED

    @property
    def moves(self) -> str:
        """How places of a face are found again: ``affine``, by ``landmarks``, or ``not`` moved."""
        if self.rendered:
            return "landmarks" if RENDERED[self.condition].moves else "not"
        probe = degrade(torch.zeros(1, 3, 8, 8), self.condition, self.severities[-1])
        return "not" if probe.theta is None else "affine"

    @property
    def meaning(self) -> str:
        """The condition in a sentence without its full stop."""
        found = RENDERED[self.condition] if self.rendered else CONDITIONS[self.condition]
        return f"{found.meaning} ({found.unit})"

    def labels(self, side: int) -> list[str]:
        """The severities in words, on images of a side in pixels."""
        if self.rendered:
            words = [RENDERED[self.condition].label(s) for s in self.severities[1:]]
        else:
            words = [CONDITIONS[self.condition].label(s, side) for s in self.severities[1:]]
        return ["unchanged", *words]

    def described(self) -> Any:
        """What its images depend on, for the facts of shards."""
        kind = RENDERED[self.condition] if self.rendered else CONDITIONS[self.condition]
        return {"severities": list(self.severities), "condition": described(kind)}

    def faces(
        self, faces: Faces, severity: float, *, rows: slice = slice(None), side: int, seed: int
    ) -> Under:
        """Some faces under the condition; no others are read.

        Parameters
        ----------
        faces
            The faces as they are.
        severity
            One of :attr:`severities`.
        rows
            Which of the faces.
        side
            Side of the images in pixels.
        seed
            Seed of what is random.
        """
        if self.rendered:
            made = degraded_faces(faces[rows], self.condition, severity, seed=seed)
            points = torch.from_numpy(made.landmarks_at(side).astype(np.float32))
            return Under(images=made.pixels(side).float() / 255, points=points, theta=None)
        found = degrade(
            faces.pixels(side, rows).float() / 255,
            self.condition,
            severity,
            points=faces.landmarks_at(side)[rows],
            ids=faces.ids[rows],
            seed=seed,
        )
        assert found.points is not None
        return Under(images=found.images, points=found.points, theta=found.theta)


def sweeps(asked: Sequence[str], *, built_in: bool) -> list[Sweep]:
    """The sweeps that are asked for, or the default ones that the faces allow.

    Parameters
    ----------
    asked
        As for :meth:`Sweep.parse`; empty for the default.
    built_in
        Whether the faces can be rendered anew.

    Raises
    ------
    UnknownNameError, InputError
        For what :meth:`Sweep.parse` refuses, a condition that is named twice, or one that is
        rendered, of real faces.

    Examples
    --------
    >>> [sweep.condition for sweep in sweeps((), built_in=False)]
    ['blur', 'noise', 'dark', 'rotation']
    """
    names = asked or [name for name in DEFAULT if built_in or name not in RENDERED]
    found = [Sweep.parse(text) for text in names]
    seen: set[str] = set()
    for sweep in found:
        if sweep.condition in seen:
            raise InputError(f"Expected each condition once, got {sweep.condition} twice.")
        seen.add(sweep.condition)
        if sweep.rendered and not built_in:
            raise InputError(
                f"Expected --data synthetic for {sweep.condition}, which is rendered, got other "
                f"faces: choose from {', '.join(CONDITIONS)}."
            )
    return found
