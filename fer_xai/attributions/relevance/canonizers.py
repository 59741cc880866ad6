"""Networks rewritten for methods with a rule a part: a private copy in which rules are modules.

A traced copy is made canonical (nothing works in place, nothing passive is left); then parts that
no gradient passes as it must are replaced by their rules
(:mod:`fer_xai.attributions.relevance.rules`). What has no rule is refused by name, before any pass,
and the method's own law is tried on noise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from fer_xai.attributions.core.layers import noise
from fer_xai.attributions.core.tracing import (
    CALLS,
    PASSIVE,
    Watching,
    canonical,
    check_copy,
    finish,
    fixed_norm,
    floats_of,
    follow,
    kind_of,
    name_of,
    options_of,
    put,
    refuse,
)
from fer_xai.attributions.relevance.conservation import check_law
from fer_xai.attributions.relevance.rules import (
    Constant,
    Elementwise,
    Gate,
    Guided,
    Larger,
    MaxPool,
    Product,
    Secant,
    Shared,
)
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor

_AFFINE_MODULES = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Linear,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AvgPool3d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
    nn.Flatten,
    nn.Unflatten,
    nn.Upsample,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
    nn.ChannelShuffle,
    nn.modules.padding._ReflectionPadNd,
    nn.modules.padding._ReplicationPadNd,
    nn.modules.padding._ConstantPadNd,
    *PASSIVE,
)
"""Modules that a multiplier passes as a gradient does: linear, a constant apart."""
_ELEMENTWISE_MODULES = (
    nn.ReLU,
    nn.ReLU6,
    nn.Hardtanh,
    nn.LeakyReLU,
    nn.PReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Sigmoid,
    nn.Tanh,
    nn.Softplus,
    nn.Softsign,
    nn.LogSigmoid,
    nn.Softshrink,
    nn.Tanhshrink,
)
_ELEMENTWISE = frozenset(
    {
        "relu",
        "relu6",
        "hardtanh",
        "leaky_relu",
        "elu",
        "celu",
        "selu",
        "gelu",
        "silu",
        "mish",
        "hardswish",
        "hardsigmoid",
        "sigmoid",
        "tanh",
        "softplus",
        "softsign",
        "logsigmoid",
        "clamp",
        "clip",
        "clamp_min",
        "clamp_max",
        "abs",
        "square",
        "exp",
        "prelu",
        "threshold",
    }
)
"""Functions and methods of one tensor, each element by itself."""
_SHAPES = frozenset(
    {
        "getitem",
        "flatten",
        "reshape",
        "view",
        "permute",
        "transpose",
        "contiguous",
        "squeeze",
        "unsqueeze",
        "expand",
        "expand_as",
        "chunk",
        "split",
        "tensor_split",
        "unbind",
        "unflatten",
        "narrow",
        "select",
        "index_select",
        "movedim",
        "swapaxes",
        "flip",
        "roll",
        "clone",
        "to",
        "float",
        "type_as",
        "view_as",
        "reshape_as",
        "adjoint",
        "t",
        ".T",
        ".mT",
        ".values",
        "Flatten",
        "Unflatten",
    }
)
_AFFINE = _SHAPES | {
    "add",
    "sub",
    "rsub",
    "neg",
    "cat",
    "concat",
    "stack",
    "mean",
    "sum",
    "avg_pool1d",
    "avg_pool2d",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "interpolate",
    "upsample",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "channel_shuffle",
    "dropout",
    "dropout2d",
    "alpha_dropout",
    "feature_dropout",
    "stochastic_depth",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose2d",
    "linear",
    "batch_norm",
    "unfold",
    "fold",
}
"""Functions and methods that are linear in the tensors that depend on the image, a constant apart;
where their other tensors (weights) depend on it too they are refused."""
_WEIGHTED = {"conv1d", "conv2d", "conv3d", "conv_transpose2d", "linear", "batch_norm"}
_PRODUCTS = {"mul", "matmul", "bmm"}
_SCALED = {"mul", "div", "truediv", "matmul", "bmm", "einsum"}
"""Linear in one tensor where the others are constants."""
_LARGEST = {"max_pool2d", "adaptive_max_pool2d", "amax"}
_GATES = {"sigmoid", "hardsigmoid", "softmax"}
_HOMOGENEOUS = {
    "relu",
    "ReLU",
    "leaky_relu",
    "LeakyReLU",
    "PReLU",
    "prelu",
    "max_pool2d",
    "MaxPool2d",
    "AdaptiveMaxPool2d",
    "adaptive_max_pool2d",
    "max",
    "min",
    "amax",
    "amin",
    "maximum",
    "minimum",
}
"""f(tx) = t f(x) for t > 0: the gradient times what it reads is the whole value already."""
_POSITIVE = _SHAPES | {
    "add",
    "cat",
    "concat",
    "stack",
    "mean",
    "sum",
    "mul",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "max_pool2d",
    "adaptive_max_pool2d",
    "dropout",
    "stochastic_depth",
    "AvgPool2d",
    "MaxPool2d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "Flatten",
    "Unflatten",
    "maximum",
    "amax",
}
"""What gives nothing negative where it reads nothing negative."""
_GUIDED = (
    _AFFINE
    | _PRODUCTS
    | _LARGEST
    | {
        "div",
        "truediv",
        "layer_norm",
        "group_norm",
        "normalize",
        "einsum",
    }
)
"""Names of what has no rule and needs none beside ReLUs: their gradient is passed as it is."""
_GUIDED_MODULES = (
    *_AFFINE_MODULES,
    nn.ReLU,
    nn.modules.batchnorm._BatchNorm,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.LocalResponseNorm,
    nn.MaxPool2d,
    nn.AdaptiveMaxPool2d,
    nn.LPPool2d,
)


def for_relus(predictor: Predictor, method: str) -> Any:
    """A copy of the model in which every ReLU is a :class:`Guided` of its own.

    Raises
    ------
    InputError
        If it has no ReLU, or parts beside them that are not known to be no activation (the method
        would change some of the gradients alone), or cannot be traced.
    """
    if "relu" not in predictor.rewritten:
        model = canonical(predictor, method)
        traced = model.net
        watched = Watching(predictor, traced)
        others = {kind_of(traced, node) for node in watched.active if _escapes(traced, node)}
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
    """A copy on which DeepLift's rules hold.

    Raises
    ------
    InputError
        Naming the parts that have no rule.
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
    """A copy for LRP: its gradient is relevance over activation.

    ``signed`` names its convolutions whose input may be negative, which have LRP-0 always.

    Parameters
    ----------
    gamma
        γ of the other convolutions; 0 for LRP-0, None for α1β0.

    Raises
    ------
    InputError
        Naming the parts that have no rule.
    """
    key = f"lrp {gamma}"
    if key not in predictor.rewritten:
        model = canonical(predictor, method, merging=(True, False) if gamma == 0 else (True,))
        traced = model.net
        watched = Watching(predictor, traced)
        active = watched.dependent
        gates = _gates_of_products(traced, active)
        carrying = _carrying(traced, active, gates)
        model.signed = _signed(traced, watched)
        rules: dict[fx.Node, nn.Module | bool] = {}
        constants = {}
        for node in [node for node in watched.active if node in carrying]:
            if gamma != 0 and _is_conv2d(traced, node) and str(node.target) not in model.signed:
                rules[node] = Shared(traced.get_submodule(str(node.target)), gamma)
            elif gamma != 0 and _is_other_conv(traced, node):
                rules[node] = False
            else:
                rules[node] = _lrp_rule(traced, node, active, gates)
                constants[node] = watched.at_zero(node) if _affine(traced, node, active) else None
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


