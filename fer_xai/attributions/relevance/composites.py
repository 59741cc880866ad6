"""Composites: which part of a network gets which rule of guided backprop, DeepLift or LRP.

A traced copy is made canonical (:mod:`fer_xai.attributions.core.canonizers`). Then parts are
replaced by modules that hold their rules (:mod:`fer_xai.attributions.relevance.rules`), unless the
plain gradient follows the rule already. Parts without a rule are refused by name, before any pass,
and the method's own law is tried on noise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import fx, nn

from fer_xai.attributions.core.canonizers import canonical, check_copy
from fer_xai.attributions.core.feature_maps import noise
from fer_xai.attributions.core.graphs import (
    Watching,
    finish,
    floats_of,
    follow,
    kind_of,
    put,
    reads_of,
    refuse,
)
from fer_xai.attributions.relevance.conservation import check_law
from fer_xai.attributions.relevance.gates import gates_of_products
from fer_xai.attributions.relevance.lrp_rules import Constant, Gate, Shared
from fer_xai.attributions.relevance.node_roles import (
    carrying_relevance,
    elementwise_function,
    is_affine,
    is_conv2d,
    is_other_convolution,
    is_unknown_to_guided,
    signed_convolutions,
)
from fer_xai.attributions.relevance.part_names import (
    HOMOGENEOUS,
)
from fer_xai.attributions.relevance.rules import (
    Guided,
    Larger,
    MaxPool,
    Product,
    Secant,
)
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor


def for_relus(predictor: Predictor, method: str) -> Any:
    """A copy of the model in which every ReLU is a :class:`Guided` of its own.

    Parameters
    ----------
    predictor
        The model.
    method
        Name of the method, for messages of errors.

    Raises
    ------
    InputError
        If it has no ReLU, or other parts that are not known to be no activation (the method would
        change some of the gradients alone), or cannot be traced.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, pool = nn.Conv2d(3, 2, 4, stride=4), nn.AdaptiveAvgPool2d(1)
    >>> net = nn.Sequential(conv, nn.ReLU(), pool, nn.Flatten())
    >>> used = Predictor(FERModel(net, emotions=["happiness", "fear"], size=8), device="cpu")
    >>> [type(part).__name__ for part in for_relus(used, "guided_backprop").net.children()]
    ['Conv2d', 'AdaptiveAvgPool2d', 'Flatten', 'Guided']
    """
    if "relu" not in predictor.rewritten:
        model = canonical(predictor, method)
        traced = model.net
        watched = Watching(predictor, traced)
        others = {
            kind_of(traced, node) for node in watched.active if is_unknown_to_guided(traced, node)
        }
        others |= _switched(traced, watched, watched.active)
        relus = [node for node in watched.active if kind_of(traced, node) in ("relu", "ReLU")]
        if others or not relus:
            raise InputError(
                f"Expected no activations but ReLUs for {method}, but {predictor.name} has "
                f"{', '.join(sorted(others)) or 'none of them'}: take saliency or "
                "integrated_gradients, which ask for no rule."
            )
        _place(traced, {node: Guided() for node in relus})
        finish(traced)
        check_copy(predictor, model, method)
        predictor.rewritten["relu"] = model
    return predictor.rewritten["relu"]


def for_deeplift(predictor: Predictor, method: str) -> Any:
    """A copy of the model on which DeepLift's rules hold.

    Parameters
    ----------
    predictor
        The model.
    method
        Name of the method, for messages of errors.

    Raises
    ------
    InputError
        With the names of the parts that have no rule.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, pool = nn.Conv2d(3, 2, 4, stride=4), nn.AdaptiveAvgPool2d(1)
    >>> net = nn.Sequential(conv, nn.ReLU(), pool, nn.Flatten())
    >>> used = Predictor(FERModel(net, emotions=["happiness", "fear"], size=8), device="cpu")
    >>> [type(part).__name__ for part in for_deeplift(used, "deeplift").net.children()]
    ['Conv2d', 'AdaptiveAvgPool2d', 'Flatten', 'Secant']
    """
    if "deeplift" not in predictor.rewritten:
        model = canonical(predictor, method)
        traced = model.net
        watched = Watching(predictor, traced)
        rules = {node: _deeplift_rule(traced, node, watched.dependent) for node in watched.active}
        refuse(_unruled(traced, rules), predictor.name, method)
        _check_rows(predictor, traced, watched, watched.active, method)
        _place(traced, rules)
        finish(traced)
        check_copy(predictor, model, method)
        check_law(predictor, model, method, black=True)
        predictor.rewritten["deeplift"] = model
    return predictor.rewritten["deeplift"]


def for_lrp(predictor: Predictor, method: str, *, gamma: float | None = 0.0) -> Any:
    """A copy of the model for LRP: its gradient is relevance over activation.

    ``signed`` of the copy names its convolutions whose input may be negative, which have LRP-0
    always.

    Parameters
    ----------
    predictor
        The model.
    method
        Name of the method, for messages of errors.
    gamma
        γ of the other convolutions; 0 for LRP-0, None for α1β0.

    Raises
    ------
    InputError
        With the names of the parts that have no rule.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, pool = nn.Conv2d(3, 2, 4, stride=4), nn.AdaptiveAvgPool2d(1)
    >>> net = nn.Sequential(conv, nn.ReLU(), pool, nn.Flatten())
    >>> used = Predictor(FERModel(net, emotions=["happiness", "fear"], size=8), device="cpu")
    >>> for_lrp(used, "lrp").signed  # it reads the normalised image
    {'0'}
    """
    key = f"lrp {gamma}"
    if key not in predictor.rewritten:
        model = canonical(predictor, method, merging=(True, False) if gamma == 0 else (True,))
        traced = model.net
        watched = Watching(predictor, traced)
        active = watched.dependent
        gates = gates_of_products(traced, active)
        carrying = carrying_relevance(traced, active, gates)
        model.signed = signed_convolutions(traced, watched)
        rules: dict[fx.Node, nn.Module | bool] = {}
        constants = {}
        for node in [node for node in watched.active if node in carrying]:
            if gamma != 0 and is_conv2d(traced, node) and str(node.target) not in model.signed:
                rules[node] = Shared(traced.get_submodule(str(node.target)), gamma)
            elif gamma != 0 and is_other_convolution(traced, node):
                rules[node] = False
            else:
                rules[node] = _lrp_rule(traced, node, active, gates)
                constants[node] = watched.at_zero(node) if is_affine(traced, node, active) else None
        refuse(_unruled(traced, rules), predictor.name, method)
        _check_rows(predictor, traced, watched, list(rules), method)
        _place(traced, rules)
        for node, constant in constants.items():
            if constant is not None and bool(constant.any()):
                follow(traced, node, Constant(constant))
        finish(traced)
        check_copy(predictor, model, method)
        check_law(predictor, model, method, black=False)
        predictor.rewritten[key] = model
    return predictor.rewritten[key]


def _switched(traced: Any, watched: Watching, nodes: Collection[fx.Node]) -> set[str]:
    """Kinds of nodes that make truth values or whole numbers of the image, which the given nodes
    read. Automatic differentiation takes them for constants, as in a hand-made ReLU, x · (x > 0).
    """
    return {
        kind_of(traced, source)
        for node in nodes
        for source in node.all_input_nodes
        if source in watched.switches
    }


def _check_rows(
    predictor: Predictor, traced: Any, watched: Watching, nodes: Collection[fx.Node], method: str
) -> None:
    """Check that each node gives a row for each face, with more than one number in it.

    Raises
    ------
    InputError
        With the names of nodes that do not, and of those that make truth values of the image.
    """
    refuse(_switched(traced, watched, nodes), predictor.name, method)
    faces = len(noise(predictor))
    other = {
        kind_of(traced, node)
        for node in nodes
        for value in floats_of(watched.values[node])
        if value.ndim < 2 or len(value) != faces
    }
    if other:
        raise InputError(
            f"Expected parts that keep a row an image for {method}, but {predictor.name} has "
            f"{', '.join(sorted(other))} with another first axis: take integrated_gradients, which "
            "asks for no rules."
        )


def _unruled(traced: Any, rules: Mapping[fx.Node, nn.Module | bool]) -> set[str]:
    """Kinds of nodes without a rule."""
    return {kind_of(traced, node) for node, rule in rules.items() if rule is False}


def _place(traced: Any, rules: Mapping[fx.Node, nn.Module | bool]) -> None:
    """Put modules in place of the nodes whose rule they are; True means that none is needed."""
    for node, rule in rules.items():
        if isinstance(rule, nn.Module):
            both = isinstance(rule, Product | Gate | Larger)
            put(traced, node, rule, node.args[: 2 if both else 1])


def _deeplift_rule(traced: Any, node: fx.Node, active: Collection[fx.Node]) -> nn.Module | bool:
    """DeepLift's rule of a node; True if it needs none, False if there is none."""
    if is_affine(traced, node, active):
        return True
    function = elementwise_function(traced, node)
    if function is not None:
        return Secant(function)
    kind = kind_of(traced, node)
    if kind == "mul" and len(node.args) == 2:
        return Product()
    if kind in ("maximum", "minimum") and len(node.args) == 2:
        return Larger(smaller=kind == "minimum")
    return _pairwise(traced, node) or False


