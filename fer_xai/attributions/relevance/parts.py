"""What a node of a traced network is to the rules: linear, elementwise, a gate, a convolution."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import fx, nn
from torch.nn import functional as F

from fer_xai.attributions.core.canonizers import fixed_norm
from fer_xai.attributions.core.graphs import (
    CALLS,
    Watching,
    floats_of,
    kind_of,
    name_of,
    options_of,
)
from fer_xai.attributions.relevance.kinds import (
    AFFINE,
    AFFINE_MODULES,
    ELEMENTWISE,
    ELEMENTWISE_MODULES,
    GATES,
    GUIDED,
    GUIDED_MODULES,
    POSITIVE,
    PRODUCTS,
    SCALED,
    SHAPES,
    WEIGHTED,
)
from fer_xai.attributions.relevance.rules import (
    Elementwise,
)


def reads_of(node: fx.Node, active: Collection[fx.Node]) -> list[fx.Node]:
    """What a node reads that depends on the image, each as often as it reads it."""
    found: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), found.append)
    return [source for source in found if source in active]


def is_affine(traced: Any, node: fx.Node, active: Collection[fx.Node]) -> bool:
    """Whether a node is linear in what depends on the image, a constant apart."""
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        return isinstance(module, AFFINE_MODULES) and (not norm or fixed_norm(module))
    kind, reads = kind_of(traced, node), reads_of(node, active)
    if kind in SCALED:
        return len(reads) == 1 and (kind not in ("div", "truediv") or reads[0] is node.args[0])
    if kind == "batch_norm" and options_of(node).get("training"):
        return False
    return kind in AFFINE and (kind not in WEIGHTED or reads == [node.args[0]])


def elementwise_function(traced: Any, node: fx.Node) -> Elementwise | None:
    """A node's function of one tensor, each element by itself, if it is one."""
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        if isinstance(module, nn.ReLU):
            return F.relu
        return module if isinstance(module, ELEMENTWISE_MODULES) else None
    kind = kind_of(traced, node)
    others = [source for source in node.all_input_nodes if source not in node.args[:1]]
    if kind not in ELEMENTWISE or any(source.op != "get_attr" for source in others):
        return None
    rest = [_constant(traced, value) for value in node.args[1:]]
    if kind == "relu":
        return F.relu
    target = node.target
    kwargs = {key: _constant(traced, value) for key, value in node.kwargs.items()}
    if isinstance(target, str):
        return lambda x: getattr(x, target)(*rest, **kwargs)
    return lambda x: target(x, *rest, **kwargs)


def _constant(traced: Any, value: Any) -> Any:
    """A parameter or buffer that a function is given, or what else it is given."""
    if not isinstance(value, fx.Node):
        return value
    owner, _, name = str(value.target).rpartition(".")
    return getattr(traced.get_submodule(owner), name).detach()


def is_conv2d(traced: Any, node: fx.Node) -> bool:
    """Whether a node is a plain two-dimensional convolution."""
    return node.op == "call_module" and type(traced.get_submodule(str(node.target))) is nn.Conv2d


def is_other_convolution(traced: Any, node: fx.Node) -> bool:
    """Whether a convolution is none of :class:`Shared`'s: a function, transposed, of other axes."""
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        return isinstance(module, nn.modules.conv._ConvNd) and type(module) is not nn.Conv2d
    return kind_of(traced, node).startswith("conv")


def _is_gate(traced: Any, node: Any) -> bool:
    while isinstance(node, fx.Node) and node.op in CALLS:
        kind = kind_of(traced, node)
        if kind.lower() in GATES:
            return True
        if kind not in SHAPES:
            return False
        node = node.args[0]
    return False


def _moves_below(node: fx.Node) -> bool:
    """Whether a sum or product has a number below zero among what it is made of."""
    given = (*node.args, *node.kwargs.values())
    below = any(isinstance(value, float | int) and value < 0 for value in given)
    return below and name_of(node) in ("add", "mul", "pad")


def gates_of_products(traced: Any, active: Collection[fx.Node]) -> dict[fx.Node, fx.Node]:
    """Products of a signal and a gate (a sigmoid or softmax, in another shape or not): the gate."""
    found = {}
    for node in active:
        if kind_of(traced, node) == "mul" and len(reads_of(node, active)) == 2:
            factors = [source for source in node.args if isinstance(source, fx.Node)]
            gates = [source for source in factors if _is_gate(traced, source)]
            if len(gates) == 1 and len(node.args) == 2:
                found[node] = gates[0]
    return found


def carrying_relevance(
    traced: Any, active: Collection[fx.Node], gates: Mapping[fx.Node, fx.Node]
) -> set[fx.Node]:
    """Nodes that relevance comes through: all that the logits read, but for gates."""
    carrying: set[fx.Node] = set()
    waiting = [
        source
        for node in traced.graph.nodes
        if node.op == "output"
        for source in node.all_input_nodes
    ]
    while waiting:
        node = waiting.pop()
        if node not in carrying and node in active:
            carrying.add(node)
            waiting += [source for source in node.all_input_nodes if source is not gates.get(node)]
    return carrying


def signed_convolutions(traced: Any, watched: Watching) -> set[str]:
    """Names of convolutions whose input may be negative: no ReLU stands between it and the image,
    or another linear layer.
    """
    positive: set[fx.Node] = set()
    names = set()
    for node in traced.graph.nodes:
        tensors = [source for source in node.all_input_nodes if floats_of(watched.values[source])]
        known = bool(tensors) and all(source in positive for source in tensors)
        kind = kind_of(traced, node) if node.op in CALLS else ""
        if is_conv2d(traced, node) and not known:
            names.add(str(node.target))
        if kind.lower() in ("relu", "relu6", "sigmoid", "hardsigmoid", "softmax") or (
            known and kind in POSITIVE and not _moves_below(node)
        ):
            positive.add(node)
    return names


def is_unknown_to_guided(traced: Any, node: fx.Node) -> bool:
    """Whether a node is none of what a guided gradient passes as a gradient does."""
    kind = kind_of(traced, node)
    if kind.lower() in GATES:
        return not is_scaling_gate(traced, node)
    if node.op == "call_module":
        return not isinstance(traced.get_submodule(str(node.target)), GUIDED_MODULES)
    return kind not in GUIDED and kind != "relu"


def is_scaling_gate(traced: Any, node: fx.Node) -> bool:
    """Whether a sigmoid or softmax scales other activations, and not the one that it is made of
    (x · sigmoid(x) is a SiLU).
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
