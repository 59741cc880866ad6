"""What a metric is, beside the function that computes it, and where it is found by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from fer_xai.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from fer_xai.inference.predictor import Classifier

Family = Literal[
    "agreement", "complexity", "consistency", "faithfulness", "randomisation", "robustness"
]


class Explain(Protocol):
    """Maps of a model that a metric hands in: a copy with other weights, or changed faces.

    Every network is an object of its own, so that one may keep what one knows about the last.
    :func:`fer_xai.explain` becomes one in two lines, here for Grad-CAM:

    >>> import functools, fer_xai, torch
    >>> predictor_of = functools.lru_cache(maxsize=1)(fer_xai.Predictor)
    >>> def explain(model, images, targets, ids):
    ...     return fer_xai.explain(predictor_of(model), images, targets=targets, ids=ids).maps
    >>> model = fer_xai.load_model("baseline4")
    >>> explain(model, torch.rand(2, 3, 64, 64), torch.tensor([0, 5]), ["a", "b"]).shape
    torch.Size([2, 64, 64])
    """

    def __call__(
        self, model: Classifier, images: Tensor, targets: Tensor, ids: Sequence[str], /
    ) -> Tensor:
        """Maps ``(B, H, W)`` of images ``(B, 3, H, W)`` for canonical emotion indices ``(B,)``.

        ``ids`` are the faces' names, for methods with randomness; they repeat where copies of a
        face are explained.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """Facts about a metric.

    Attributes
    ----------
    name, fn
        Its registered name, and the function.
    family
        What it asks of an explanation.
    higher_is_better
        None where neither is (a description).
    bounds
        Smallest and largest possible value.
    needs
        The arguments of ``fn`` that it is called with: ``model`` (a cache), ``images``, ``maps``,
        ``targets``, ``regions``, ``explain``, ``calibration``, ``ids``, ``seed``.
    options
        Further arguments of ``fn``: several metrics may share one function.
    read
        Attribute of what ``fn`` returns that holds a value a face; empty where it returns them.
    sign_blind
        Whether a map and its inverse score alike, so that better maps need not score better than
        their inverse.
    redundant_with
        Metrics of which this one is a mere sum: beside them it says nothing more, and is left out
        where metrics are counted or held against each other.
    reference
        The paper or equation.
    """

    name: str
    fn: Callable[..., Any]
    family: Family
    higher_is_better: bool | None
    bounds: tuple[float, float]
    needs: tuple[str, ...]
    reference: str
    options: Mapping[str, Any] = field(default_factory=dict)
    read: str = ""
    sign_blind: bool = False
    redundant_with: tuple[str, ...] = ()

    @property
    def fill(self) -> str | None:
        """What stands where pixels are removed; None where none are, or the metric has its own."""
        default = inspect.signature(self.fn).parameters.get("fill")
        chosen = self.options.get("fill", None if default is None else default.default)
        return chosen if isinstance(chosen, str) else None


METRICS: Registry[MetricSpec] = Registry(
    "metric",
    package="metrics",
    first=(
        "faithfulness.deletion",
        "faithfulness.masking",
        "faithfulness.infidelity",
        "faithfulness.road",
        "faithfulness.regions",
        "faithfulness.naopc",
        "randomisation.mprt",
        "robustness",
        "complexity",
    ),
)
"""Metrics of one value a face, by name."""
