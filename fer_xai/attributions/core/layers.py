"""Layers to take maps from: found, checked, and run up to and behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fer_xai.attributions.core.registry import Question
from fer_xai.attributions.core.tokens import Tokens, trace_tokens
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor

Reshape = Callable[[Tensor], Tensor]


Grids = frozenset[tuple[int, int]]


def feature_maps(
    output: Any,
    reshape: Reshape | None = None,
    tokens: Tokens | None = None,
    grids: Grids = frozenset(),
) -> Tensor | None:
    """A layer's output as feature maps ``(B, C, h, w)``, or None if it cannot be spatial.

    Maps with channels first stay as they are, channels last (Swin in timm) are moved
    (:func:`channel_axis`), and of tokens ``(B, T, C)`` those of the patches are taken, if
    ``tokens`` says which these are (:func:`token_grid`). ``reshape`` does it for a model that needs
    another way.

    Examples
    --------
    >>> feature_maps(torch.zeros(2, 7, 7, 96)).shape
    torch.Size([2, 96, 7, 7])
    >>> patches = Tokens(side=(2, 3), places=torch.arange(1, 7), length=7)  # behind a class token
    >>> feature_maps(torch.zeros(2, 7, 12), tokens=patches).shape
    torch.Size([2, 12, 2, 3])
    >>> feature_maps(torch.zeros(2, 7, 12)) is None
    True
    """
    if not isinstance(output, Tensor):
        return None
    if reshape is not None:
        maps = reshape(output)
        return maps if maps.ndim == 4 else None
    if output.ndim == 3 and tokens is not None and output.shape[1] == tokens.length:
        return tokens.maps(output)
    return output.movedim(channel_axis(output, grids=grids), 1) if output.ndim == 4 else None


def token_grid(predictor: Predictor, length: int) -> Tokens | None:
    """Which of ``length`` tokens are the patches, and their grid; None where it cannot be known.

    It is traced once a model and length, on noise (:func:`~fer_xai.attributions.core.tokens.
    trace_tokens`).
    """
    key = f"{length} tokens"  # no module has a space in its name
    if key not in predictor.layers:
        with torch.inference_mode(mode=False):
            predictor.layers[key] = trace_tokens(predictor.model, noise(predictor), length)
    found: Tokens | None = predictor.layers[key]
    return found


def convolved_grids(predictor: Predictor) -> Grids:
    """``(h, w)`` of what convolutions give, and what is left of these after halving them.

    They tell ``(B, C, h, w)`` from ``(B, h, w, C)`` where patches or strides are not square.
    """
    if "convolved grids" not in predictor.layers:
        found: set[tuple[int, int]] = set()

        def note(_: nn.Module, __: Any, output: Tensor) -> None:
            height, width = output.shape[-2:]
            while height * width > 1:
                found.update({(height, width), (-(-height // 2), -(-width // 2))})
                height, width = height // 2, width // 2

        with ExitStack() as stack, torch.inference_mode():
            for module in predictor.model.net.modules():
                if isinstance(module, nn.Conv2d):
                    stack.callback(module.register_forward_hook(note).remove)
            predictor.model(noise(predictor)[:1])
        predictor.layers["convolved grids"] = frozenset(found)
    grids: Grids = predictor.layers["convolved grids"]
    return grids


def channel_axis(output: Tensor, reshape: Reshape | None = None, grids: Grids = frozenset()) -> int:
    """Where an output has its channels: ``(B, C, h, w)``, ``(B, h, w, C)``, ``(B, T, C)``, or what
    the model's own ``reshape`` makes feature maps of.

    If one of the two pairs of axes is among the ``grids`` that convolutions gave, it is the grid;
    else the pair that is square, and where this does not tell, channels come first.

    Raises
    ------
    InputError
        If ``reshape`` makes channels of no axis.

    Examples
    --------
    >>> channel_axis(torch.zeros(2, 6, 16), lambda output: output.unflatten(2, (4, 4)))
    1
    >>> channel_axis(torch.zeros(2, 4, 8, 12), grids=frozenset({(4, 8)}))
    3
    """
    if reshape is not None:
        for axis in range(1, output.ndim):
            shape = [1] * output.ndim
            shape[axis] = output.shape[axis]
            places = torch.arange(output.shape[axis], dtype=torch.float32, device=output.device)
            maps = reshape(places.view(shape).expand(output.shape))  # each place along the axis
            if maps.shape[1] == len(places) and bool((maps == places.view(1, -1, 1, 1)).all()):
                return axis
        raise InputError(
            f"Expected a reshape that makes channels of one axis of {tuple(output.shape)}, got one "
            "that mixes them: take gradcam, which needs no channel alone."
        )
    if output.ndim == 3:
        return 2
    one, two, three = output.shape[1:]
    first, last = (two, three) in grids, (one, two) in grids
    if first == last:
        first, last = two == three, one == two
    return 3 if last and not first else 1


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer that maps can be taken from.

    Attributes
    ----------
    name
        Dotted name in the network.
    side
        ``(h, w)`` of its feature maps.
    calls
        How often it runs; maps are taken from the last time.
    cut
        Whether all later parts read this layer alone, so that its output may be repeated once a
        target. Inside a residual block they do not: a shortcut would meet it unrepeated.
    reshape
        The model's own way from its output to feature maps, if it has one.
    tokens
        Which of its tokens are the patches, if its output is a sequence.
    grids
        Grids that convolutions of the network gave.
    """

    name: str
    side: tuple[int, int]
    calls: int
    cut: bool
    reshape: Reshape | None
    tokens: Tokens | None = None
    grids: Grids = frozenset()


