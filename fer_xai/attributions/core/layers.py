"""Layers that maps can be taken from: found, and checked before they are used."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from fer_xai.attributions.core.feature_maps import (
    Layer,
    convolved_grids,
    feature_maps,
    noise,
    token_grid,
)
from fer_xai.attributions.core.layer_passes import repeated
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor


def layer_of(predictor: Predictor, name: str | None, *, paper: bool = False) -> Layer:
    """A layer by name, or the model's CAM layer, or, where it names none, the one that is found.

    Parameters
    ----------
    predictor
        The model.
    name
        Dotted name of the layer, or None.
    paper
        Whether the model's ``paper_layer`` is meant where no name is given.

    Raises
    ------
    InputError
        If it does not run, is not spatial, or no gradient reaches it; the sentence names a layer to
        take instead.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> used = Predictor(model, device="cpu")
    >>> layer_of(used, None).name, layer_of(used, "0").side
    ('1', (2, 2))
    """
    model = predictor.model
    if name is None:
        name = model.paper_layer if paper else model.cam_layer
    if name is None and paper:
        raise InputError(
            f"Expected a layer to take Grad-CAM from, but {model.name} names none: build it as "
            "FERModel(net, paper_layer='…') with the name of the layer that its authors used."
        )
    if isinstance(model.net, torch.jit.ScriptModule):
        raise InputError(
            f"Expected a network whose layers can be listened to, but {model.name} is a script, "
            "whose cannot: hand in the network that it was made of, or take saliency or occlusion."
        )
    if name is None:
        name = found_layers(predictor)[-1]
    if name not in predictor.layers:
        model.layer(name)  # an unknown name names the last ones there are
        predictor.layers[name] = _looked_at(predictor, name)
    layer: Layer = predictor.layers[name]
    return layer


def stages(predictor: Predictor, last: int) -> list[Layer]:
    """The last layer at each of the deepest resolutions, the deepest one at the end.

    Parameters
    ----------
    predictor
        The model.
    last
        Number of resolutions.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> used = Predictor(model, device="cpu")
    >>> [layer.name for layer in stages(used, 1)]
    ['1']
    """
    return [layer_of(predictor, name) for name in found_layers(predictor)[-last:]]


def found_layers(predictor: Predictor) -> list[str]:
    """The last layer at each resolution, in the order of execution; cells of 2×2 or more.

    They are modules that run once, give one spatial output a face, and pass on a gradient at every
    place of it (the last block's output of a ViT does so at the class token alone). Where a
    container and its last part give the same output, the container stands for both.

    Parameters
    ----------
    predictor
        The model.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> used = Predictor(model, device="cpu")
    >>> found_layers(used)
    ['1']
    """
    if "" not in predictor.layers:
        found: dict[tuple[int, int], str] = {}
        for name, side, gradient in _outputs(predictor):
            if min(side) >= 2 and bool((gradient.flatten(2).abs().sum(1) > 0).all()):
                found.pop(side, None)  # so that it moves to the end
                found[side] = name
        predictor.layers[""] = list(found.values())
    names: list[str] = predictor.layers[""]
    if not names:
        raise InputError(
            f"Expected {predictor.name} to have a layer with a spatial output of 2×2 cells or "
            "more, but found none: name one as FERModel(net, cam_layer='…', reshape=…)."
        )
    return names


def _outputs(predictor: Predictor) -> list[tuple[str, tuple[int, int], Tensor]]:
    """Name, grid and gradient ``(B, C, h, w)`` of every module that could be a CAM layer, in the
    order in which they ran.
    """
    net = predictor.model.net
    calls: list[str] = []
    ran: dict[tuple[int, int], tuple[str, list[Tensor]]] = {}
    kept: list[Tensor] = []

    def listen(name: str, module: nn.Module) -> Callable[..., None]:
        token_like = isinstance(module, nn.LayerNorm) or "Norm" in type(module).__name__

        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or len(output) != 2:
                return
            if output.ndim == 4 or (output.ndim == 3 and token_like):
                calls.append(name)
                gradients: list[Tensor] = []
                if output.requires_grad:  # of the output as it is now, whatever overwrites it
                    output.register_hook(gradients.append)
                kept.append(output)  # so that no other output gets its number
                # a container fires after its parts, and stands for the last of them
                ran.pop((id(output), output._version), None)
                ran[id(output), output._version] = (name, gradients)

        return hook

    with ExitStack() as stack, torch.inference_mode(mode=False), torch.enable_grad():
        for name, module in net.named_modules():
            if name and not isinstance(module, torch.jit.ScriptModule):
                handle = module.register_forward_hook(listen(name, module))
                stack.callback(handle.remove)
        images = noise(predictor).requires_grad_()
        logits = predictor.model(images)
        weights = torch.linspace(1, 2, logits.shape[1], device=logits.device)
        (logits.float() * weights).sum().backward()
    found, grids = [], convolved_grids(predictor)
    for name, gradients in ran.values():
        if calls.count(name) != 1 or not gradients:
            continue
        raw = gradients[-1].detach()
        tokens = token_grid(predictor, raw.shape[1]) if raw.ndim == 3 else None
        maps = feature_maps(raw, tokens=tokens, grids=grids)
        if maps is None:
            continue
        side = (maps.shape[2], maps.shape[3])
        # a head's (T, C) is no grid, unless a convolution gave one like it
        if tokens is not None or side[0] == side[1] or side in grids:
            found.append((name, side, maps))
    return found


def _looked_at(predictor: Predictor, name: str) -> Layer:
    """A layer as a pass of two noise images shows it."""
    model = predictor.model
    reshape = model.reshape if name == model.cam_layer else None
    kept: list[Any] = []  # of which shapes alone are read: later parts may overwrite the values
    handle = model.net.get_submodule(name).register_forward_hook(
        lambda _, __, output: kept.append(output)
    )
    images = noise(predictor)
    try:
        with torch.inference_mode():
            logits = model(images).float()
    finally:
        handle.remove()
    if not kept:
        raise InputError(
            f"Expected a layer that the forward pass of {model.name} runs, but {name} is only "
            f"a container: choose one of the modules in it{_instead(predictor)}."
        )
    output, tokens = kept[-1], None
    if reshape is None and isinstance(output, Tensor) and output.ndim == 3:
        tokens = token_grid(predictor, output.shape[1])
        if tokens is None:
            raise InputError(
                f"Expected tokens whose patches can be traced from layer {name} of {model.name}, "
                f"got {tuple(output.shape)}, of which no {output.shape[1]} stand for the cells of "
                "a patch embedding and what is beside them: hand in FERModel(net, cam_layer="
                "'…', reshape=…), which makes (B, C, h, w) of them."
            )
    grids = convolved_grids(predictor)
    maps = feature_maps(output, reshape, tokens, grids)
    if maps is None or min(maps.shape[2:]) < 1 or len(maps) != len(images):
        shape = tuple(kept[-1].shape) if isinstance(kept[-1], Tensor) else type(kept[-1]).__name__
        raise InputError(
            f"Expected feature maps (B, C, h, w) or tokens (B, T, C) from layer {name}, got "
            f"{shape}: choose another cam_layer{_instead(predictor)}."
        )
    layer = Layer(
        name=name,
        side=(maps.shape[2], maps.shape[3]),
        calls=len(kept),
        cut=len(kept) == 1 and _is_cut(predictor, name),
        reshape=reshape,
        tokens=tokens,
        grids=grids,
    )
    dead, cut = _gradient_at(predictor, layer)
    if not torch.allclose(cut, logits, rtol=1e-3, atol=1e-3 * float(logits.abs().max())):
        raise InputError(
            f"Expected a layer of {model.name} that can be read without changing the logits, but "
            f"{name} hands on its input, which a later part overwrites under another name: choose "
            f"the module before it{_instead(predictor)}."
        )
    if dead:
        raise InputError(
            f"Expected a gradient at layer {name} of {model.name}, but it is zero everywhere, as "
            "behind the last attention of a ViT (only the class token goes on) or before a head "
            f"of zeros: choose another cam_layer{_instead(predictor)}."
        )
    return layer


def _gradient_at(predictor: Predictor, layer: Layer) -> tuple[bool, Tensor]:
    """Whether no score can depend on the layer's places, and the logits with the graph cut there.

    It cannot if there is no gradient at them though there is one elsewhere in the output (at a
    class token), or none at all since the head's weights are zero. A network that is merely
    saturated on noise is not dead.
    """
    module = predictor.model.net.get_submodule(layer.name)
    with torch.inference_mode(mode=False), torch.enable_grad(), repeated(module, 1) as kept:
        logits = predictor.model(noise(predictor))
        weights = torch.linspace(1, 2, logits.shape[1], device=logits.device)
        raw: Tensor | None = None
        if logits.requires_grad:  # else nothing that follows reads the layer
            raw = torch.autograd.grad((logits * weights).sum(), kept[-1], allow_unused=True)[0]
    found = logits.detach().float()
    if raw is None:
        return True, found
    if bool((layer.maps(raw) != 0).any()):
        return False, found
    heads = [part for part in predictor.model.net.modules() if isinstance(part, nn.Linear)]
    return bool((raw != 0).any()) or bool(heads and not heads[-1].weight.any()), found


def _instead(predictor: Predictor) -> str:
    try:
        return f", such as {found_layers(predictor)[-1]}"
    except InputError:
        return ""


def _is_cut(predictor: Predictor, name: str) -> bool:
    """Whether the layer's output can be repeated, tried on two images."""
    module = predictor.model.net.get_submodule(name)
    try:
        with repeated(module, 3), torch.no_grad():
            return len(predictor.model(noise(predictor))) == 6
    except Exception:  # noqa: BLE001 - the user's code meets more rows than it was given
        return False
