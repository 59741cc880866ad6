"""The law of a rewritten network, tried on noise, and the part that breaks it.

Every part of a network has the law that the whole has: its multipliers times what it reads (less
what it read of the baseline, for DeepLift) are its output's multipliers times its output, its
constant apart. So where the whole one does not hold, the part that loses most is at fault.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from fer_xai.attributions.core.feature_maps import noise
from fer_xai.attributions.core.graphs import floats_of
from fer_xai.attributions.relevance.lrp_rules import Constant, Shared
from fer_xai.attributions.relevance.rules import forget, recording
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor

LARGEST_LEAK = 0.01
"""Share of a score that may be lost on noise."""


def check_law(predictor: Predictor, model: Any, method: str, *, black: bool) -> None:
    """Check that the network's multipliers add up to a score of noise.

    Parameters
    ----------
    predictor, model
        The original, and its rewritten copy.
    method
        Name of the method, for messages.
    black
        Whether differences from a black image are explained (DeepLift), or scores (LRP).

    Raises
    ------
    InputError
        With the name of the part that loses most.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> from fer_xai.attributions.relevance.composites import for_deeplift
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> used = Predictor(FERModel(net, emotions=["happiness", "fear"], size=8), device="cpu")
    >>> check_law(used, for_deeplift(used, "deeplift"), "deeplift", black=True)
    """
    net, face = model.net, noise(predictor)
    inputs = predictor.model.preprocess(face)
    start = predictor.model.preprocess(torch.zeros_like(face[:1])) if black else None
    with torch.inference_mode(mode=False), torch.enable_grad():
        inputs = inputs.clone()
        if start is not None:
            start = start.clone()
            with torch.no_grad(), recording(net):
                net(start)
        total, worst = _Run(net, start).lost(inputs)
    forget(net)
    if not bool(total.abs().max() <= LARGEST_LEAK):
        raise InputError(
            f"Expected {method} to account for the scores of {predictor.name}, but of noise it "
            f"misses {float(total.abs().max()):.0%}, most of it in {worst}: take "
            "integrated_gradients, which asks for no rules."
        )


class _Run(fx.Interpreter):
    """Forwards with each part's inputs kept apart, then backwards part by part."""

    def __init__(self, net: Any, start: Tensor | None) -> None:
        super().__init__(net, garbage_collect_values=False)
        self.net: Any = net
        self.dependent: set[fx.Node] = set()  # on the image: weights may be computed, too
        for node in net.graph.nodes:
            first = node.op == "placeholder" and not self.dependent
            if first or any(source in self.dependent for source in node.all_input_nodes):
                self.dependent.add(node)
        self.at_start: dict[fx.Node, Any] = {}
        self.kept: dict[fx.Node, tuple[dict[fx.Node, Any], Any]] = {}
        if start is not None:
            watched = _Values(net)
            with torch.no_grad():
                watched.run(start)
            self.at_start = watched.values

    def run_node(self, n: fx.Node) -> Any:
        """A node on inputs that nothing else differentiates."""
        if n.op not in ("call_module", "call_function", "call_method"):
            return super().run_node(n)
        own = {
            source: _leaves(self.env[source]) if source in self.dependent else self.env[source]
            for source in n.all_input_nodes
        }
        args, kwargs = fx.node.map_arg((n.args, n.kwargs), lambda source: own[source])
        with torch.enable_grad():
            output = getattr(self, n.op)(n.target, args, kwargs)
        self.kept[n] = own, output
        return output

    def lost(self, inputs: Tensor) -> tuple[Tensor, str]:
        """Share of the scores ``(B,)`` that is lost on the way, and the name of the worst part."""
        logits: Tensor = self.run(inputs, enable_io_processing=False).detach()
        with torch.no_grad():
            return self._backwards(inputs, logits)

    def _backwards(self, inputs: Tensor, logits: Tensor) -> tuple[Tensor, str]:
        weights = torch.linspace(1, 2, logits.shape[1], device=logits.device)
        output = next(node for node in self.net.graph.nodes if node.op == "output")
        sent: dict[fx.Node, list[Tensor]] = {output.args[0]: [weights.expand_as(logits)]}
        losses: dict[str, float] = {}
        for node in reversed(self.net.graph.nodes):
            if node in self.kept and node in sent:
                name, loss = self._hand_back(node, sent)
                losses[name] = max(losses.get(name, 0.0), float(loss.abs().max()))
        image = next(node for node in self.net.graph.nodes if node.op == "placeholder")
        score, before = (logits * weights).sum(dim=1), self.at_start.get(output)
        whole = score if before is None else score - (before * weights).sum(dim=1)
        arrived = (sent[image][0] * self._away(image, inputs)).flatten(1)
        gap = arrived.sum(dim=1) + _drawn(self.net, whole) - whole
        # of a difference that is smaller, float32's scores know less than a hundredth
        size = torch.maximum(whole.abs(), 1e-4 * score.abs())
        size = torch.maximum(size, arrived.abs().sum(dim=1) / 100)
        share = torch.where(gap == 0, torch.zeros_like(gap), gap / size)
        return share, max(losses, key=lambda name: losses[name]) if losses else "the network"

    def _hand_back(self, node: fx.Node, sent: dict[fx.Node, list[Tensor]]) -> tuple[str, Tensor]:
        own, output = self.kept[node]
        outs, gradients = floats_of(output), sent[node]
        read = {source: value for source, value in own.items() if source in self.dependent}
        leaves = [(source, leaf) for source, value in read.items() for leaf in floats_of(value)]
        pairs = [(out, g) for out, g in zip(outs, gradients, strict=True) if out.requires_grad]
        found = (
            torch.autograd.grad(
                [out for out, _ in pairs],
                [leaf for _, leaf in leaves],
                [g for _, g in pairs],
                allow_unused=True,
            )
            if pairs and leaves
            else [None] * len(leaves)
        )
        first = gradients[0]
        loss = _dot(gradients, self._away(node, output))
        for source, value in read.items():
            back = [
                torch.zeros_like(leaf) if g is None else g
                for (who, leaf), g in zip(leaves, found, strict=True)
                if who is source
            ]
            if back:
                loss = loss - _dot(back, self._away(source, value))
                known = sent.get(source)
                sent[source] = (
                    back if known is None else [a + b for a, b in zip(known, back, strict=True)]
                )
        for user in node.users:  # what a constant is behind is not lost
            part = self.net.get_submodule(str(user.target)) if user.op == "call_module" else None
            if isinstance(part, Constant):
                loss = loss - (first * part.value).flatten(1).sum(dim=1)
        if node.op == "call_module":
            part = self.net.get_submodule(str(node.target))
            name = type(getattr(part, "function", getattr(part, "conv", part))).__name__
            if isinstance(part, Shared):
                loss = loss - sum(part.drawn[-2:], torch.zeros_like(loss))
            return name, loss
        return str(getattr(node.target, "__name__", node.target)), loss

    def _away(self, node: fx.Node, value: Any) -> Any:
        """A value less what it was at the start."""
        before = self.at_start.get(node)
        if before is None:
            return value
        if isinstance(value, tuple | list):
            return type(value)(a - b for a, b in zip(value, before, strict=True))
        return value - before


class _Values(fx.Interpreter):
    def __init__(self, net: Any) -> None:
        super().__init__(net, garbage_collect_values=False)
        self.values: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        self.values[n] = super().run_node(n)
        return self.values[n]


def _leaves(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(_leaves(part) for part in value)
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().requires_grad_()
    return value


def _dot(multipliers: list[Tensor], values: Any) -> Tensor:
    """Σ m v ``(B,)``."""
    pairs = zip(multipliers, floats_of(values), strict=True)
    return torch.stack([(m * v).flatten(1).sum(dim=1) for m, v in pairs]).sum(dim=0)


def _drawn(net: Any, like: Tensor) -> Tensor:
    total = torch.zeros_like(like)
    for part in net.modules():
        if isinstance(part, Constant | Shared):
            total = total + sum(part.drawn, torch.zeros_like(like))
            part.drawn.clear()
    return total
