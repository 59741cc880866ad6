"""Canonical form of a network: traced, so that each part can be given a rule of its own.

Nothing in such a copy works in place, is passive, or runs twice; BatchNorms are merged into the
convolutions that they alone read, and parametrised weights are parameters.
"""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.ops import StochasticDepth

from fer_xai.attributions.core.feature_maps import noise
from fer_xai.attributions.core.graphs import CALLS, finish, kind_of, options_of, put, refuse
from fer_xai.copying import deep_copy
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.inference.tracing import trace
from fer_xai.models.answers import part_of

PASSIVE = (nn.Identity, nn.modules.dropout._DropoutNd, StochasticDepth)


_TOLERANCE = 1e-4
"""Share of the largest logit by which a copy's may differ: merging BatchNorm rounds otherwise."""


def canonical(
    predictor: Predictor, method: str, *, merging: tuple[bool, ...] = (True, False)
) -> Any:
    """A copy of the model with its network traced: nothing in it works in place, is passive, or
    runs twice, and BatchNorms are merged into the convolutions that they alone read.

    Parameters
    ----------
    predictor
        The model.
    method
        Name of the method that needs it, for messages of errors.
    merging
        Whether BatchNorms are merged, in the order of trial: the second is taken if the first moves
        the logits by more than rounding should.

    Raises
    ------
    InputError
        If the network cannot be traced.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, norm = nn.Conv2d(3, 2, 8), nn.BatchNorm2d(2)
    >>> net = nn.Sequential(conv, norm, nn.ReLU(inplace=True), nn.Flatten())
    >>> used = Predictor(FERModel(net, emotions=["happiness", "fear"], size=8), device="cpu")
    >>> [type(part).__name__ for part in canonical(used, "lrp").net.children()]
    ['ReLU', 'Flatten', 'Conv2d']
    """
    model = copy.copy(predictor.model)
    model._modules = dict(predictor.model._modules)
    for merged in merging:
        model.net = _traced(predictor, method)
        model.outputs = None
        if merged:
            _merge_batchnorms(model.net)
        finish(model.net)
        apart, room = _apart(predictor, model)
        if apart <= room:
            break
    return model


def _answer_with_logits(traced: Any, predictor: Predictor, method: str) -> None:
    """Let a graph answer with the part that holds the logits, and drop what makes other parts.

    Raises
    ------
    InputError
        If the logits are no part of the answer, but made from it.
    """
    outputs, ending = predictor.model.outputs, predictor.model.ends_in
    if ending != "logits" or not (outputs is None or isinstance(outputs, str)):
        made = f"probabilities ({ending})" if ending != "logits" else "several of its parts"
        raise InputError(
            f"Expected a network that answers with logits for {method}, but those of "
            f"{predictor.name} are made from {made}: take saliency or integrated_gradients, which "
            "ask for no rule."
        )
    if outputs is not None:
        end = next(node for node in traced.graph.nodes if node.op == "output")
        end.args = (part_of(end.args[0], outputs, name=predictor.name),)
        traced.graph.eliminate_dead_code()
        traced.recompile()


def _traced(predictor: Predictor, method: str) -> Any:
    """The network as a graph in which each module runs once and writes into nothing it reads."""
    net = _baked(deep_copy(predictor.model.net))
    options = {
        name: parameter.default
        for name, parameter in list(inspect.signature(net.forward).parameters.items())[1:]
        if parameter.default is not parameter.empty
    }
    try:
        traced: Any = trace(net, options)
    except fx.proxy.TraceError:
        raise InputError(
            f"Expected a network that torch.fx can trace for {method}, but {predictor.name} cannot "
            "be (it chooses by the numbers that it sees, or loops over a tensor's parts; write a, "
            "b = x.chunk(2)): take saliency or integrated_gradients, which ask for no rule."
        ) from None
    except Exception as error:  # noqa: BLE001 - tracing runs the user's code
        raise InputError(
            f"Expected a network that torch.fx can trace for {method}, but {predictor.name} cannot "
            f"be ({str(error).splitlines()[0] if str(error) else type(error).__name__}): take "
            "saliency or integrated_gradients, which ask for no rule."
        ) from None
    _answer_with_logits(traced, predictor, method)
    for node in traced.graph.nodes:
        if node.op in CALLS and not node.args:
            _named_first(node)
    refuse(_out_of_place(traced), predictor.name, method)
    run: set[Any] = set()
    for node in list(traced.graph.nodes):
        if node.op != "call_module":
            continue
        module = traced.get_submodule(node.target)
        if isinstance(module, PASSIVE):
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
        elif node.target in run:
            put(traced, node, copy.deepcopy(module), node.args, node.kwargs)
        run.add(node.target)
    return traced