def _reads(node: fx.Node, active: Collection[fx.Node]) -> list[fx.Node]:
    """What a node reads that depends on the image, each as often as it reads it."""
    found: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), found.append)
    return [source for source in found if source in active]


def _affine(traced: Any, node: fx.Node, active: Collection[fx.Node]) -> bool:
    """Whether a node is linear in what depends on the image, a constant apart."""
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        return isinstance(module, _AFFINE_MODULES) and (not norm or fixed_norm(module))
    kind, reads = kind_of(traced, node), _reads(node, active)
    if kind in _SCALED:
        return len(reads) == 1 and (kind not in ("div", "truediv") or reads[0] is node.args[0])
    if kind == "batch_norm" and options_of(node).get("training"):
        return False
    return kind in _AFFINE and (kind not in _WEIGHTED or reads == [node.args[0]])


def _elementwise(traced: Any, node: fx.Node) -> Elementwise | None:
    """A node's function of one tensor, each element by itself, if it is one."""
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        if isinstance(module, nn.ReLU):
            return F.relu
        return module if isinstance(module, _ELEMENTWISE_MODULES) else None
    kind = kind_of(traced, node)
    others = [source for source in node.all_input_nodes if source not in node.args[:1]]
    if kind not in _ELEMENTWISE or any(source.op != "get_attr" for source in others):
        return None
    rest = [_constant(traced, value) for value in node.args[1:]]
    if kind == "relu":
        return F.relu
    target = node.target
    kwargs = {key: _constant(traced, value) for key, value in node.kwargs.items()}
    if isinstance(target, str):
        return lambda x: getattr(x, target)(*rest, **kwargs)
    return lambda x: target(x, *rest, **kwargs)


def _switched(traced: Any, watched: Watching, nodes: Collection[fx.Node]) -> set[str]:
    """Kinds of what makes truth values or whole numbers of the image that the nodes work with: a
    hand-made ReLU, x · (x > 0), is a product with a constant to automatic differentiation.
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
    """What is counted face by face has a row a face, and more than one number in it.

    Raises
    ------
    InputError
        Naming the parts that have not, and those that make truth values of the image.
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
    """Kinds of what has no rule."""
    return {kind_of(traced, node) for node, rule in rules.items() if rule is False}


def _place(traced: Any, rules: Mapping[fx.Node, nn.Module | bool]) -> None:
    """Modules in place of what they are the rule of; True says that none is needed."""
    for node, rule in rules.items():
        if isinstance(rule, nn.Module):
            both = isinstance(rule, Product | Gate | Larger)
            put(traced, node, rule, node.args[: 2 if both else 1])