def _pairwise(traced: Any, node: fx.Node) -> MaxPool | None:
    """The rule of a max-pool of two axes without dilation, or None for other nodes."""
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        if not isinstance(module, nn.MaxPool2d):
            return None
        options = vars(module)
    elif kind_of(traced, node) == "max_pool2d":
        names = (
            "input",
            "kernel_size",
            "stride",
            "padding",
            "dilation",
            "ceil_mode",
            "return_indices",
        )
        options = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
    else:
        return None
    kernel, stride, padding, dilation = (
        tuple(value) if isinstance(value, tuple | list) else (value, value)
        for value in (
            options["kernel_size"],
            options.get("stride") or options["kernel_size"],
            options.get("padding", 0),
            options.get("dilation", 1),
        )
    )
    if dilation != (1, 1) or options.get("return_indices"):
        return None
    return MaxPool(kernel, stride, padding, ceil_mode=bool(options.get("ceil_mode")))


def _lrp_rule(
    traced: Any, node: fx.Node, active: Collection[fx.Node], gates: Mapping[fx.Node, fx.Node]
) -> nn.Module | bool:
    """LRP's rule of a node; True if it needs none, False if there is none."""
    if is_affine(traced, node, active):
        return True
    if kind_of(traced, node) in HOMOGENEOUS:  # unless a constant is among what is compared
        compared = 1 if kind_of(traced, node) == "prelu" else len(node.all_input_nodes)
        return len(set(reads_of(node, active))) == compared
    if node in gates:
        return Gate(last=gates[node] is node.args[1])
    function = elementwise_function(traced, node)
    if function is None or bool(function(torch.zeros(1)).any()):
        return False
    return Secant(function)