def _baked(net: nn.Module) -> nn.Module:
    """Replace parametrised weights (spectral and weight norm) by the parameters that they stand
    for.

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
    """Move inputs that a node is given by name to the front of its arguments."""
    kwargs = dict(node.kwargs)
    given = [kwargs.pop(name) for name in ("input", "self", "x", "other") if name in kwargs]
    node.args, node.kwargs = tuple(given), kwargs


_PLAIN = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    operator.imatmul: operator.matmul,
}


def _out_of_place(traced: Any) -> set[str]:
    """Replace nodes that write into their input by nodes that do not; later readers of the input
    read the result instead.

    Returns the names of nodes for which there is none. Readers of *views* of an input are not
    followed: there the copy's logits differ, and the check of the copy refuses it.
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
                refused.add(kind_of(traced, node))
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
        or bool(options_of(node).get("inplace"))
    )


def _made_plain(node: fx.Node) -> bool:
    """Change a node to its counterpart that does not work in place; whether there is one."""
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
            options = options_of(node)
            options.pop("inplace", None)
            node.args, node.kwargs = (
                (node.args[0],),
                {key: value for key, value in options.items() if value is not node.args[0]},
            )
    return True


def _merge_batchnorms(traced: Any) -> None:
    """Merge BatchNorms into the convolutions that they alone read."""
    for node in list(traced.graph.nodes):
        source = node.args[0] if node.args else None
        if node.op != "call_module" or not isinstance(source, fx.Node):
            continue
        norm = traced.get_submodule(node.target)
        if not fixed_norm(norm) or source.op != "call_module" or len(source.users) > 1:
            continue
        conv = traced.get_submodule(source.target)
        if type(conv) in (nn.Conv1d, nn.Conv2d, nn.Conv3d):
            put(traced, source, fuse_conv_bn_eval(conv.eval(), norm.eval()), source.args)
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)


def fixed_norm(module: nn.Module) -> bool:
    """Whether a module is a BatchNorm that normalises by running statistics, and so is affine.

    Parameters
    ----------
    module
        Any module.

    Examples
    --------
    >>> fixed_norm(nn.BatchNorm2d(3)), fixed_norm(nn.BatchNorm2d(3, track_running_stats=False))
    (True, False)
    """
    return isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None


def check_copy(predictor: Predictor, model: Callable[[Tensor], Tensor], method: str) -> None:
    """Check that a copy gives the logits of the model.

    Parameters
    ----------
    predictor
        The model.
    model
        The copy, from images to logits.
    method
        Name of the method that works on the copy, for the message.

    Raises
    ------
    InputError
        If it does not.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    >>> used = Predictor(FERModel(net, emotions=["happiness", "fear"], size=8), device="cpu")
    >>> check_copy(used, lambda images: used.model(images) + 1, "lrp")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected the copy of ... to give the same logits, but they ...
    """
    apart, room = _apart(predictor, model)
    if not apart <= room:
        again = _apart(predictor, predictor.model)[0]
        if again > room:
            raise InputError(
                f"Expected {predictor.name} to answer twice alike, but its logits of one image "
                f"differ by {again:.2g}: something in it is random in evaluation mode, such as "
                "F.dropout without training=self.training."
            )
        raise InputError(
            f"Expected the copy of {predictor.name} that {method} works on to give the same "
            f"logits, but they differ by {apart:.2g}: take saliency instead."
        )


def _apart(predictor: Predictor, model: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """By how much a copy's logits of noise differ from the model's, and by how much they may."""
    images = noise(predictor)
    with torch.inference_mode():
        plain, ours = predictor.model(images), model(images)
    return float((plain - ours).abs().max()), max(_TOLERANCE * float(plain.abs().max()), 1e-6)