def layer_of(predictor: Predictor, name: str | None, *, paper: bool = False) -> Layer:
    """A layer by name, or the model's CAM layer, or, where it names none, the one that is found.

    Raises
    ------
    InputError
        If it does not run, is not spatial, or no gradient reaches it; the sentence names a layer to
        take instead.
    """
    model = predictor.model
    if name is None:
        name = model.paper_layer if paper else model.cam_layer
    if name is None and paper:
        raise InputError(
            f"Expected a layer to take Grad-CAM from, but {model.name} names none: build it as "
            "FERModel(net, paper_layer='…') with the name of the layer that its authors used."
        )
    if name is None:
        name = found_layers(predictor)[-1]
    if name not in predictor.layers:
        model.layer(name)  # an unknown name names the last ones there are
        predictor.layers[name] = _looked_at(predictor, name)
    layer: Layer = predictor.layers[name]
    return layer


def stages(predictor: Predictor, last: int) -> list[Layer]:
    """The last layer at each of the deepest ``last`` resolutions, the deepest one at the end."""
    return [layer_of(predictor, name) for name in found_layers(predictor)[-last:]]


def found_layers(predictor: Predictor) -> list[str]:
    """The last layer at each resolution, in the order of execution; cells of 2×2 or more.

    Looked for are modules that run once, give one spatial output a face, and pass on a gradient
    at every place of it (the last block's output of a ViT does so at the class token alone). Where
    a container and its last part give the same output, the container stands for both.
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


def noise(predictor: Predictor) -> Tensor:
    """Two images ``(2, 3, side, side)`` to try a network on."""
    side = predictor.model.size
    generator = torch.Generator().manual_seed(0)
    return predictor.to_device(torch.rand(2, 3, side, side, generator=generator))


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
            if name:
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
    """What is known of a layer after two noise images."""
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

    No gradient at them, though there is one elsewhere in its output (at a class token), or none at
    all since the head's weights are zero. A network that is merely saturated on noise is not dead.
    """
    module = predictor.model.net.get_submodule(layer.name)
    with torch.inference_mode(mode=False), torch.enable_grad(), _repeated(module, 1) as kept:
        logits = predictor.model(noise(predictor))
        weights = torch.linspace(1, 2, logits.shape[1], device=logits.device)
        raw: Tensor | None = None
        if logits.requires_grad:  # else nothing that follows reads the layer
            raw = torch.autograd.grad((logits * weights).sum(), kept[-1], allow_unused=True)[0]
    found = logits.detach().float()
    if raw is None:
        return True, found
    if bool((_maps(raw, layer) != 0).any()):
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
        with _repeated(module, 3), torch.no_grad():
            return len(predictor.model(noise(predictor))) == 6
    except Exception:  # noqa: BLE001 - the user's code meets more rows than it was given
        return False


