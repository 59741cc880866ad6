"""Explanations: attribution maps of faces, with all that is needed to read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fer_xai.checks import quoted
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.files import damaged, read_arrays, write_arrays
from fer_xai.types.given_maps import as_maps, as_targets

LARGEST_GAP = 0.1
"""Share of what should be explained from which on, if a map misses it, the map is undefined."""
_TENSORS = ("maps", "targets", "logits", "against", "channels", "completeness_gap", "values")
_ABOUT, _FORMAT = "about", 1


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Explanation:
    """Attribution maps of a batch of faces, with all that is needed to read them.

    Maps made elsewhere need targets alone; both may be arrays or lists.

    Attributes
    ----------
    maps
        ``(B, H, W)`` float32 at image resolution. Signed maps stay signed; a map that explains
        nothing (all zero) stays all zero.
    targets
        ``(B,)`` int64: canonical index of the emotion each map explains. Names become indices; one
        name stands for all.
    logits
        ``(B, C)``: the model's outputs on the unperturbed faces, in ``emotions`` order; ``(B, 0)``
        where they are not known.
    emotions
        The model's emotions, in output order; empty where they are not known.
    method, params
        Registered name of the attribution and the parameters it ran with (the layer among them);
        ``"given"`` and none where nothing is said.
    against
        ``(B,)`` emotions that the targets are held against, for a contrast.
    channels
        ``(B, 3, h, w)``: the maps before colour channels were added up, for methods that have them.
    completeness_gap
        ``(B,)``: by how much the sum of the map misses what it should add up to, as a share of
        that and with its sign, for methods with a law of completeness (docs/attributions.md).
    values
        ``(B, R)``: a number a region, for methods over regions; NaN beyond a face's superpixels.
    ids
        Names of the faces, where they are known: scores of other faces are refused then.

    Raises
    ------
    InputError
        For maps or targets of another shape or number, an unknown emotion, logits that do not fit.

    Examples
    --------
    >>> Explanation(maps=np.ones((2, 4, 4)), targets=["fear", "happy"], method="mine")
    Explanation(mine: 2 maps of 4×4 pixels of happiness 1, fear 1)
    >>> found = Explanation(
    ...     maps=torch.zeros(1, 2, 2), targets=torch.tensor([5]), logits=torch.tensor([[0.2, 1.5]]),
    ...     emotions=("happiness", "fear"), method="mine", params={},
    ... )
    >>> found
    Explanation(mine: 1 map of 2×2 pixels of fear 1, 1 blank)
    """

    maps: Tensor
    targets: Tensor
    logits: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    emotions: tuple[str, ...] = ()
    method: str = "given"
    params: Mapping[str, Any] = field(default_factory=dict)
    against: Tensor | None = None
    channels: Tensor | None = None
    completeness_gap: Tensor | None = None
    values: Tensor | None = None
    ids: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        maps = as_maps(self.maps)
        given = {"maps": maps, "targets": as_targets(self.targets, len(maps))}
        if not self.logits.numel():
            given["logits"] = maps.new_empty(len(maps), 0)
        elif len(self.logits) != len(maps):
            raise InputError(
                f"Expected logits of each of {len(maps)} maps, got {len(self.logits)}: leave them "
                "out, or hand in those of the same faces."
            )
        for name, tensor in given.items():
            object.__setattr__(self, name, tensor)

    def __len__(self) -> int:
        return len(self.maps)

    def __repr__(self) -> str:
        n, (height, width) = len(self), self.maps.shape[-2:]
        counts = torch.bincount(self.targets, minlength=len(EMOTIONS)).tolist()
        explained = [f"{name} {k}" for name, k in zip(EMOTIONS, counts, strict=True) if k]
        blank, undefined = int(self.blank.sum()), int(self.undefined.sum())
        layer, of = self.params.get("layer"), f" of {', '.join(explained)}" if explained else ""
        return (
            f"Explanation({self.method}{f' at {layer}' if layer else ''}: {n} "
            f"map{'' if n == 1 else 's'} of {height}×{width} pixels"
            f"{of}"
            f"{', held against other emotions' if self.against is not None else ''}"
            f"{f', {blank} blank' if blank else ''}"
            f"{f', {undefined} undefined' if undefined else ''})"
        )

    def save(self, path: str | Path) -> None:
        """Write the explanation as an ``.npz`` file that appears whole or not at all.

        Parameters
        ----------
        path
            Path of the file, with ``.npz`` at its end.

        Raises
        ------
        InputError
            For another ending, a parameter that is neither text, a number nor a list of these, or
            a place that cannot be written to.

        Examples
        --------
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "maps.npz"
        >>> Explanation(
        ...     maps=torch.ones(1, 2, 2), targets=torch.tensor([0]), logits=torch.zeros(1, 2),
        ...     emotions=("happiness", "fear"), method="mine", params={"layer": "conv5"},
        ... ).save(place)
        >>> Explanation.load(place)
        Explanation(mine at conv5: 1 map of 2×2 pixels of happiness 1)
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise InputError(f"Expected a path that ends in .npz, got {quoted(path)}.")
        arrays = {
            name: tensor.detach().cpu().numpy()
            for name in _TENSORS
            if (tensor := getattr(self, name)) is not None
        }
        about = {"emotions": self.emotions, "method": self.method, "params": dict(self.params)}
        try:
            text = json.dumps(about | {"ids": self.ids, "format": _FORMAT})
        except TypeError as error:
            raise InputError(
                "Expected parameters that are text, numbers, or lists of these, to save an "
                f"explanation, but one of {quoted(dict(self.params))} is not ({error})."
            ) from None
        write_arrays(path, arrays | {_ABOUT: np.array(text)})

    @classmethod
    def load(cls, path: str | Path) -> Explanation:
        """Read an explanation that :meth:`save` has written.

        Parameters
        ----------
        path
            Path of the ``.npz`` file.

        Returns
        -------
        Explanation
            On the CPU; sequences among its parameters are lists.

        Raises
        ------
        DamagedFileError
            If the file was cut off, or is of something else.
        InputError
            If there is no such file.
        """
        path, remedy = Path(path), "make the explanation anew and save it again"
        try:
            arrays = read_arrays(path, remedy=remedy)
        except FileNotFoundError:
            raise InputError(f"Expected a saved explanation, but there is no {path}.") from None
        try:
            about = json.loads(str(arrays[_ABOUT]))
            found = {name: torch.from_numpy(arrays[name]) for name in _TENSORS if name in arrays}
            ids = about["ids"]
            return cls(
                **found,
                emotions=tuple(about["emotions"]),
                method=about["method"],
                params=about["params"],
                ids=None if ids is None else tuple(ids),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, error, remedy=remedy) from None

    @property
    def blank(self) -> Tensor:
        """``(B,)`` bool: which maps are zero everywhere, and so explain nothing."""
        return (self.maps == 0).flatten(1).all(dim=1)

    @property
    def undefined(self) -> Tensor:
        """``(B,)`` bool: which maps are NaN or infinite anywhere, or miss more than
        :data:`LARGEST_GAP` of what they should add up to. No metric scores them.
        """
        return undefined_maps(self.maps, self.completeness_gap)

    @property
    def defined_maps(self) -> Tensor:
        """``(B, H, W)``: the maps, with NaN throughout where they are undefined."""
        return torch.where(self.undefined[:, None, None], torch.nan, self.maps)


def undefined_maps(maps: Tensor, gap: Tensor | None = None) -> Tensor:
    """Which maps say nothing that could be scored.

    Parameters
    ----------
    maps
        ``(…, H, W)``.
    gap
        ``(…)``: their completeness gap, as a share of what they should add up to, if they have any.

    Returns
    -------
    Tensor
        ``(…)`` bool, where the maps are: NaN or infinite anywhere, or beyond :data:`LARGEST_GAP`
        (a gap of NaN among it).

    Examples
    --------
    >>> maps = torch.tensor([[[1.0, 2.0]], [[torch.nan, 0.0]], [[3.0, 0.0]]])
    >>> undefined_maps(maps, torch.tensor([0.01, 0.0, -0.2])).tolist()
    [False, True, True]
    """
    undefined = ~torch.isfinite(maps).flatten(-2).all(dim=-1)
    return undefined if gap is None else undefined | ~(gap.abs() <= LARGEST_GAP).to(maps.device)
