"""Checks of what users hand in, raised early with expected, received and remedy."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf
from numbers import Integral, Real

import numpy as np
import torch
from torch import Tensor

from fer_xai.errors import InputError

QUOTED = 80
"""Characters of a cell or a name that a message shows at most."""

_UNKNOWN = {"", "nan", "None", "<NA>", "NaT"}


def quoted(value: object) -> str:
    """A value as messages show it: in quotes, and cut after :data:`QUOTED` characters.

    Examples
    --------
    >>> quoted("a.png")
    "'a.png'"
    >>> len(quoted("7 " * 2304))
    82
    """
    shown = repr(str(value))
    return shown if len(shown) <= QUOTED + 2 else f"{shown[:QUOTED]}…{shown[0]}"


def listed(names: Iterable[object], *, most: int = 12) -> str:
    """Names as messages list them: each cut and without what cannot be printed, at most so many.

    Examples
    --------
    >>> listed(["path", "label"]), listed("abcd", most=2)
    ('path, label', 'a, b and 2 more')
    """
    every = [quoted(name)[1:-1] for name in names]
    rest = f" and {len(every) - most} more" if len(every) > most else ""
    return f"{', '.join(every[:most])}{rest}"


def name_or_unknown(value: object) -> str:
    """Name of a person, a group or a cluster as text, "" where it is unknown.

    Unknown are None, NaN, white space, and what pandas writes for them; whole numbers are spelled
    without a point, since a column of integers becomes one of floats where a cell is empty.

    Examples
    --------
    >>> [name_or_unknown(value) for value in ("S010 ", 7.0, " ", None, float("nan"))]
    ['S010', '7', '', '', '']
    """
    if not isinstance(value, str) and isinstance(value, Real) and not isinstance(value, Integral):
        number = float(value)
        if number.is_integer():
            return str(int(number))
    text = str(value).strip()
    return "" if text in _UNKNOWN else text


def check_images(images: Tensor) -> Tensor:
    """Images ``(B, 3, H, W)``, floating point, finite, in [0, 1].

    Raises
    ------
    InputError
        One sentence saying what is wrong and how to mend it.

    Examples
    --------
    >>> check_images(torch.full((1, 3, 4, 4), 255.0))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected images in [0, 1], got values in [255, 255]: hand in ...
    """
    check_tensor("images", images, "(B, 3, H, W)")
    if images.ndim != 4 or images.shape[1] != 3:
        remedy = "add the batch axis or repeat a grey channel three times."
        if images.ndim == 4 and images.shape[3] == 3:
            remedy = "put the channels before the rows: images.permute(0, 3, 1, 2)."
        raise InputError(f"Expected images (B, 3, H, W), got shape {tuple(images.shape)}: {remedy}")
    if not images.is_floating_point():
        raise InputError(
            f"Expected float images in [0, 1], got {images.dtype}: divide uint8 pixels by 255."
        )
    if images.numel() and not bool(torch.isfinite(images).all()):
        raise InputError("Expected finite images, got NaN or infinity: check the image reader.")
    if images.numel():
        low, high = (float(value) for value in torch.aminmax(images.detach()))
        if low < -1e-4 or high > 1 + 1e-4:
            raise InputError(
                f"Expected images in [0, 1], got values in [{low:.3g}, {high:.3g}]: hand in "
                "unnormalised images, the model normalises them itself."
            )
    return images


def check_tensor(name: str, value: object, shape: str) -> None:
    """A torch tensor, and no array or list.

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> check_tensor("maps", [[1.0]], "(B, H, W)")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected maps as a torch tensor (B, H, W), got list: convert ...
    """
    if not isinstance(value, Tensor):
        raise InputError(
            f"Expected {name} as a torch tensor {shape}, got {type(value).__name__}: convert them "
            "with torch.as_tensor."
        )


def check_targets(targets: object, n: int) -> Tensor:
    """Canonical emotion indices ``(n,)``: whole numbers in a tensor, an array or a list.

    Raises
    ------
    InputError
        For anything else, or another number of them.

    Examples
    --------
    >>> check_targets([0, 5], 2)
    tensor([0, 5])
    >>> check_targets(["fear"], 1)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected targets (B,) as whole numbers, see ..., got ['fear'].
    """
    listed = targets.tolist() if isinstance(targets, Tensor | np.ndarray) else targets
    if not isinstance(listed, Sequence) or not all(
        isinstance(one, Integral) and not isinstance(one, bool) for one in listed
    ):
        raise InputError(
            f"Expected targets (B,) as whole numbers, see fer_xai.emotions.EMOTIONS, got {targets}."
        )
    check_length("targets", len(listed), n)
    return torch.as_tensor(listed if isinstance(targets, np.ndarray) else targets).long()


def check_length(name: str, got: int, expected: int) -> None:
    """A sequence that must have one entry an image.

    Raises
    ------
    InputError
        If it has more entries or fewer.

    Examples
    --------
    >>> check_length("targets", 3, 2)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected 2 targets, one an image, got 3.
    """
    if got != expected:
        raise InputError(f"Expected {expected} {name}, one an image, got {got}.")


def check_ids(ids: Sequence[object], n: int, *, repeated: bool = False) -> list[str]:
    """Names of images, one for each and each once, as text.

    Parameters
    ----------
    ids
        The names.
    n
        Number of images.
    repeated
        Whether a name may come several times, as it does where copies of one image are explained.

    Raises
    ------
    InputError
        If they are one text, are too many or too few, or a name comes twice: rows of two images
        would not be told apart, and their random numbers would be the same.

    Examples
    --------
    >>> check_ids(["a", 2], 2)
    ['a', '2']
    >>> check_ids(["a", "a"], 2)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected each of the ids once, got 'a' several times: ...
    """
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise InputError(f"Expected ids as a list of names, one an image, got {quoted(ids)}.")
    names = [str(name) for name in ids]
    check_length("ids", len(names), n)
    counts = Counter(names)
    if len(counts) < n and not repeated:
        twice = next(name for name, count in counts.items() if count > 1)
        raise InputError(
            f"Expected each of the ids once, got {quoted(twice)} several times: name each image "
            "by its own."
        )
    return names


def names_of_images(ids: Sequence[object] | None, n: int) -> list[str]:
    """Names of images, each once: those that were handed in, or else their positions.

    Random numbers are drawn by the name of an image, so two images of one name would share them,
    and be no independent draws of anything that is averaged.

    Raises
    ------
    InputError
        As :func:`check_ids`.

    Examples
    --------
    >>> names_of_images(None, 2), names_of_images(["a", 7], 2)
    (['0', '1'], ['a', '7'])
    """
    return [str(position) for position in range(n)] if ids is None else check_ids(ids, n)


def check_count(name: str, value: object, *, low: int = 1) -> None:
    """An option that is a whole number, 1 or more if not said otherwise.

    Raises
    ------
    InputError
        For a smaller number, or anything else.

    Examples
    --------
    >>> check_count("samples", 0)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected samples as a whole number of 1 or more, got 0.
    """
    if not isinstance(value, Integral) or int(value) < low:
        raise InputError(f"Expected {name} as a whole number of {low} or more, got {value!r}.")


def check_number(
    name: str, value: object, low: float, high: float = inf, *, ends: bool = False
) -> None:
    """An option that is a number between two, ``ends`` included or not.

    Raises
    ------
    InputError
        For a number outside, NaN, or anything else.

    Examples
    --------
    >>> check_number("level", 0.95, 0, 1)
    >>> check_number("level", 95, 0, 1)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected level above 0 and below 1, got 95.
    """
    number = float(value) if isinstance(value, Real) else torch.nan
    if not (low <= number <= high if ends else low < number < high):
        kind = "from" if ends else "above"
        above = "" if high == inf else f" {'to' if ends else 'and below'} {high:g}"
        raise InputError(f"Expected {name} {kind} {low:g}{above}, got {value!r}.")


def check_shares(name: str, values: object) -> None:
    """An option that is one share or more, each above 0 and below 1.

    Raises
    ------
    InputError
        For no share, or one that is out of range.

    Examples
    --------
    >>> check_shares("bins", (0.1, 0.5, 1))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected bins as at least one share above 0 and below 1, got ...
    """
    listed = list(values) if isinstance(values, Iterable) else []
    if not listed or not all(isinstance(one, Real) and 0 < float(one) < 1 for one in listed):
        raise InputError(
            f"Expected {name} as at least one share above 0 and below 1, got {values!r}."
        )


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """An option that is one of a few words.

    Raises
    ------
    InputError
        For any other word.

    Examples
    --------
    >>> check_choice("order", "random", ("morf", "lerf"))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected order morf, lerf, got 'random'.
    """
    if value not in choices:
        raise InputError(f"Expected {name} {', '.join(choices)}, got {value!r}.")


def resolve_device(device: str) -> torch.device:
    """``"auto"`` picks CUDA, then MPS, then the CPU; anything else is a torch device string.

    Raises
    ------
    InputError
        If there is no such device, or CUDA is asked for on a machine without it.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise InputError(
            f"Expected a device such as auto, cpu, cuda, cuda:1 or mps, got {device!r}."
        ) from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError("Expected a CUDA device, but this machine shows none: use --device cpu.")
    return chosen


def emulates_bf16(device: torch.device) -> bool:
    """Whether bf16 costs time there instead of saving it: on a CPU without AVX-512 it does.

    Examples
    --------
    >>> emulates_bf16(torch.device("cuda"))
    False
    """
    return device.type == "cpu" and torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2")
