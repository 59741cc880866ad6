"""Networks rewritten for methods with a rule a part: a private copy in which rules are modules.

A traced copy is made canonical (nothing works in place, nothing passive is left); then parts that
no gradient passes as it must are replaced by their rules (:mod:`fer_xai.attributions.relevance`).
What has no rule is refused by name, before any pass, and the method's own law is tried on noise.
"""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.ops import StochasticDepth

from fer_xai.attributions.layers import noise
from fer_xai.attributions.leaks import check_law
from fer_xai.attributions.relevance import (
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
from fer_xai.probe import Probe

_PASSIVE = (nn.Identity, nn.modules.dropout._DropoutNd, StochasticDepth)
_AFFINE_MODULES = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
    nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.AvgPool1d,
    nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d,
    nn.Flatten, nn.Unflatten, nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle,
    nn.modules.padding._ReflectionPadNd, nn.modules.padding._ReplicationPadNd,
    nn.modules.padding._ConstantPadNd, *_PASSIVE,
)  # fmt: skip
"""Modules that a multiplier passes as a gradient does: linear, a constant apart."""
_ELEMENTWISE_MODULES = (
    nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU,
    nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign,
    nn.LogSigmoid, nn.Softshrink, nn.Tanhshrink,
)  # fmt: skip
_ELEMENTWISE = frozenset({
    "relu", "relu6", "hardtanh", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish",
    "hardswish", "hardsigmoid", "sigmoid", "tanh", "softplus", "softsign", "logsigmoid", "clamp",
    "clip", "clamp_min", "clamp_max", "abs", "square", "exp", "prelu", "threshold",
})  # fmt: skip
"""Functions and methods of one tensor, each element by itself."""
_SHAPES = frozenset({
    "getitem", "flatten", "reshape", "view", "permute", "transpose", "contiguous", "squeeze",
    "unsqueeze", "expand", "expand_as", "chunk", "split", "tensor_split", "unbind", "unflatten",
    "narrow", "select", "index_select", "movedim", "swapaxes", "flip", "roll", "clone", "to",
    "float", "type_as", "view_as", "reshape_as", "adjoint", "t", ".T", ".mT", ".values",
    "Flatten", "Unflatten",
})  # fmt: skip
_AFFINE = _SHAPES | {
    "add", "sub", "rsub", "neg", "cat", "concat", "stack", "mean", "sum", "avg_pool1d",
    "avg_pool2d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "interpolate", "upsample", "pad",
    "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "dropout", "dropout2d", "alpha_dropout",
    "feature_dropout", "stochastic_depth", "conv1d", "conv2d", "conv3d", "conv_transpose2d",
    "linear", "batch_norm", "unfold", "fold",
}  # fmt: skip
"""Functions and methods that are linear in the tensors that depend on the image, a constant apart;
where their other tensors (weights) depend on it too they are refused."""
_WEIGHTED = {"conv1d", "conv2d", "conv3d", "conv_transpose2d", "linear", "batch_norm"}
_PRODUCTS = {"mul", "matmul", "bmm"}
_SCALED = {"mul", "div", "truediv", "matmul", "bmm", "einsum"}
"""Linear in one tensor where the others are constants."""
_LARGEST = {"max_pool2d", "adaptive_max_pool2d", "amax"}
_GATES = {"sigmoid", "hardsigmoid", "softmax"}
_HOMOGENEOUS = {
    "relu", "ReLU", "leaky_relu", "LeakyReLU", "PReLU", "prelu", "max_pool2d", "MaxPool2d",
    "AdaptiveMaxPool2d", "adaptive_max_pool2d", "max", "min", "amax", "amin", "maximum", "minimum",
}  # fmt: skip
"""f(tx) = t f(x) for t > 0: the gradient times what it reads is the whole value already."""
_POSITIVE = _SHAPES | {
    "add", "cat", "concat", "stack", "mean", "sum", "mul", "avg_pool2d", "adaptive_avg_pool2d",
    "max_pool2d", "adaptive_max_pool2d", "dropout", "stochastic_depth", "AvgPool2d", "MaxPool2d",
    "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "Flatten", "Unflatten", "maximum", "amax",
}  # fmt: skip
"""What gives nothing negative where it reads nothing negative."""
_GUIDED = _AFFINE | _PRODUCTS | _LARGEST | {
    "div", "truediv", "layer_norm", "group_norm", "normalize", "einsum",
}  # fmt: skip
"""Names of what has no rule and needs none beside ReLUs: their gradient is passed as it is."""
_GUIDED_MODULES = (
    *_AFFINE_MODULES, nn.ReLU, nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm,
    nn.LocalResponseNorm, nn.MaxPool2d, nn.AdaptiveMaxPool2d, nn.LPPool2d,
)  # fmt: skip
_TOLERANCE = 1e-4
"""Share of the largest logit by which a copy's may differ: merging BatchNorm rounds otherwise."""