def _constant(traced: Any, value: Any) -> Any:
    """A parameter or buffer that a function is given, or what else it is given."""
    if not isinstance(value, fx.Node):
        return value
    owner, _, name = str(value.target).rpartition(".")
    return getattr(traced.get_submodule(owner), name).detach()


def _deeplift_rule(traced: Any, node: fx.Node, active: Collection[fx.Node]) -> nn.Module | bool:
    """DeepLift's rule of a node, if there is one, or whether it needs none."""
    if _affine(traced, node, active):
        return True
    function = _elementwise(traced, node)
    if function is not None:
        return Secant(function)
    kind = kind_of(traced, node)
    if kind == "mul" and len(node.args) == 2:
        return Product()
    if kind in ("maximum", "minimum") and len(node.args) == 2:
        return Larger(smaller=kind == "minimum")
    return _pairwise(traced, node) or False


def _pairwise(traced: Any, node: fx.Node) -> MaxPool | None:
    """A max-pool of two axes without dilation, by pairs."""
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
    """LRP's rule of a node, if there is one, or whether it needs none."""
    if _affine(traced, node, active):
        return True
    if kind_of(traced, node) in _HOMOGENEOUS:  # unless a constant is among what is compared
        compared = 1 if kind_of(traced, node) == "prelu" else len(node.all_input_nodes)
        return len(set(_reads(node, active))) == compared
    if node in gates:
        return Gate(last=gates[node] is node.args[1])
    function = _elementwise(traced, node)
    if function is None or bool(function(torch.zeros(1)).any()):
        return False
    return Secant(function)


def _is_conv2d(traced: Any, node: fx.Node) -> bool:
    return node.op == "call_module" and type(traced.get_submodule(str(node.target))) is nn.Conv2d


def _is_other_conv(traced: Any, node: fx.Node) -> bool:
    """Whether a convolution is none of :class:`Shared`'s: a function, transposed, of other axes."""
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        return isinstance(module, nn.modules.conv._ConvNd) and type(module) is not nn.Conv2d
    return kind_of(traced, node).startswith("conv")


def _gates_of_products(traced: Any, active: Collection[fx.Node]) -> dict[fx.Node, fx.Node]:
    """Products of a signal and a gate (a sigmoid or softmax, in another shape or not): the gate."""
    found = {}
    for node in active:
        if kind_of(traced, node) == "mul" and len(_reads(node, active)) == 2:
            factors = [source for source in node.args if isinstance(source, fx.Node)]
            gates = [source for source in factors if _is_gate(traced, source)]
            if len(gates) == 1 and len(node.args) == 2:
                found[node] = gates[0]
    return found


def _is_gate(traced: Any, node: Any) -> bool:
    while isinstance(node, fx.Node) and node.op in CALLS:
        kind = kind_of(traced, node)
        if kind.lower() in _GATES:
            return True
        if kind not in _SHAPES:
            return False
        node = node.args[0]
    return False


def _carrying(
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


def _signed(traced: Any, watched: Watching) -> set[str]:
    """Names of convolutions whose input may be negative: no ReLU stands between it and the image,
    or another linear layer.
    """
    positive: set[fx.Node] = set()
    names = set()
    for node in traced.graph.nodes:
        tensors = [source for source in node.all_input_nodes if floats_of(watched.values[source])]
        known = bool(tensors) and all(source in positive for source in tensors)
        kind = kind_of(traced, node) if node.op in CALLS else ""
        if _is_conv2d(traced, node) and not known:
            names.add(str(node.target))
        if kind.lower() in ("relu", "relu6", "sigmoid", "hardsigmoid", "softmax") or (
            known and kind in _POSITIVE and not _moves_below(node)
        ):
            positive.add(node)
    return names


def _moves_below(node: fx.Node) -> bool:
    """Whether a sum or product has a number below zero among what it is made of."""
    given = (*node.args, *node.kwargs.values())
    below = any(isinstance(value, float | int) and value < 0 for value in given)
    return below and name_of(node) in ("add", "mul", "pad")


def _escapes(traced: Any, node: fx.Node) -> bool:
    """Whether a node is none of what a guided gradient passes as a gradient does."""
    kind = kind_of(traced, node)
    if kind.lower() in _GATES:
        return not _gates(traced, node)
    if node.op == "call_module":
        return not isinstance(traced.get_submodule(str(node.target)), _GUIDED_MODULES)
    return kind not in _GUIDED and kind != "relu"


def _gates(traced: Any, node: fx.Node) -> bool:
    """Whether a sigmoid or softmax scales other activations, and not the one that it is made of
    (x · sigmoid(x) is a SiLU).
    """
    source, waiting, scales = node.args[0], list(node.users), False
    while waiting:
        user = waiting.pop()
        kind = kind_of(traced, user) if user.op in CALLS else user.op
        if kind in _PRODUCTS and source not in user.args:
            scales = True
        elif kind in _SHAPES:
            waiting += user.users
        else:
            return False
    return scales
