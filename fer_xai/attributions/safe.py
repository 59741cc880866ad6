"""Networks made safe for methods with a rule a module: each activation a module, called once.

Captum hooks modules. An activation that is used twice, works in place or is a function escapes it,
in some versions without a word; torchvision's ResNets do the first two, GiMeFive reuses its
max-pool. A private copy is rewritten here, or refused with the reason.
"""

from __future__ import annotations

import copy
import operator
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from captum.attr._utils.custom_modules import Addition_Module
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

from fer_xai.attributions.layers import noise
from fer_xai.attributions.pools import Mean, PairwiseMaxPool
from fer_xai.errors import InputError
from fer_xai.probe import Probe

_RELUS: set[Any] = {F.relu, torch.relu, F.relu_, torch.relu_, "relu", "relu_"}
_ADDS: set[Any] = {operator.add, operator.iadd, torch.add, "add", "add_"}
_LINEAR: set[Any] = _ADDS | {
    operator.getitem, getattr, torch.flatten, torch.cat, torch.mean, torch.reshape, torch.permute,
    torch.transpose, F.adaptive_avg_pool2d, F.avg_pool2d, F.dropout, "mean", "view", "reshape",
    "flatten", "permute", "transpose", "contiguous", "size", "dim", "squeeze", "unsqueeze",
}  # fmt: skip
"""Functions and methods that a gradient passes as it must: linear in their tensors, or shapes."""
_SHAPES = {
    "getitem", "flatten", "reshape", "view", "permute", "transpose", "contiguous", "squeeze",
    "unsqueeze", "expand", "expand_as", "chunk", "split", "unbind", "Flatten", "Unflatten",
}  # fmt: skip
_PRODUCTS = {"mul", "imul", "mul_", "matmul", "bmm"}
_GATES = {"sigmoid", "hardsigmoid", "softmax"}
_GUIDED = _SHAPES | _PRODUCTS | {
    "sub", "isub", "truediv", "div", "neg", "sum", "stack", "pad", "interpolate", "linear",
    "conv2d", "batch_norm", "layer_norm", "group_norm", "normalize", "dropout", "dropout2d",
    "stochastic_depth", "max_pool2d", "adaptive_max_pool2d", "amax", "floordiv",
    "mod", "eq", "_assert",
}  # fmt: skip
"""Names of what has no rule and needs none beside ReLUs: their gradient is passed as it is."""
_MEANS: dict[Any, type[nn.Module]] = {
    F.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d, F.avg_pool2d: nn.AvgPool2d,
    torch.mean: Mean, "mean": Mean,
}  # fmt: skip
_PASSIVE = (nn.Identity, nn.Dropout, nn.Dropout2d, StochasticDepth)
_LINEAR_MODULES = (
    nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten,
    Addition_Module, *_PASSIVE,
)  # fmt: skip
_GUIDED_MODULES = (
    *_LINEAR_MODULES, nn.ReLU, nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm,
    nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm, nn.modules.dropout._DropoutNd,
    nn.MaxPool2d, nn.AdaptiveMaxPool2d, nn.LPPool2d, nn.Unflatten, nn.Upsample, nn.PixelShuffle,
    nn.ChannelShuffle, nn.modules.padding._ReflectionPadNd, nn.modules.padding._ReplicationPadNd,
    nn.modules.padding._ConstantPadNd,
)  # fmt: skip
_DEEPLIFT = (nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.MaxPool2d)
_LRP = (nn.ReLU, nn.Tanh, nn.MaxPool2d, Mean)
_TOLERANCE = 1e-5


def for_relus(probe: Probe, method: str) -> Any:
    """A copy of the model in which every ReLU is a module of its own.

    Raises
    ------
    InputError
        If it has no ReLU, or parts beside them that are not known to be no activation (the method
        would change some of the gradients alone), or cannot be traced.
    """
    if "relu" not in probe.rewritten:
        probe.rewritten["relu"] = _rewritten(probe, method, merged=False)
    model = probe.rewritten["relu"]
    others = sorted(
        {_kind(model.net, node) for node in model.net.graph.nodes if _escapes(model.net, node)}
    )
    if others or not any(isinstance(module, nn.ReLU) for module in model.net.modules()):
        raise InputError(
            f"Expected no activations but ReLUs for {method}, but {probe.name} has "
            f"{', '.join(others) or 'none of them'}: take saliency or integrated_gradients, which "
            "ask for no rule."
        )
    return model


