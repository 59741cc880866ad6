"""Nodes of a traced network: what they are, how one is replaced, and what each gives on noise."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, fx, nn

from fer_xai.attributions.core.feature_maps import noise
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor

CALLS = ("call_module", "call_function", "call_method")


def finish(traced: Any) -> None:
    """Recompile a graph that was changed, without the parts that nothing reads any more.

    Parameters
    ----------
    traced
        A traced network.

    Examples
    --------
    >>> traced = fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()))
    >>> image, conv, relu, _ = traced.graph.nodes
    >>> _ = relu.replace_all_uses_with(conv)
    >>> finish(traced)
    >>> [type(part).__name__ for part in traced.children()]
    ['Conv2d']
    """
    traced.graph.eliminate_dead_code()
    traced.delete_all_unused_submodules()
    traced.graph.lint()
    traced.recompile()
    traced.eval().requires_grad_(False)


def options_of(node: fx.Node) -> dict[str, Any]:
    """Arguments of a function by name, as far as its signature is known.

    Parameters
    ----------
    node
        A node that calls a function.

    Examples
    --------
    >>> traced = fx.symbolic_trace(lambda x: torch.nn.functional.relu(x, inplace=True))
    >>> _, relu, _ = traced.graph.nodes
    >>> options_of(relu)["inplace"]
    True
    """
    try:
        bound = inspect.signature(node.target).bind(*node.args, **node.kwargs)  # type: ignore[arg-type]
    except (TypeError, ValueError):  # built-in functions have no signature
        return dict(node.kwargs)
    return dict(bound.arguments)


def put(traced: Any, node: fx.Node, module: nn.Module, args: Any, kwargs: Any = None) -> fx.Node:
    """Put a module in place of a node.

    Parameters
    ----------
    traced
        A traced network.
    node
        The node, which is erased.
    module
        The module, which gets a name that no other has.
    args, kwargs
        Arguments of the new node.

    Returns
    -------
    fx.Node
        The new node.

    Examples
    --------
    >>> traced = fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()))
    >>> image, conv, relu, _ = traced.graph.nodes
    >>> kind_of(traced, put(traced, relu, nn.Tanh(), relu.args))
    'Tanh'
    """
    name = _added(traced, module)
    with traced.graph.inserting_after(node):
        new: fx.Node = traced.graph.call_module(name, args, kwargs)
    node.replace_all_uses_with(new)
    new.args = args  # its own arguments may have been uses of the node
    traced.graph.erase_node(node)
    return new


def follow(traced: Any, node: fx.Node, module: nn.Module) -> None:
    """Put a module behind a node, which all readers of the node read instead.

    Parameters
    ----------
    traced
        A traced network.
    node
        The node.
    module
        The module.

    Examples
    --------
    >>> traced = fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()))
    >>> image, conv, relu, _ = traced.graph.nodes
    >>> follow(traced, conv, nn.Tanh())
    >>> [kind_of(traced, reader) for reader in conv.users]
    ['Tanh']
    """
    name = _added(traced, module)
    with traced.graph.inserting_after(node):
        new: fx.Node = traced.graph.call_module(name, (node,))
    node.replace_all_uses_with(new)
    new.args = (node,)


def _added(traced: Any, module: nn.Module) -> str:
    """Add a module under a name that no other has; the name."""
    number = len(traced._modules)
    while hasattr(traced, f"own{number}"):
        number += 1
    traced.add_submodule(f"own{number}", module)
    return f"own{number}"


class Watching(fx.Interpreter):
    """A run on noise that keeps what each node gives.

    Parameters
    ----------
    predictor
        The model, which prepares the noise.
    traced
        Its traced network.

    Attributes
    ----------
    values
        Value of each node.
    dependent, active
        Nodes whose numbers depend on the image, the image included; and calls alone, in order.
        Shapes and assertions do not depend on it.
    switches
        Nodes whose truth values or whole numbers depend on the image.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> net = nn.Sequential(nn.Conv2d(3, 2, 8), nn.Flatten())
    >>> used = Predictor(FERModel(net, emotions=["happiness", "fear"], size=8), device="cpu")
    >>> traced = fx.symbolic_trace(net)
    >>> [kind_of(traced, node) for node in Watching(used, traced).active]
    ['Conv2d', 'Flatten']
    """

    def __init__(self, predictor: Predictor, traced: Any) -> None:
        super().__init__(traced, garbage_collect_values=False)
        self.values: dict[fx.Node, Any] = {}
        with torch.no_grad():
            self.run(predictor.model.preprocess(noise(predictor)))
        found: dict[fx.Node, None] = {}
        for node, value in self.values.items():
            reads = any(source in found for source in node.all_input_nodes)
            first = node.op == "placeholder" and not found
            if _floating(value) and (first or reads):
                found[node] = None
        self.dependent = frozenset(found)
        self.active = [node for node in found if node.op in CALLS]
        self.switches: set[fx.Node] = set()
        for node, value in self.values.items():
            known = self.dependent | self.switches
            if isinstance(value, Tensor) and not _floating(value):
                self.switches |= {node} if any(s in known for s in node.all_input_nodes) else set()

    def run_node(self, n: fx.Node) -> Any:
        """Run a node as it is, and keep its value."""
        self.values[n] = super().run_node(n)
        return self.values[n]

    def at_zero(self, node: fx.Node) -> Tensor | None:
        """An affine node's constant ``(1, …)``: what it gives where all that it reads is zero."""
        value = self.values[node]
        if not isinstance(value, Tensor) or not value.ndim:
            return None

        def without(source: fx.Node) -> Any:
            read = self.values[source]
            return _zero(read) if source in self.dependent else read

        args, kwargs = fx.node.map_arg((node.args, node.kwargs), without)
        with torch.no_grad():
            found: Tensor = getattr(self, node.op)(node.target, args, kwargs)
        return found[:1]


