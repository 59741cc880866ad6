"""Nodes of a traced network: what they are, how one is replaced, and what each gives on noise."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, fx, nn

from fer_xai.attributions.core.feature_maps import noise
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor

CALLS = ("call_module", "call_function", "call_method")


def finish(traced: Any) -> None:
    """What a changed graph asks for."""
    traced.graph.eliminate_dead_code()
    traced.delete_all_unused_submodules()
    traced.graph.lint()
    traced.recompile()
    traced.eval().requires_grad_(False)


def options_of(node: fx.Node) -> dict[str, Any]:
    """Arguments of a function by name, as far as it tells its names."""
    try:
        bound = inspect.signature(node.target).bind(*node.args, **node.kwargs)  # type: ignore[arg-type]
    except (TypeError, ValueError):  # built-in functions have no signature
        return dict(node.kwargs)
    return dict(bound.arguments)


def put(traced: Any, node: fx.Node, module: nn.Module, args: Any, kwargs: Any = None) -> fx.Node:
    """A module of its own in place of a node."""
    name = _added(traced, module)
    with traced.graph.inserting_after(node):
        new: fx.Node = traced.graph.call_module(name, args, kwargs)
    node.replace_all_uses_with(new)
    new.args = args  # its own arguments may have been uses of the node
    traced.graph.erase_node(node)
    return new


def follow(traced: Any, node: fx.Node, module: nn.Module) -> None:
    """A module behind a node, which all its readers read instead."""
    name = _added(traced, module)
    with traced.graph.inserting_after(node):
        new: fx.Node = traced.graph.call_module(name, (node,))
    node.replace_all_uses_with(new)
    new.args = (node,)


def _added(traced: Any, module: nn.Module) -> str:
    """A module under a name that no other has."""
    number = len(traced._modules)
    while hasattr(traced, f"own{number}"):
        number += 1
    traced.add_submodule(f"own{number}", module)
    return f"own{number}"


class Watching(fx.Interpreter):
    """A run on noise that keeps what each node gives.

    Attributes
    ----------
    values
        By node.
    dependent, active
        Nodes whose numbers depend on the image, it among them, and calls alone, in order; shapes
        and assertions do not.
    switches
        Nodes whose truth values or whole numbers depend on the image.
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
        """As it is, and kept."""
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
    """The floating tensors in what a node gives."""
    if isinstance(value, tuple | list):
        return [part for inner in value for part in floats_of(inner)]
    return [value] if isinstance(value, Tensor) and value.is_floating_point() else []


def kind_of(traced: Any, node: fx.Node) -> str:
    """A module's class, or a function's or method's name."""
    if node.op == "call_module":
        return type(traced.get_submodule(str(node.target))).__name__
    name = name_of(node)
    return f".{node.args[1]}" if name == "getattr" else name


def name_of(node: fx.Node) -> str:
    """A function's or method's name."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "?")
    return name.lstrip("_") or name


def refuse(kinds: set[str], name: str, method: str) -> None:
    """Say which parts of a network have no rule."""
    if kinds:
        raise InputError(
            f"Expected parts that {method} has rules for, but {name} has "
            f"{', '.join(sorted(kinds))}: take integrated_gradients, which asks for none."
        )
