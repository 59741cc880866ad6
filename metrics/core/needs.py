"""What metrics ask for beside maps: checked before anything is passed through the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from fer_xai.checks import check_tensor
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.perturb.fills import FILLS, fill_named, has_fill
from fer_xai.types import Explanation
from metrics.core.registry import Explain, MetricSpec

AreasOf = Callable[[slice, Tensor], Tensor | None]
"""The areas ``(B, H, W)`` of some faces, whose maps have these targets ``(B,)``."""


def check_needs(
    specs: Sequence[MetricSpec],
    named: Mapping[str, Explanation],
    *,
    regions: Tensor | None,
    areas: Tensor | Mapping[str, Tensor] | None,
    explain: Mapping[str, Explain],
    fills: Mapping[str, Tensor],
) -> None:
    """Check that all that metrics need has been handed in.

    Raises
    ------
    InputError
        For the first need that is not met, with what to pass.

    Examples
    --------
    >>> import metrics
    >>> spec = metrics.METRICS["off_face_mass"]
    >>> check_needs([spec], {}, regions=None, areas=None, explain={}, fills={})
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected regions for off_face_mass: pass regions=face_regions(...
    """
    if not specs:
        raise InputError("Expected at least one metric, got none.")
    for spec in specs:
        if "regions" in spec.needs and regions is None:
            raise InputError(
                f"Expected regions for {spec.name}: pass regions=face_regions(landmarks, size=…) "
                "of fer_xai.landmarks, or leave the metric out."
            )
        if "areas" in spec.needs and areas is None:
            raise InputError(
                f"Expected areas for {spec.name}: pass areas=… (N, H, W), where the explained "
                "emotion is shown on each face, or such by emotion, or leave the metric out."
            )
        fill = spec.options.get("fill")
        if fill is not None and fill not in fills:
            if not has_fill(fill):
                raise InputError(
                    f"Expected images of the fill {fill!r} for {spec.name}: pass "
                    f"fills={{{fill!r}: …}}, choose from {', '.join(FILLS)}, or leave the metric "
                    "out."
                )
            if fill_named(fill).needs_regions and regions is None:
                raise InputError(
                    f"Expected regions for the fill {fill!r} of {spec.name}: pass "
                    "regions=face_regions(landmarks, size=…) of fer_xai.landmarks, or leave the "
                    "metric out."
                )
        missing = [name for name in named if "explain" in spec.needs and name not in explain]
        if missing:
            raise InputError(
                f"Expected functions that explain again by {', '.join(missing)} for {spec.name}: "
                "pass explain={name: function}, or leave the metric out."
            )


def check_areas(
    areas: Tensor | Mapping[str, Tensor] | None,
    n: int,
    size: tuple[int, int],
    targets: Iterable[Tensor],
) -> AreasOf:
    """Areas of n faces, one a face or by emotion, and how to get those of some faces' targets.

    Parameters
    ----------
    areas
        ``(n, H, W)``, or such by emotion, or None.
    n, size
        Number of faces, and ``(H, W)`` of their maps.
    targets
        Targets of all maps that will be scored, canonical emotion indices ``(n,)``.

    Raises
    ------
    InputError
        If they are not ``(n, H, W)`` of this size, are by anything but emotions, or lack the
        emotion of a target.

    Examples
    --------
    >>> given = {"fear": torch.ones(2, 1, 1), "anger": torch.zeros(2, 1, 1)}
    >>> targets = torch.tensor([EMOTIONS.index("anger"), EMOTIONS.index("fear")])
    >>> check_areas(given, 2, (1, 1), [targets])(slice(0, 2), targets).flatten().tolist()
    [0.0, 1.0]
    """
    if areas is None:
        return lambda rows, targets: None
    by_name = areas if isinstance(areas, Mapping) else {"": areas}
    if unknown := sorted(str(name) for name in by_name if name not in (*EMOTIONS, "")):
        raise InputError(
            f"Expected areas by emotion ({', '.join(EMOTIONS)}), got {', '.join(unknown)}: score "
            "areas of other names with the metric's own function."
        )
    for name, area in by_name.items():
        what = f"areas of {name}" if name else "areas"
        check_tensor(what, area, "(N, H, W)")
        if tuple(area.shape) != (n, *size):
            raise InputError(
                f"Expected {what} (N, H, W) as {(n, *size)}, one a face at the size of the maps, "
                f"got {tuple(area.shape)}."
            )
    if isinstance(areas, Tensor):
        return lambda rows, targets: areas[rows]

    explained = {EMOTIONS[target] for one in targets for target in one.tolist()}
    if missing := sorted(explained - areas.keys()):
        raise InputError(
            f"Expected areas of every explained emotion, got none of {', '.join(missing)}: add "
            "them, or explain other targets."
        )

    def of_targets(rows: slice, targets: Tensor) -> Tensor:
        names = [EMOTIONS[target] for target in targets.tolist()]
        start = rows.start or 0
        return torch.stack([areas[name][start + k] for k, name in enumerate(names)])

    return of_targets