def for_relus(probe: Probe, method: str) -> Any:
    """A copy of the model in which every ReLU is a :class:`Guided` of its own.

    Raises
    ------
    InputError
        If it has no ReLU, or parts beside them that are not known to be no activation (the method
        would change some of the gradients alone), or cannot be traced.
    """
    if "relu" not in probe.rewritten:
        model = _canonical(probe, method)
        traced = model.net
        watched = _Watching(probe, traced)
        others = {_kind(traced, node) for node in watched.active if _escapes(traced, node)}
        others |= _switched(traced, watched, watched.active)
        relus = [node for node in watched.active if _kind(traced, node) in ("relu", "ReLU")]
        if others or not relus:
            raise InputError(
                f"Expected no activations but ReLUs for {method}, but {probe.name} has "
                f"{', '.join(sorted(others)) or 'none of them'}: take saliency or "
                "integrated_gradients, which ask for no rule."
            )
        _place(traced, {node: Guided() for node in relus})
        _finish(traced)
        check_copy(probe, model, method)
        probe.rewritten["relu"] = model
    return probe.rewritten["relu"]


def for_deeplift(probe: Probe, method: str) -> Any:
    """A copy on which DeepLift's rules hold.

    Raises
    ------
    InputError
        Naming the parts that have no rule.
    """
    if "deeplift" not in probe.rewritten:
        model = _canonical(probe, method)
        traced = model.net
        watched = _Watching(probe, traced)
        rules = {node: _deeplift_rule(traced, node, watched.dependent) for node in watched.active}
        _refuse(_unruled(traced, rules), probe.name, method)
        _check_rows(probe, traced, watched, watched.active, method)
        _place(traced, rules)
        _finish(traced)
        check_copy(probe, model, method)
        check_law(probe, model, method, black=True)
        probe.rewritten["deeplift"] = model
    return probe.rewritten["deeplift"]


def for_lrp(probe: Probe, method: str, *, gamma: float | None = 0.0) -> Any:
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
    if key not in probe.rewritten:
        model = _canonical(probe, method, merging=(True, False) if gamma == 0 else (True,))
        traced = model.net
        watched = _Watching(probe, traced)
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
                constants[node] = watched.at_zero(node)
        _refuse(_unruled(traced, rules), probe.name, method)
        _check_rows(probe, traced, watched, list(rules), method)
        _place(traced, rules)
        for node, constant in constants.items():
            if constant is not None and bool(constant.any()):
                _follow(traced, node, Constant(constant))
        _finish(traced)
        check_copy(probe, model, method)
        check_law(probe, model, method, black=False)
        probe.rewritten[key] = model
    return probe.rewritten[key]