def for_deeplift(probe: Probe, method: str) -> Any:
    """A copy on which DeepLift's rules hold.

    Raises
    ------
    InputError
        Naming the parts that have no rule.
    """
    if "deeplift" not in probe.rewritten:
        model = _rewritten(probe, method, merged=False)
        _refuse(model.net, (*_LINEAR_MODULES, *_DEEPLIFT), probe.name, method)
        _open_max_pools(model.net)
        check_copy(probe, model, method)
        probe.rewritten["deeplift"] = model
    return probe.rewritten["deeplift"]


def for_lrp(probe: Probe, method: str) -> Any:
    """A copy for LRP: BatchNorm merged into convolutions, sums and means as modules, nothing
    passive left. ``signed`` names its convolutions whose input may be negative.

    Raises
    ------
    InputError
        Naming the parts that have no rule.
    """
    if "lrp" not in probe.rewritten:
        model = _rewritten(probe, method, merged=True)
        _refuse(model.net, (*_LINEAR_MODULES, *_LRP), probe.name, method)
        model.signed = _signed(model.net)
        probe.rewritten["lrp"] = model
    return probe.rewritten["lrp"]


def _open_max_pools(traced: fx.GraphModule) -> None:
    """Max-pools as ReLUs, but for dilated ones and those that round up."""
    for name, module in list(traced.named_modules()):
        plain = isinstance(module, nn.MaxPool2d) and module.dilation in (1, (1, 1))
        if plain and not module.ceil_mode:
            parent, _, own = name.rpartition(".")
            setattr(traced.get_submodule(parent), own, PairwiseMaxPool(module))


def _rewritten(probe: Probe, method: str, *, merged: bool) -> Any:
    """The plain copy with its network traced and made of modules that run once."""
    model = copy.copy(probe.model)
    model._modules = dict(probe.model._modules)
    try:
        net = copy.deepcopy(probe.model.net)
        traced: Any = fuse(net) if merged else fx.symbolic_trace(net)
    except Exception as error:  # noqa: BLE001 - tracing runs the user's code
        raise InputError(
            f"Expected a network that torch.fx can trace for {method}, but {probe.name} cannot be "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__}): take "
            "saliency or integrated_gradients, which ask for no rule."
        ) from None
    calls = Counter(node.target for node in traced.graph.nodes if node.op == "call_module")
    for number, node in enumerate(list(traced.graph.nodes)):
        _replace(traced, node, f"own{number}", shared=calls[node.target] > 1, merged=merged)
    traced.graph.eliminate_dead_code()
    traced.delete_all_unused_submodules()
    traced.graph.lint()
    traced.recompile()
    for module in traced.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    model.net = traced.eval().requires_grad_(False)
    check_copy(probe, model, method)
    return model


def _replace(
    traced: fx.GraphModule, node: fx.Node, name: str, *, shared: bool, merged: bool
) -> None:
    """One node by a module of its own, where it is none."""
    graph = traced.graph
    module: nn.Module | None = None
    if node.op == "call_module":
        old = traced.get_submodule(str(node.target))
        if isinstance(old, _PASSIVE):
            node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]
            graph.erase_node(node)
            return
        if isinstance(old, nn.Flatten):
            with graph.inserting_after(node):
                new = graph.call_function(torch.flatten, (node.args[0], old.start_dim, old.end_dim))
            node.replace_all_uses_with(new)
            graph.erase_node(node)
            return
        if shared:
            module = copy.deepcopy(old)
    elif node.op in ("call_function", "call_method") and node.target in _RELUS:
        module = nn.ReLU()
    elif merged and _adds_two(node):
        module = Addition_Module()
    elif merged and node.target in _MEANS and node.all_input_nodes == list(node.args[:1]):
        module = _MEANS[node.target](*node.args[1:], **node.kwargs)
    if module is None:
        return
    traced.add_submodule(name, module)
    arguments = node.args if isinstance(module, Addition_Module) else node.args[:1]
    with graph.inserting_after(node):
        new = graph.call_module(name, arguments)
    node.replace_all_uses_with(new)
    graph.erase_node(node)