@contextmanager
def _repeated(module: nn.Module, times: int) -> Iterator[list[Tensor]]:
    """Cut the graph at a layer and repeat its output; the list gets what is differentiated."""
    kept: list[Tensor] = []

    def hook(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        # copies, here and below: what follows, or reads the same tensor, may work in place
        rows = output.detach().repeat_interleave(times, dim=0) if times > 1 else output.detach()
        rows = rows if times > 1 else rows.clone()
        kept.append(rows.requires_grad_(torch.is_grad_enabled()))
        return kept[-1].clone()

    handle = module.register_forward_hook(hook)
    try:
        yield kept
    finally:
        handle.remove()


def runnable(predictor: Predictor, names: Sequence[str]) -> Any:
    """The folded copy where these layers mean the same in it as in the plain one, else that."""
    return (
        predictor.folded if all(predictor.runs_alone(name) for name in names) else predictor.model
    )


def layer_activations(predictor: Predictor, images: Tensor, layer: Layer) -> Tensor:
    """Feature maps ``(B, C, h, w)`` float32 of a layer, from one pass."""
    model = runnable(predictor, [layer.name])
    kept: list[Tensor] = []
    handle = model.net.get_submodule(layer.name).register_forward_hook(
        lambda _, __, output: kept.append(output.clone())  # a later part may overwrite it
    )
    try:
        with torch.inference_mode(), predictor.autocast():
            model(images)
    finally:
        handle.remove()
    return _maps(kept[-1], layer).float()


def activations_and_gradients(
    predictor: Predictor, question: Question, layer: Layer
) -> tuple[Tensor, Tensor]:
    """Feature maps of a layer and the gradients of each target's score.

    The pass up to the layer runs once, without a graph; what lies behind it once a target: at once,
    on repeated rows, where the layer's output can be repeated, else backwards target by target.

    Returns
    -------
    tuple
        Activations ``(B, K or 1, C, h, w)`` and gradients ``(B, K, C, h, w)``, float32.
    """
    model = runnable(predictor, [layer.name])
    module = model.net.get_submodule(layer.name)
    batch, targets = len(question), question.targets
    with torch.inference_mode(mode=False), torch.enable_grad(), predictor.autocast():
        times = targets if layer.cut else 1
        with _repeated(module, times) as kept:
            logits = model(question.images)
        rows = kept[-1]  # (B · times, …)
        if times == targets:
            chosen = _own_target(question, logits) if targets > 1 else question.scores(logits)
            made = [torch.autograd.grad(chosen.sum(), rows)[0]]
        else:
            each = question.scores(logits).sum(dim=0)  # (K,)
            made = [
                torch.autograd.grad(score, rows, retain_graph=True)[0] for score in each.unbind()
            ]
    maps = [_maps(value, layer) for value in (rows, *made)]
    activations = maps[0].unflatten(0, (batch, times))
    gradients = (
        maps[1].unflatten(0, (batch, targets)) if times == targets else torch.stack(maps[1:], dim=1)
    )
    return activations.float(), gradients.float()


def _own_target(question: Question, logits: Tensor) -> Tensor:
    """Of logits ``(B · K, C)``, each row's score for the target that it stands for."""
    targets = question.targets
    every = question.scores(logits, each=targets)  # (B · K, K)
    return every.unflatten(0, (-1, targets)).diagonal(dim1=1, dim2=2)  # (B, K)


def _maps(value: Tensor, layer: Layer) -> Tensor:
    maps = feature_maps(value.detach(), layer.reshape, layer.tokens, layer.grids)
    assert maps is not None
    return maps
