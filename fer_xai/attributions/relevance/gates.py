"""Gates in a traced network: sigmoids and softmaxes that scale a signal."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import fx

from fer_xai.attributions.core.graphs import (
    CALLS,
    kind_of,
    reads_of,
)
from fer_xai.attributions.relevance.part_names import (
    GATES,
    PRODUCTS,
    SHAPES,
)


def _is_gate(traced: Any, node: Any) -> bool:
    while isinstance(node, fx.Node) and node.op in CALLS:
        kind = kind_of(traced, node)
        if kind.lower() in GATES:
            return True
        if kind not in SHAPES:
            return False
        node = node.args[0]
    return False


def gates_of_products(traced: Any, active: Collection[fx.Node]) -> dict[fx.Node, fx.Node]:
    """The gate (a sigmoid or softmax, in another shape or not) of each product of a signal and a
    gate.

    Parameters
    ----------
    traced
        A traced network.
    active
        Nodes whose numbers depend on the image.

    Examples
    --------
    >>> traced = fx.symbolic_trace(lambda x: x * x.sigmoid())
    >>> image, gate, product, _ = traced.graph.nodes
    >>> gates_of_products(traced, [image, gate, product]) == {product: gate}
    True
    """
    found = {}
    for node in active:
        if kind_of(traced, node) == "mul" and len(reads_of(node, active)) == 2:
            factors = [source for source in node.args if isinstance(source, fx.Node)]
            gates = [source for source in factors if _is_gate(traced, source)]
            if len(gates) == 1 and len(node.args) == 2:
                found[node] = gates[0]
    return found


def is_scaling_gate(traced: Any, node: fx.Node) -> bool:
    """Whether a sigmoid or softmax scales other activations, and not the one that it is made of
    (x · sigmoid(x) is a SiLU).

    Parameters
    ----------
    traced
        A traced network.
    node
        The sigmoid or softmax.

    Examples
    --------
    >>> traced = fx.symbolic_trace(lambda x, y: (x * x.sigmoid(), y * x.softmax(1)))
    >>> gates = [node for node in traced.graph.nodes if node.op == "call_method"]
    >>> [is_scaling_gate(traced, gate) for gate in gates]
    [False, True]
    """
    source, waiting, scales = node.args[0], list(node.users), False
    while waiting:
        user = waiting.pop()
        kind = kind_of(traced, user) if user.op in CALLS else user.op
        if kind in PRODUCTS and source not in user.args:
            scales = True
        elif kind in SHAPES:
            waiting += user.users
        else:
            return False
    return scales
