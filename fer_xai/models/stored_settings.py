"""Settings that a file of weights holds beside its tensors, and what each of them has to be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError

LARGEST_SIDE = 4096
"""Largest side of the images that a network is fed, in pixels."""


def checked_settings(settings: Any, path: Path) -> dict[str, Any]:
    """The settings that a file of weights holds, if they can be used.

    Raises
    ------
    InputError
        Naming the first that cannot.

    Examples
    --------
    >>> checked_settings({"emotions": ["happiness", "fear"], "size": 64}, Path("mine.safetensors"))
    {'emotions': ['happiness', 'fear'], 'size': 64}
    >>> checked_settings({"size": -1}, Path("mine.safetensors"))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected size as a whole number of pixels from 1 to 4096 among ...
    """
    if not isinstance(settings, dict):
        raise InputError(
            f"Expected the settings in {path} as a JSON object, got {type(settings).__name__}: "
            "write the weights again with fer_xai's save_weights."
        )
    for key, (expected, fits) in _FITTING.items():
        if key in settings and not fits(settings[key]):
            raise InputError(
                f"Expected {key} as {expected} among the settings in {path}, got "
                f"{repr(settings[key])[:80]}: write the weights again with settings that fit."
            )
    return settings


def _is_order(value: Any) -> bool:
    """Whether a value lists emotions, each once."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return False
    return len(set(value)) == len(value) > 0 and set(value) <= set(EMOTIONS)


def _is_side(value: Any) -> bool:
    """Whether a value is a side in pixels."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_SIDE


_FITTING: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "model": ("a name", lambda value: isinstance(value, str)),
    "emotions": (f"a list of emotions, each once, of {', '.join(EMOTIONS)}", _is_order),
    "size": (f"a whole number of pixels from 1 to {LARGEST_SIDE}", _is_side),
    "greyscale": ("true or false", lambda value: isinstance(value, bool)),
}
"""What each setting has to be, in words, and whether a value is that."""
