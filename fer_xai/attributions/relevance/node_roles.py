"""Role of a node in a traced network: linear, elementwise, a gate, a convolution."""

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
    reads_of,
)
from fer_xai.attributions.relevance.gates import is_scaling_gate
from fer_xai.attributions.relevance.part_names import (
    AFFINE,
    AFFINE_MODULES,
    ELEMENTWISE,
    ELEMENTWISE_MODULES,
    GATES,
    GUIDED,
    GUIDED_MODULES,
    POSITIVE,
    SCALED,
    WEIGHTED,
)
from fer_xai.attributions.relevance.rules import (
    Elementwise,
)


def is_affine(traced: Any, node: fx.Node, active: Collection[fx.Node]) -> bool:
    """Whether a node is linear, a constant apart, in its inputs that depend on the image.

    Parameters
    ----------
    traced
        A traced network.
    node
        A node of it.
    active
        Nodes whose numbers depend on the image.

    Examples
    --------
    >>> from torch import nn
    >>> traced = fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()))
    >>> image, conv, relu, _ = traced.graph.nodes
    >>> is_affine(traced, conv, [image]), is_affine(traced, relu, [image, conv])
    (True, False)
    """
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
    """The function of a node that treats each element of one tensor by itself; None for other
    nodes.

    Parameters
    ----------
    traced
        A traced network.
    node
        A node of it.

    Examples
    --------
    >>> from torch import nn
    >>> traced = fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()))
    >>> image, conv, relu, _ = traced.graph.nodes
    >>> elementwise_function(traced, relu) is F.relu, elementwise_function(traced, conv)
    (True, None)
    """
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
    """The parameter or buffer that an argument stands for, or the argument itself."""
    if not isinstance(value, fx.Node):
        return value
    owner, _, name = str(value.target).rpartition(".")
    return getattr(traced.get_submodule(owner), name).detach()


def is_conv2d(traced: Any, node: fx.Node) -> bool:
    """Whether a node is a plain two-dimensional convolution.

    Parameters
    ----------
    traced
        A traced network.
    node
        A node of it.

    Examples
    --------
    >>> from torch import nn
    >>> traced = fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()))
    >>> image, conv, relu, _ = traced.graph.nodes
    >>> is_conv2d(traced, conv), is_conv2d(traced, relu)
    (True, False)
    """
    return node.op == "call_module" and type(traced.get_submodule(str(node.target))) is nn.Conv2d


def is_other_convolution(traced: Any, node: fx.Node) -> bool:
    """Whether a node is a convolution without a rule for other weights
    (:class:`~fer_xai.attributions.relevance.lrp_rules.Shared`): a function, transposed, of other
    axes.

    Parameters
    ----------
    traced
        A traced network.
    node
        A node of it.

    Examples
    --------
    >>> from torch import nn
    >>> traced = fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()))
    >>> image, conv, relu, _ = traced.graph.nodes
    >>> is_other_convolution(traced, conv)
    False
    """
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        return isinstance(module, nn.modules.conv._ConvNd) and type(module) is not nn.Conv2d
    return kind_of(traced, node).startswith("conv")


def _moves_below(node: fx.Node) -> bool:
    """Whether a negative number is among the arguments of a sum or product."""
    given = (*node.args, *node.kwargs.values())
    below = any(isinstance(value, float | int) and value < 0 for value in given)
    return below and name_of(node) in ("add", "mul", "pad")


def carrying_relevance(
    traced: Any, active: Collection[fx.Node], gates: Mapping[fx.Node, fx.Node]
) -> set[fx.Node]:
    """Nodes that relevance comes through: all that the logits read, gates excepted.

    Parameters
    ----------
    traced
        A traced network.
    active
        Nodes whose numbers depend on the image.
    gates
        The gate of each product of a signal and a gate.

    Examples
    --------
    >>> traced = fx.symbolic_trace(lambda x: x * x.sigmoid())
    >>> image, gate, product, _ = traced.graph.nodes
    >>> carrying_relevance(traced, [image, gate, product], {product: gate}) == {image, product}
    True
    """
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

    Parameters
    ----------
    traced
        A traced network.
    watched
        What each node gives on noise.

    Examples
    --------
    >>> from torch import nn
    >>> from fer_xai import FERModel, Predictor
    >>> net = nn.Sequential(nn.Conv2d(3, 2, 4), nn.ReLU(), nn.Conv2d(2, 2, 5), nn.Flatten())
    >>> used = Predictor(FERModel(net, emotions=["happiness", "fear"], size=8), device="cpu")
    >>> traced = fx.symbolic_trace(net)
    >>> signed_convolutions(traced, Watching(used, traced))
    {'0'}
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
    """Whether guided backpropagation does not know that a node's plain gradient may be passed.

    Parameters
    ----------
    traced
        A traced network.
    node
        A node of it.

    Examples
    --------
    >>> from torch import nn
    >>> traced = fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 2, 1), nn.GELU()))
    >>> _, conv, gelu, _ = traced.graph.nodes
    >>> is_unknown_to_guided(traced, conv), is_unknown_to_guided(traced, gelu)
    (False, True)
    """
    kind = kind_of(traced, node)
    if kind.lower() in GATES:
        return not is_scaling_gate(traced, node)
    if node.op == "call_module":
        return not isinstance(traced.get_submodule(str(node.target)), GUIDED_MODULES)
    return kind not in GUIDED and kind != "relu"