def _zero(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(_zero(part) for part in value)
    return torch.zeros_like(value) if isinstance(value, Tensor) else value


def _floating(value: Any) -> bool:
    return bool(floats_of(value))


def floats_of(value: Any) -> list[Tensor]:
    """The floating tensors among what a node gives.

    Parameters
    ----------
    value
        A tensor, or tuples and lists of them.

    Examples
    --------
    >>> floats_of((torch.tensor([1.0]), [torch.tensor([2]), torch.tensor([3.0])]))
    [tensor([1.]), tensor([3.])]
    """
    if isinstance(value, tuple | list):
        return [part for inner in value for part in floats_of(inner)]
    return [value] if isinstance(value, Tensor) and value.is_floating_point() else []


def kind_of(traced: Any, node: fx.Node) -> str:
    """A module's class, or a function's or method's name.

    Parameters
    ----------
    traced
        A traced network.
    node
        A node of it.

    Examples
    --------
    >>> traced = fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()))
    >>> image, conv, relu, _ = traced.graph.nodes
    >>> kind_of(traced, relu)
    'ReLU'
    """
    if node.op == "call_module":
        return type(traced.get_submodule(str(node.target))).__name__
    name = name_of(node)
    return f".{node.args[1]}" if name == "getattr" else name


def name_of(node: fx.Node) -> str:
    """A function's or method's name.

    Parameters
    ----------
    node
        A node that calls one.

    Examples
    --------
    >>> _, flat, _ = fx.symbolic_trace(lambda x: x.flatten(1)).graph.nodes
    >>> name_of(flat)
    'flatten'
    """
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "?")
    return name.lstrip("_") or name


def refuse(kinds: set[str], name: str, method: str) -> None:
    """Refuse a network with parts that have no rule.

    Parameters
    ----------
    kinds
        Names of the parts; if there are none, nothing happens.
    name
        Name of the model.
    method
        Name of the method.

    Raises
    ------
    InputError
        If there are any.

    Examples
    --------
    >>> refuse({"Tanh"}, "my-net", "lrp")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected parts that lrp has rules for, but my-net has Tanh: ...
    """
    if kinds:
        raise InputError(
            f"Expected parts that {method} has rules for, but {name} has "
            f"{', '.join(sorted(kinds))}: take integrated_gradients, which asks for none."
        )


def reads_of(node: fx.Node, active: Collection[fx.Node]) -> list[fx.Node]:
    """Inputs of a node that depend on the image, each as often as the node reads it.

    Parameters
    ----------
    node
        A node.
    active
        Nodes whose numbers depend on the image.

    Examples
    --------
    >>> from torch import nn
    >>> traced = fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()))
    >>> image, conv, relu, _ = traced.graph.nodes
    >>> reads_of(relu, [image, conv]) == [conv]
    True
    """
    found: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), found.append)
    return [source for source in found if source in active]
