"""BatchNorm folded into the convolution or linear layer before it, for inference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from fer_xai.copying import deep_copy
from fer_xai.inference.tracing import trace

_PAIRS: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: nn.Conv1d,
    nn.BatchNorm2d: nn.Conv2d,
    nn.BatchNorm3d: nn.Conv3d,
}


def folded(net: nn.Module) -> fx.GraphModule:
    """A traced copy of a network in evaluation mode, with BatchNorm folded where that is exact.

    A BatchNorm is folded into the convolution or linear layer whose output it alone reads, if
    that layer runs once and the BatchNorm has running statistics. A ReLU that alone reads a
    convolution's output works in place, which saves memory traffic. A convolution of the copy is
    therefore never a layer to take maps from (see
    :meth:`fer_xai.inference.predictor.Predictor.runs_alone`).

    Parameters
    ----------
    net
        Network in evaluation mode, which is left as it is.

    Returns
    -------
    torch.fx.GraphModule
        Its own weights, in place of the network's.

    Raises
    ------
    Exception
        Whatever the network's own code raises where ``torch.fx`` cannot trace it.

    Examples
    --------
    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    >>> [type(layer).__name__ for layer in folded(net).children()]
    ['Conv2d', 'ReLU']
    >>> images = torch.rand(2, 3, 8, 8)
    >>> torch.allclose(folded(net)(images), net(images), atol=1e-6)
    True
    """
    traced = trace(deep_copy(net))
    modules = dict(traced.named_modules())
    uses = Counter(node.target for node in traced.graph.nodes if node.op == "call_module")
    for node in [*traced.graph.nodes]:
        if _folds(node, modules, uses):
            source, norm = node.args[0], modules[node.target]
            layer = modules[source.target]
            fuse: Any = fuse_linear_bn_eval if type(layer) is nn.Linear else fuse_conv_bn_eval
            merged = modules[source.target] = fuse(layer, norm)
            parent, _, name = source.target.rpartition(".")
            setattr(traced.get_submodule(parent), name, merged)
            node.replace_all_uses_with(source)
            traced.graph.erase_node(node)
    made = fx.GraphModule(traced, traced.graph)  # without the modules that no node calls
    _activate_in_place(made)
    traced.graph.owning_module = made.graph.owning_module = None  # circles, which keep the weights
    return made


def _called(node: object, modules: Mapping[str, nn.Module]) -> nn.Module | None:
    """The module that a node calls, if it does."""
    if not isinstance(node, fx.Node) or node.op != "call_module":
        return None
    return modules[str(node.target)]


def _folds(node: fx.Node, modules: Mapping[str, nn.Module], uses: Counter[Any]) -> bool:
    """Whether a node is a BatchNorm that alone reads a layer which it can be folded into."""
    source = node.args[0] if node.args else None
    norm, layer = _called(node, modules), _called(source, modules)
    if norm is None or layer is None or not isinstance(source, fx.Node):
        return False
    fits = type(layer) is _PAIRS.get(type(norm)) or (
        type(norm) is nn.BatchNorm1d and type(layer) is nn.Linear
    )
    return (
        fits
        and uses[source.target] == 1
        and len(source.users) == 1
        and bool(norm.track_running_stats)
    )


def _activate_in_place(traced: fx.GraphModule) -> None:
    """Let a ReLU overwrite a convolution's output that it alone reads."""
    modules = dict(traced.named_modules())
    uses = Counter(node.target for node in traced.graph.nodes if node.op == "call_module")
    for node in traced.graph.nodes:
        activation = _called(node, modules)
        source = node.args[0] if node.args else None
        if not isinstance(activation, nn.ReLU) or uses[node.target] > 1:
            continue
        if (
            isinstance(source, fx.Node)
            and isinstance(_called(source, modules), nn.Conv2d)
            and len(source.users) == 1
        ):
            activation.inplace = True
