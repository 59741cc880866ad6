"""Tracing with ``torch.fx`` while other threads run networks.

A tracer replaces the call and the attributes of all modules of the process as long as it runs. Here
they stay what they are in other threads, and one thread traces at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from torch import fx, nn

_TRACING = threading.RLock()


class _Tracer(fx.Tracer):
    """Traces what its own thread runs."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """The call of a module, recorded in the tracer's thread alone."""
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """An attribute of a module, recorded in the tracer's thread alone."""
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def trace(net: nn.Module, fixed: Mapping[str, Any] | None = None) -> fx.GraphModule:
    """A network as a graph, as :func:`torch.fx.symbolic_trace` gives it.

    Parameters
    ----------
    net
        The network; the graph's modules are its own.
    fixed
        Values of arguments of ``forward`` that are not traced, by name.

    Raises
    ------
    Exception
        Whatever the network's own code raises where ``torch.fx`` cannot trace it.

    Examples
    --------
    >>> print(trace(nn.Sequential(nn.ReLU(), nn.Flatten())).code.strip())
    def forward(self, input):
        input_1 = input
        _0 = getattr(self, "0")(input_1);  input_1 = None
        _1 = getattr(self, "1")(_0);  _0 = None
        return _1
    """
    with _TRACING:
        tracer = _Tracer()
        graph = tracer.trace(net, dict(fixed) if fixed else None)
        return fx.GraphModule(tracer.root, graph, type(net).__name__)
