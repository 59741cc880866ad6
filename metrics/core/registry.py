"""The registry of metrics: facts about each, beside the function that computes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from fer_xai.perturb.fills import fill_named, has_fill
from fer_xai.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from fer_xai.inference.predictor import Classifier

Family = Literal[
    "agreement",
    "alignment",
    "complexity",
    "consistency",
    "faithfulness",
    "occlusion",
    "randomisation",
    "robustness",
]


class Explain(Protocol):
    """A callable that makes maps of a model that a metric hands in.

    Metrics ask for maps of a copy with other weights, or of changed faces. Each network is an
    object of its own, so that results can be cached by it. :func:`fer_xai.explain` becomes such a
    callable in two lines, here for Grad-CAM:

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


@dataclass(frozen=True, kw_only=True, repr=False)
class MetricSpec:
    """Facts about a metric.

    Attributes
    ----------
    name, fn
        The registered name, and the function.
    family
        Kind of question that the metric asks about an explanation.
    question
        The sentence that the metric answers; by default the question at the beginning of the
        function's docstring.
    higher_is_better
        Direction; None for a description, of which no value is better. :attr:`better` says the
        same in a word.
    bounds
        Smallest and largest possible value.
    needs
        The arguments that ``fn`` is called with: ``model`` (a score cache), ``images``, ``maps``,
        ``targets``, ``regions``, ``areas`` (those of the explained emotion), ``explain``,
        ``calibration``, ``ids``, ``seed``.
    reference
        The paper or equation.
    options
        Further arguments of ``fn``: several metrics may share one function.
    read
        Name of the attribute of the result of ``fn`` that holds one value a face; empty if ``fn``
        returns these values itself.
    passes
        Number of images that are passed through the network for each face, if the metric is scored
        alone: those that all explanations share, and those of each explanation. None for metrics
        that make maps anew, whose costs are those of the attribution.
    sign_blind
        Whether a map and its inverse score alike, so that better maps need not score better than
        their inverse.
    redundant_with
        Metrics that this one can be computed from. It adds nothing beside them, and is left out
        where metrics are counted or compared.

    Examples
    --------
    >>> import metrics
    >>> spec = metrics.METRICS["deletion"]
    >>> spec
    MetricSpec('deletion', faithfulness, lower is better, from 0 to 1)
    >>> spec.question
    "How fast does the target's probability fall as the map's first pixels are blurred?"
    >>> spec.fn is metrics.deletion, spec.better
    (True, 'lower')
    """

    name: str
    fn: Callable[..., Any]
    family: Family
    higher_is_better: bool | None
    bounds: tuple[float, float]
    needs: tuple[str, ...]
    reference: str
    question: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    read: str = ""
    passes: tuple[int, int] | None = None
    sign_blind: bool = False
    redundant_with: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.question:
            object.__setattr__(self, "question", _first_question(self.fn))

    def __repr__(self) -> str:
        low, high = self.bounds
        direction = "neither direction" if self.better is None else self.better
        return (
            f"MetricSpec({self.name!r}, {self.family}, {direction} is better, "
            f"from {low:g} to {high:g})"
        )

    @property
    def better(self) -> Literal["higher", "lower"] | None:
        """The better direction in a word; None for a description."""
        if self.higher_is_better is None:
            return None
        return "higher" if self.higher_is_better else "lower"

    @property
    def fill(self) -> str | None:
        """Name of the fill that replaces removed pixels; None for a metric that has no choice."""
        default = inspect.signature(self.fn).parameters.get("fill")
        chosen = self.options.get("fill", None if default is None else default.default)
        return chosen if isinstance(chosen, str) else None

    @property
    def needs_regions(self) -> bool:
        """Whether facial regions are needed, by the metric itself or to make its fill."""
        made = has_fill(self.fill) and fill_named(str(self.fill)).needs_regions
        return "regions" in self.needs or made


def _first_question(fn: Callable[..., Any]) -> str:
    """The question that a function's docstring begins with; empty if it begins otherwise."""
    said, mark, _ = (inspect.getdoc(fn) or "").partition("?")
    asked = " ".join(said.split()) + mark
    return asked if mark and ". " not in asked else ""


METRICS: Registry[MetricSpec] = Registry(
    "metric",
    package="metrics",
    first=(
        "faithfulness.deletion",
        "faithfulness.masking",
        "faithfulness.erasure",
        "faithfulness.infidelity",
        "faithfulness.correlation",
        "faithfulness.road",
        "faithfulness.regions",
        "faithfulness.naopc",
        "randomisation.mprt",
        "randomisation.emprt",
        "randomisation.random_logit",
        "robustness",
        "occlusion.cost",
        "occlusion.stability",
        "complexity",
        "alignment.cosine",
        "alignment.mass",
        "alignment.ranking",
        "alignment.pointing",
    ),
    holds=MetricSpec,
    wanted="a metrics.MetricSpec",
    remedy="wrap a function of yours in one, which says what it needs",
)
"""Metrics of one value a face, by name."""
