"""How a network's answer is read: the part that holds the logits, and logits of probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from fer_xai.checks import listed
from fer_xai.errors import InputError

Ending = Literal["logits", "softmax", "sigmoid"]
ENDINGS: tuple[str, ...] = get_args(Ending)
Outputs = str | int | Callable[[Any], Tensor] | Mapping[Any, float]
"""Where in an answer the logits are: see :func:`part_of`."""
_ROOM = 1e-4
"""By how much rounding may lead probabilities out of [0, 1]."""


def checked_outputs(outputs: object) -> Any:
    """The argument ``outputs`` of a FERModel, if it can be used; whole numbers become text.

    Raises
    ------
    InputError
        For anything else, and for modules, whose weights would not move with the model.

    Examples
    --------
    >>> checked_outputs(0), checked_outputs({0: 0.6, "1": 0.4})
    ('0', {'0': 0.6, '1': 0.4})
    """
    if isinstance(outputs, int) and not isinstance(outputs, bool):
        return str(outputs)
    if outputs is None or (isinstance(outputs, str) and outputs.strip()):
        return outputs
    if isinstance(outputs, Mapping) and outputs:
        if all(isinstance(weight, Real) for weight in outputs.values()):
            return {str(part): float(weight) for part, weight in outputs.items()}
    elif callable(outputs) and not isinstance(outputs, nn.Module | type):
        return outputs
    raise InputError(
        'Expected outputs as the part of the answer that holds the logits ("0", "expression", a '
        f'function, or weights {{"0": 0.6, "1": 0.4}}), got {outputs!r}.'
    )


def part_of(answer: Any, outputs: Any, *, name: str) -> Any:
    """The part of a network's answer that holds the logits.

    Parameters
    ----------
    answer
        What the network gave.
    outputs
        None for all of it; a path of positions, keys and attributes (``"0"``, ``"expression"``,
        ``"heads.0"``); a function of the answer; or a weight for each of several paths, whose
        weighted sum is taken.
    name
        The model's name, for messages.

    Raises
    ------
    InputError
        If there is no such part.

    Examples
    --------
    >>> answer = (torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
    >>> part_of(answer, "1", name="pair"), part_of(answer, {"0": 0.5, "1": 0.5}, name="pair")
    (tensor([[3., 4.]]), tensor([[2., 3.]]))
    """
    if outputs is None:
        return answer
    if isinstance(outputs, str):
        return _at(answer, outputs, name)
    if isinstance(outputs, Mapping):
        parts = [(_at(answer, str(path), name), weight) for path, weight in outputs.items()]
        wrong = next((one for one, _ in parts if not isinstance(one, Tensor)), None)
        if wrong is not None:
            raise InputError(
                f"Expected tensors to add up in the answer of {name}, got {described(wrong)} among "
                f"the parts {listed(outputs)}."
            )
        return sum(weight * part for part, weight in parts)
    return outputs(answer)


def _at(answer: Any, path: str, name: str) -> Any:
    found = answer
    for step in path.split("."):
        number = int(step) if step.lstrip("-").isdigit() else None
        if isinstance(found, Mapping) and (step in found or number in found):
            found = found[step] if step in found else found[number]
        elif number is not None and isinstance(found, list | tuple):
            if not -len(found) <= number < len(found):
                raise _no_part(answer, path, name)
            found = found[number]
        elif number is None and not isinstance(found, Tensor) and hasattr(found, step):
            found = getattr(found, step)
        else:
            raise _no_part(answer, path, name)
    return found


def _no_part(answer: Any, path: str, name: str) -> InputError:
    remedy = (
        "leave outputs out."
        if isinstance(answer, Tensor)
        else f"choose outputs from {listed(parts_named(answer)) or 'a function of the answer'}."
    )
    return InputError(
        f"Expected a part {path!r} in the answer of {name}, got {described(answer)}: {remedy}"
    )


def parts_named(answer: Any) -> list[str]:
    """Paths to the tensors ``(B, C)`` of an answer, as ``outputs`` takes them.

    Parameters
    ----------
    answer
        What a network gave.

    Examples
    --------
    >>> parts_named((torch.zeros(2, 6), {"features": torch.zeros(2, 9, 4, 4)}))
    ['0']
    """
    if isinstance(answer, Mapping):
        parts = [(str(key), value) for key, value in answer.items()]
    elif isinstance(answer, Sequence) and not isinstance(answer, str | bytes):
        parts = [(str(number), value) for number, value in enumerate(answer)]
    else:
        parts = [(key, value) for key, value in getattr(answer, "__dict__", {}).items()]
    found = []
    for path, value in parts:
        if isinstance(value, Tensor):
            found += [path] if value.ndim == 2 else []
        elif isinstance(value, Mapping | list | tuple):
            found += [f"{path}.{inner}" for inner in parts_named(value)]
    return found


def described(answer: Any) -> str:
    """An answer in a few words, for messages.

    Parameters
    ----------
    answer
        What a network gave.

    Examples
    --------
    >>> described((torch.zeros(2, 6), {"a": torch.zeros(2)}))
    'a tuple (tensor (2, 6), dict with a)'
    """
    if isinstance(answer, Tensor):
        return f"shape {tuple(answer.shape)}"
    kind = type(answer).__name__
    if isinstance(answer, Mapping):
        return f"a {kind} with {listed(answer)}"
    if isinstance(answer, list | tuple):
        inner = [
            f"tensor {tuple(one.shape)}"
            if isinstance(one, Tensor)
            else f"{type(one).__name__} with {listed(one)}"
            if isinstance(one, Mapping)
            else type(one).__name__
            for one in answer[:6]
        ]
        return f"a {kind} ({', '.join(inner)}{', …' if len(answer) > 6 else ''})"
    return f"a {kind}"


def as_logits(values: Tensor, ends_in: str, *, name: str) -> Tensor:
    """Logits of what a network ends in.

    Parameters
    ----------
    values
        ``(B, C)``.
    ends_in
        ``logits`` are taken as they are. Of the probabilities of a ``softmax`` the logarithm is
        taken, which is the logit up to a constant of each image; of a ``sigmoid`` the log odds.
        Both stop at the smallest number that is above 0 (and the largest below 1) in their
        precision, so that nothing is infinite; gradients beyond are 0.
    name
        The model's name, for messages.

    Raises
    ------
    InputError
        For values outside [0, 1] that are declared to be probabilities.

    Examples
    --------
    >>> as_logits(torch.tensor([[0.25, 0.75, 0.0]]), "softmax", name="mine")
    tensor([[ -1.3863,  -0.2877, -87.3365]])
    >>> as_logits(torch.tensor([[0.5, 1.0]]), "sigmoid", name="mine")
    tensor([[ 0.0000, 15.9424]])
    """
    if ends_in == "logits":
        return values
    if values.numel() and not torch.compiler.is_compiling():
        low, high = (float(end) for end in torch.aminmax(values.detach()))
        if low < -_ROOM or high > 1 + _ROOM:
            raise InputError(
                f"Expected probabilities in [0, 1] from {name}, which is said to end in a "
                f"{ends_in}, got values in [{low:.3g}, {high:.3g}]: leave ends_in out for logits."
            )
    if values.dtype in (torch.float16, torch.bfloat16):
        values = values.float()
    precision = torch.finfo(values.dtype)
    if ends_in == "softmax":
        return values.clamp(min=precision.tiny).log()
    return values.logit(eps=precision.eps)