def check_copy(probe: Probe, model: Callable[[Tensor], Tensor], method: str) -> None:
    """The copy says what the model says.

    Raises
    ------
    InputError
        If it does not.
    """
    apart, room = _apart(probe, model)
    if not apart <= room:
        again = _apart(probe, probe.model)[0]
        if again > room:
            raise InputError(
                f"Expected {probe.name} to answer twice alike, but its logits of one image differ "
                f"by {again:.2g}: something in it is random in evaluation mode, such as F.dropout "
                "without training=self.training."
            )
        raise InputError(
            f"Expected the copy of {probe.name} that {method} works on to give the same logits, "
            f"but they differ by {apart:.2g}: take saliency instead."
        )


def _apart(probe: Probe, model: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """By how much a copy's logits of noise differ from the model's, and by how much they may."""
    images = noise(probe)
    with torch.inference_mode():
        plain, ours = probe.model(images), model(images)
    return float((plain - ours).abs().max()), max(_TOLERANCE * float(plain.abs().max()), 1e-6)


def _canonical(probe: Probe, method: str, *, merging: tuple[bool, ...] = (True, False)) -> Any:
    """The plain copy with its network traced: nothing in it works in place, is passive, or runs
    twice, and BatchNorms are merged into the convolutions that they alone read.

    They are left where merging moves the logits by more than rounding should, if ``merging`` says
    that they may be.
    """
    model = copy.copy(probe.model)
    model._modules = dict(probe.model._modules)
    for merged in merging:
        model.net = _traced(probe, method)
        if merged:
            _merge_batchnorms(model.net)
        _finish(model.net)
        apart, room = _apart(probe, model)
        if apart <= room:
            break
    return model


def _traced(probe: Probe, method: str) -> Any:
    """The network as a graph in which each module runs once and writes into nothing it reads."""
    net = _baked(copy.deepcopy(probe.model.net))
    options = {
        name: parameter.default
        for name, parameter in list(inspect.signature(net.forward).parameters.items())[1:]
        if parameter.default is not parameter.empty
    }
    try:
        traced: Any = fx.symbolic_trace(net, concrete_args=options or None)
    except fx.proxy.TraceError:
        raise InputError(
            f"Expected a network that torch.fx can trace for {method}, but {probe.name} cannot be "
            "(it chooses by the numbers that it sees, or loops over a tensor's parts; write "
            "a, b = x.chunk(2)): take saliency or integrated_gradients, which ask for no rule."
        ) from None
    except Exception as error:  # noqa: BLE001 - tracing runs the user's code
        raise InputError(
            f"Expected a network that torch.fx can trace for {method}, but {probe.name} cannot be "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__}): take "
            "saliency or integrated_gradients, which ask for no rule."
        ) from None
    for node in traced.graph.nodes:
        if node.op in _CALLS and not node.args:
            _named_first(node)
    _refuse(_out_of_place(traced), probe.name, method)
    run: set[Any] = set()
    for node in list(traced.graph.nodes):
        if node.op != "call_module":
            continue
        module = traced.get_submodule(node.target)
        if isinstance(module, _PASSIVE):
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
        elif node.target in run:
            _put(traced, node, copy.deepcopy(module), node.args, node.kwargs)
        run.add(node.target)
    return traced


def _baked(net: nn.Module) -> nn.Module:
    """Parametrised weights (spectral and weight norm) as the parameters that they come to.

    By hand: PyTorch's own way takes them out of a class that the user's network shares.
    """
    modules: list[Any] = list(net.modules())
    for module in modules:
        if parametrize.is_parametrized(module):
            values = {name: getattr(module, name).detach() for name in module.parametrizations}
            module.__class__ = parametrize.type_before_parametrizations(module)
            del module._modules["parametrizations"]
            for name, value in values.items():
                module.register_parameter(name, nn.Parameter(value))
    return net


def _named_first(node: fx.Node) -> None:
    """What a part reads, given by name, in its place."""
    kwargs = dict(node.kwargs)
    given = [kwargs.pop(name) for name in ("input", "self", "x", "other") if name in kwargs]
    node.args, node.kwargs = tuple(given), kwargs


def _finish(traced: Any) -> None:
    """What a changed graph asks for."""
    traced.graph.eliminate_dead_code()
    traced.delete_all_unused_submodules()
    traced.graph.lint()
    traced.recompile()
    traced.eval().requires_grad_(False)


