"""Results of metrics' functions, each computed once for all metrics that read it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from numbers import Real
from typing import Any

from torch import Tensor

from fer_xai.errors import InputError
from metrics.core.registry import MetricSpec


class SharedResults:
    """Results of functions; metrics share one if function, needs and options are the same.

    Parameters
    ----------
    offered
        Whatever functions may need, by name.

    Examples
    --------
    >>> import torch
    >>> from metrics.core.registry import METRICS
    >>> results = SharedResults({"maps": torch.tensor([[[0.0, 1.0]]])})
    >>> results.of(METRICS["gini"])
    tensor([0.5000])
    >>> results.of(METRICS["gini"]) is results.of(METRICS["gini"])
    True
    """

    def __init__(self, offered: Mapping[str, Any]) -> None:
        self.offered = offered
        self._held: dict[Hashable, tuple[MetricSpec, Any]] = {}  # specs keep their ids

    def of(self, spec: MetricSpec) -> Any:
        """Result of a metric's function, of which the metric may read one attribute.

        Raises
        ------
        InputError
            If the function changes in place what other metrics read too.
        """
        options = (
            (name, type(value), value if isinstance(value, str | Real) else id(value))
            for name, value in sorted(spec.options.items())
        )
        key = (id(spec.fn), frozenset(spec.needs), *options)
        if key not in self._held:
            asked = {need: self.offered[need] for need in spec.needs}
            before = _versions(asked)
            self._held[key] = (spec, spec.fn(**asked, **spec.options))
            if _versions(asked) != before:
                raise InputError(
                    f"Expected {spec.name} to leave what it is given as it is, since other metrics "
                    "read it too, got it changed in place: let the function change a copy."
                )
        return self._held[key][1]


def _versions(asked: Mapping[str, Any]) -> list[int]:
    """How often each tensor was changed in place; in inference mode that is not counted."""
    tensors = [value for value in asked.values() if isinstance(value, Tensor)]
    return [tensor._version for tensor in tensors if not tensor.is_inference()]
