"""Grad-CAM (Selvaraju et al., ICCV 2017) through Captum, for all targets from one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from fer_xai.attributions.registry import ATTRIBUTIONS, Attribution
from fer_xai.errors import InputError
from fer_xai.probe import Probe

Which = Literal["default", "paper"]


def gradcam(probe: Probe, images: Tensor, columns: Tensor, *, layer: str | None = None) -> Tensor:
    """Grad-CAM maps at the layer's own resolution.

    The channels of a layer, weighted by the spatial mean of the target logit's gradient, summed
    and clamped at zero. The pass up to the layer runs once, without a graph, and what lies behind
    it once a target, so K targets cost one trunk and K heads.

    Parameters
    ----------
    probe
        Holds the private copy of the model that is run.
    images
        ``(B, 3, H, W)`` in [0, 1], on the probe's device.
    columns
        ``(B, K)`` output columns to explain.
    layer
        Dotted name; the model's ``cam_layer`` by default (after BatchNorm and ReLU).

    Returns
    -------
    Tensor
        ``(B, K, h, w)`` float32. A map without positive evidence is zero everywhere.

    Raises
    ------
    InputError
        If the layer's output is no stack of feature maps, or no gradient reaches it.
    """
    name = layer if layer is not None else _layer_of(probe.model, "default")
    model = probe.folded if probe.runs_alone(name) else probe.model
    module = model.net.get_submodule(name)
    with (
        torch.inference_mode(mode=False),
        torch.enable_grad(),
        probe.autocast(),
    ):
        if columns.shape[1] == 1 or _is_cut(probe, model, module, name):
            return _at_once(model, module, images, columns.to(probe.device), name=name)
        return _in_turn(model, module, images, columns.to(probe.device), name=name)


def _at_once(
    model: Any, module: nn.Module, images: Tensor, columns: Tensor, *, name: str
) -> Tensor:
    """Captum's maps, each face repeated once a target behind the layer."""
    batch, targets = columns.shape
    with _fan_out(module, targets, reshape=model.reshape, name=name):
        try:
            rows = LayerGradCam(model, module).attribute(
                images, target=columns.reshape(-1), relu_attributions=True
            )
        except AssertionError:  # Captum's: its hook saw nothing
            raise InputError(
                f"Expected a layer that the forward pass of {model.name} runs, but {name} is only "
                "a container: choose one of the modules in it."
            ) from None
    return rows.detach().float().reshape(batch, targets, *rows.shape[-2:])


def _in_turn(
    model: Any, module: nn.Module, images: Tensor, columns: Tensor, *, name: str
) -> Tensor:
    """The same maps where the layer's output cannot be repeated: one forward pass, and the part
    behind the layer backwards once a target. (Captum would run the whole network once a target.)
    """
    kept: list[Tensor] = []
    with _fan_out(module, 1, reshape=model.reshape, name=name):
        handle = module.register_forward_hook(lambda _, __, output: kept.append(output))
        try:
            logits = model(images)
        finally:
            handle.remove()
    features = kept[-1]  # (B, C, h, w)
    cams = []
    for column in columns.T:
        chosen = logits.gather(1, column[:, None]).sum()
        gradient = torch.autograd.grad(chosen, features, retain_graph=True)[0]
        weights = gradient.mean(dim=(2, 3), keepdim=True)
        cams.append((weights * features).sum(dim=1).clamp(min=0))
    return torch.stack(cams, dim=1).detach().float()


def _is_cut(probe: Probe, model: Any, module: nn.Module, name: str) -> bool:
    """Whether all of the network's later parts read this layer alone.

    Inside a residual block they do not: a repeated layer then meets a shortcut that is not, which
    PyTorch refuses to add. Tried once a layer, on two images.
    """
    if name not in probe.cuts:
        images = probe.to_device(torch.full((2, 3, model.size, model.size), 0.5))
        try:
            with _fan_out(module, 3, reshape=model.reshape, name=name), torch.no_grad():
                model(images)
            probe.cuts[name] = True
        except RuntimeError:
            probe.cuts[name] = False
    return probe.cuts[name]


@contextmanager
def _fan_out(
    module: nn.Module,
    targets: int,
    *,
    reshape: Callable[[Tensor], Tensor] | None,
    name: str,
) -> Iterator[None]:
    """Cut the graph at a layer, and repeat its output once a target.

    Captum's own hook runs after this one and so sees the repeated activations, one row a map.
    """

    def hook(_: nn.Module, __: Any, output: Any) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim != 4:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            advice = (
                "token models need a layer before the class token takes over, and a reshape"
                if reshape is None
                else "the reshape of this model does not reach its CAM layer yet"
            )
            raise InputError(
                f"Expected feature maps (B, C, h, w) from layer {name}, got {shape}: choose "
                f"another cam_layer ({advice})."
            )
        rows = output.detach().repeat_interleave(targets, dim=0)
        return rows.requires_grad_()

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _layer_of(model: Any, which: Which) -> str:
    layer = model.cam_layer if which == "default" else model.paper_layer
    if layer is None:
        option = "cam_layer" if which == "default" else "paper_layer"
        raise InputError(
            f"Expected a layer to take Grad-CAM from, but {model.name} names none: build it as "
            f"FERModel(net, {option}='…') with the name of its last convolution block."
        )
    return str(layer)


def _maps(probe: Probe, images: Tensor, columns: Tensor, *, which: Which) -> Tensor:
    return gradcam(probe, images, columns, layer=_layer_of(probe.model, which))


def _describe(model: Any, *, which: Which) -> Mapping[str, Any]:
    return {"layer": _layer_of(model, which), "relu": True, "upsampling": "bilinear"}


ATTRIBUTIONS.register("gradcam")(
    Attribution(
        maps=partial(_maps, which="default"),
        params=partial(_describe, which="default"),
        nonnegative=True,
        reference="Selvaraju et al., ICCV 2017, eq. 1-2",
    )
)
ATTRIBUTIONS.register("gradcam_paper")(
    Attribution(
        maps=partial(_maps, which="paper"),
        params=partial(_describe, which="paper"),
        nonnegative=True,
        reference="arXiv 2402.15662: the last convolution, before BatchNorm and ReLU",
    )
)