_PLAIN = {
    operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul,
    operator.itruediv: operator.truediv, operator.imatmul: operator.matmul,
}  # fmt: skip


def _out_of_place(traced: Any) -> set[str]:
    """Let nothing write into what it reads; later readers of that get the result instead.

    Returns names of what has no twin that writes elsewhere. Readers of *views* of what was written
    to are not followed: there the copy's logits differ, and it is refused by that.
    """
    order = {node: number for number, node in enumerate(traced.graph.nodes)}
    refused = set()
    for node in traced.graph.nodes:
        if node.target is operator.setitem:
            refused.add("setitem")
        elif _writes_in_place(traced, node):
            base = node.args[0]
            for user in list(base.users):
                if order[user] > order[node]:
                    user.replace_input_with(base, node)
            if not _made_plain(node):
                refused.add(_kind(traced, node))
    for module in traced.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return refused


def _writes_in_place(traced: Any, node: fx.Node) -> bool:
    if not node.args or not isinstance(node.args[0], fx.Node):
        return False
    if node.op == "call_module":
        return bool(getattr(traced.get_submodule(str(node.target)), "inplace", False))
    if node.op == "call_method":
        return str(node.target).endswith("_") and not str(node.target).endswith("__")
    if node.op != "call_function":
        return False
    return (
        node.target in _PLAIN
        or getattr(node.target, "__name__", "").endswith("_")
        or bool(_options(node).get("inplace"))
    )


def _options(node: fx.Node) -> dict[str, Any]:
    """Arguments of a function by name, as far as it tells its names."""
    try:
        bound = inspect.signature(node.target).bind(*node.args, **node.kwargs)  # type: ignore[arg-type]
    except (TypeError, ValueError):  # built-in functions have no signature
        return dict(node.kwargs)
    return dict(bound.arguments)


def _made_plain(node: fx.Node) -> bool:
    """Whether a node has been changed to its twin that writes elsewhere."""
    if node.op == "call_method":
        name = str(node.target)[:-1]
        if not hasattr(Tensor, name):
            return False
        node.target = name
    elif node.op == "call_function":
        name = getattr(node.target, "__name__", "")
        if node.target in _PLAIN:
            node.target = _PLAIN[node.target]
        elif name.endswith("_"):
            plain = getattr(torch, name[:-1], None) or getattr(F, name[:-1], None)
            if plain is None:
                return False
            node.target = plain
        else:
            options = _options(node)
            options.pop("inplace", None)
            node.args, node.kwargs = (
                (node.args[0],),
                {key: value for key, value in options.items() if value is not node.args[0]},
            )
    return True


def _merge_batchnorms(traced: Any) -> None:
    """BatchNorms into the convolutions that they alone read."""
    for node in list(traced.graph.nodes):
        source = node.args[0] if node.args else None
        if node.op != "call_module" or not isinstance(source, fx.Node):
            continue
        norm = traced.get_submodule(node.target)
        if not _fixed_norm(norm) or source.op != "call_module" or len(source.users) > 1:
            continue
        conv = traced.get_submodule(source.target)
        if type(conv) in (nn.Conv1d, nn.Conv2d, nn.Conv3d):
            _put(traced, source, fuse_conv_bn_eval(conv.eval(), norm.eval()), source.args)
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)


def _fixed_norm(module: nn.Module) -> bool:
    """Whether a module is a BatchNorm that goes by what it has kept, and so is affine."""
    return isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None


def _put(traced: Any, node: fx.Node, module: nn.Module, args: Any, kwargs: Any = None) -> fx.Node:
    """A module of its own in place of a node."""
    name = _added(traced, module)
    with traced.graph.inserting_after(node):
        new: fx.Node = traced.graph.call_module(name, args, kwargs)
    node.replace_all_uses_with(new)
    new.args = args  # its own arguments may have been uses of the node
    traced.graph.erase_node(node)
    return new