def _adds_two(node: fx.Node) -> bool:
    """Whether a node adds up two activations, as a shortcut does."""
    return node.target in _ADDS and all(
        isinstance(arg, fx.Node) and arg.op != "get_attr" for arg in node.args
    )


def check_copy(probe: Probe, model: Callable[[Tensor], Tensor], method: str) -> None:
    """The copy says what the model says.

    Raises
    ------
    InputError
        If it does not.
    """
    images = noise(probe)
    with torch.inference_mode():
        plain, ours = probe.model(images), model(images)
    if not bool((plain - ours).abs().max() <= _TOLERANCE * plain.abs().max().clamp(min=1)):
        raise InputError(
            f"Expected the copy of {probe.name} that {method} works on to give the same logits, "
            f"but they differ by {float((plain - ours).abs().max()):.2g}: take saliency instead."
        )


def _refuse(
    traced: fx.GraphModule, allowed: tuple[type[nn.Module], ...], name: str, method: str
) -> None:
    """Say which parts of a network have no rule."""
    foreign = set()
    for node in traced.graph.nodes:
        if node.op == "call_module":
            known = isinstance(traced.get_submodule(str(node.target)), allowed)
        elif node.op in ("call_function", "call_method"):
            known = node.target in _LINEAR or _scales(node, products=Mean not in allowed)
            # a gradient is shared evenly by a mean, relevance by what each place held
            known = known and not (Mean in allowed and node.target in _MEANS)
        else:
            known = True
        if not known:
            foreign.add(_kind(traced, node))
    if foreign:
        raise InputError(
            f"Expected parts that {method} has rules for, but {name} has "
            f"{', '.join(sorted(foreign))}: take integrated_gradients, which asks for none."
        )


def _scales(node: fx.Node, *, products: bool) -> bool:
    """Whether a node shifts by a constant; DeepLift also takes products with one and differences
    of two, which relevance is not handed through as gradients are.
    """
    both = all(isinstance(arg, fx.Node) and arg.op != "get_attr" for arg in node.args)
    if node.target in (operator.sub, operator.isub, torch.sub):
        return products or not both
    times = node.target in (operator.mul, operator.truediv, torch.mul, torch.div)
    return times and products and not both


def _signed(traced: fx.GraphModule) -> set[str]:
    """Names of convolutions whose input may be negative: no ReLU stands between it and the image,
    or another linear layer.
    """
    positive: set[fx.Node] = set()
    names = set()
    for node in traced.graph.nodes:
        known = bool(node.all_input_nodes) and all(n in positive for n in node.all_input_nodes)
        if node.op == "call_module":
            module = traced.get_submodule(str(node.target))
            if isinstance(module, nn.Conv2d) and not known:
                names.add(str(node.target))
            known = known and not isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d)
            known = known or isinstance(module, nn.ReLU)
        elif node.target not in _LINEAR:
            known = False
        if known:
            positive.add(node)
    return names


def _kind(traced: fx.GraphModule, node: fx.Node) -> str:
    if node.op == "call_module":
        return type(traced.get_submodule(str(node.target))).__name__
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "?")


def _escapes(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node is none of what a guided gradient passes as a gradient does."""
    if node.op not in ("call_module", "call_function", "call_method"):
        return False
    kind = _kind(traced, node)
    if kind.lower() in _GATES:
        return not _gates(traced, node)
    if node.op == "call_module":
        return not isinstance(traced.get_submodule(str(node.target)), _GUIDED_MODULES)
    return node.target not in _LINEAR and kind not in _GUIDED


def _gates(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a sigmoid or softmax scales other activations, and not the one that it is made of
    (x · sigmoid(x) is a SiLU).
    """
    source, waiting, scales = node.args[0], list(node.users), False
    while waiting:
        user = waiting.pop()
        kind = _kind(traced, user) if user.op != "output" else "output"
        if kind in _PRODUCTS and source not in user.args:
            scales = True
        elif kind in _SHAPES:
            waiting += user.users
        else:
            return False
    return scales