def _added(traced: Any, module: nn.Module) -> str:
    """A module under a name that no other has."""
    number = len(traced._modules)
    while hasattr(traced, f"own{number}"):
        number += 1
    traced.add_submodule(f"own{number}", module)
    return f"own{number}"


def _follow(traced: Any, node: fx.Node, module: nn.Module) -> None:
    """A module behind a node, which all its readers read instead."""
    name = _added(traced, module)
    with traced.graph.inserting_after(node):
        new: fx.Node = traced.graph.call_module(name, (node,))
    node.replace_all_uses_with(new)
    new.args = (node,)


class _Watching(fx.Interpreter):
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

    def __init__(self, probe: Probe, traced: Any) -> None:
        super().__init__(traced, garbage_collect_values=False)
        self.values: dict[fx.Node, Any] = {}
        with torch.no_grad():
            self.run(probe.model.preprocess(noise(probe)))
        found: dict[fx.Node, None] = {}
        for node, value in self.values.items():
            reads = any(source in found for source in node.all_input_nodes)
            first = node.op == "placeholder" and not found
            if _floating(value) and (first or reads):
                found[node] = None
        self.dependent = frozenset(found)
        self.active = [node for node in found if node.op in _CALLS]
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
        if (
            not isinstance(value, Tensor)
            or not value.ndim
            or not _affine(self.module, node, self.dependent)
        ):
            return None

        def zero(source: fx.Node) -> Any:
            read = self.values[source]
            return _zero(read) if source in self.dependent else read

        args, kwargs = fx.node.map_arg((node.args, node.kwargs), zero)
        with torch.no_grad():
            found: Tensor = getattr(self, node.op)(node.target, args, kwargs)
        return found[:1]


_CALLS = ("call_module", "call_function", "call_method")


def _zero(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(_zero(part) for part in value)
    return torch.zeros_like(value) if isinstance(value, Tensor) else value


def _floating(value: Any) -> bool:
    return bool(_parts(value))


def _refuse(kinds: set[str], name: str, method: str) -> None:
    """Say which parts of a network have no rule."""
    if kinds:
        raise InputError(
            f"Expected parts that {method} has rules for, but {name} has "
            f"{', '.join(sorted(kinds))}: take integrated_gradients, which asks for none."
        )


def _kind(traced: Any, node: fx.Node) -> str:
    """A module's class, or a function's or method's name."""
    if node.op == "call_module":
        return type(traced.get_submodule(str(node.target))).__name__
    name = _bare(node)
    return f".{node.args[1]}" if name == "getattr" else name


def _bare(node: fx.Node) -> str:
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "?")
    return name.lstrip("_") or name


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
        return isinstance(module, _AFFINE_MODULES) and (not norm or _fixed_norm(module))
    kind, reads = _kind(traced, node), _reads(node, active)
    if kind in _SCALED:
        return len(reads) == 1 and (kind not in ("div", "truediv") or reads[0] is node.args[0])
    if kind == "batch_norm" and _options(node).get("training"):
        return False
    return kind in _AFFINE and (kind not in _WEIGHTED or reads == [node.args[0]])


def _elementwise(traced: Any, node: fx.Node) -> Elementwise | None:
    """A node's function of one tensor, each element by itself, if it is one."""
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        if isinstance(module, nn.ReLU):
            return F.relu
        return module if isinstance(module, _ELEMENTWISE_MODULES) else None
    kind = _kind(traced, node)
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


def _switched(traced: Any, watched: _Watching, nodes: Collection[fx.Node]) -> set[str]:
    """Kinds of what makes truth values or whole numbers of the image that the nodes work with: a
    hand-made ReLU, x · (x > 0), is a product with a constant to automatic differentiation.
    """
    return {
        _kind(traced, source)
        for node in nodes
        for source in node.all_input_nodes
        if source in watched.switches
    }


def _check_rows(
    probe: Probe, traced: Any, watched: _Watching, nodes: Collection[fx.Node], method: str
) -> None:
    """What is counted face by face has a row a face, and more than one number in it.

    Raises
    ------
    InputError
        Naming the parts that have not, and those that make truth values of the image.
    """
    _refuse(_switched(traced, watched, nodes), probe.name, method)
    faces = len(noise(probe))
    other = {
        _kind(traced, node)
        for node in nodes
        for value in _parts(watched.values[node])
        if value.ndim < 2 or len(value) != faces
    }
    if other:
        raise InputError(
            f"Expected parts that keep a row an image for {method}, but {probe.name} has "
            f"{', '.join(sorted(other))} with another first axis: take integrated_gradients, which "
            "asks for no rules."
        )


def _parts(value: Any) -> list[Tensor]:
    if isinstance(value, tuple | list):
        return [part for inner in value for part in _parts(inner)]
    return [value] if isinstance(value, Tensor) and value.is_floating_point() else []


def _unruled(traced: Any, rules: Mapping[fx.Node, nn.Module | bool]) -> set[str]:
    """Kinds of what has no rule."""
    return {_kind(traced, node) for node, rule in rules.items() if rule is False}


def _place(traced: Any, rules: Mapping[fx.Node, nn.Module | bool]) -> None:
    """Modules in place of what they are the rule of; True says that none is needed."""
    for node, rule in rules.items():
        if isinstance(rule, nn.Module):
            both = isinstance(rule, Product | Gate | Larger)
            _put(traced, node, rule, node.args[: 2 if both else 1])


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
    kind = _kind(traced, node)
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
    elif _kind(traced, node) == "max_pool2d":
        names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode",
                 "return_indices")  # fmt: skip
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
    if _kind(traced, node) in _HOMOGENEOUS:  # unless a constant is among what is compared
        compared = 1 if _kind(traced, node) == "prelu" else len(node.all_input_nodes)
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
    return _kind(traced, node).startswith("conv")


def _gates_of_products(traced: Any, active: Collection[fx.Node]) -> dict[fx.Node, fx.Node]:
    """Products of a signal and a gate (a sigmoid or softmax, in another shape or not): the gate."""
    found = {}
    for node in active:
        if _kind(traced, node) == "mul" and len(_reads(node, active)) == 2:
            factors = [source for source in node.args if isinstance(source, fx.Node)]
            gates = [source for source in factors if _is_gate(traced, source)]
            if len(gates) == 1 and len(node.args) == 2:
                found[node] = gates[0]
    return found


def _is_gate(traced: Any, node: Any) -> bool:
    while isinstance(node, fx.Node) and node.op in _CALLS:
        kind = _kind(traced, node)
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
    waiting = [source for node in traced.graph.nodes if node.op == "output"
               for source in node.all_input_nodes]  # fmt: skip
    while waiting:
        node = waiting.pop()
        if node not in carrying and node in active:
            carrying.add(node)
            waiting += [source for source in node.all_input_nodes if source is not gates.get(node)]
    return carrying


def _signed(traced: Any, watched: _Watching) -> set[str]:
    """Names of convolutions whose input may be negative: no ReLU stands between it and the image,
    or another linear layer.
    """
    positive: set[fx.Node] = set()
    names = set()
    for node in traced.graph.nodes:
        tensors = [source for source in node.all_input_nodes if _parts(watched.values[source])]
        known = bool(tensors) and all(source in positive for source in tensors)
        kind = _kind(traced, node) if node.op in _CALLS else ""
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
    return below and _bare(node) in ("add", "mul", "pad")


def _escapes(traced: Any, node: fx.Node) -> bool:
    """Whether a node is none of what a guided gradient passes as a gradient does."""
    kind = _kind(traced, node)
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
        kind = _kind(traced, user) if user.op in _CALLS else user.op
        if kind in _PRODUCTS and source not in user.args:
            scales = True
        elif kind in _SHAPES:
            waiting += user.users
        else:
            return False
    return scales
