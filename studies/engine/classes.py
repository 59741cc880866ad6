"""Emotions that a study is about: those asked for, of which faces are there and all models know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fer_xai.emotions import EMOTIONS, NATIVE_ORDERS, SIX, parse_order
from fer_xai.errors import InputError
from fer_xai.types import Faces
from studies.engine.networks import Network

_COUNTED = {"six": 6, "seven": 7, "eight": 8}


def asked_for(classes: str | None) -> tuple[str, ...]:
    """Emotions in canonical order.

    Parameters
    ----------
    classes
        ``six``, ``seven`` (with neutral), ``eight`` (with contempt), a label order's name, or
        emotions with commas; the six if it is None.

    Raises
    ------
    InputError
        For anything else, and fewer than two emotions.

    Examples
    --------
    >>> asked_for("fear,happy"), asked_for("seven")[-1]
    (('happiness', 'fear'), 'neutral')
    """
    if classes is None:
        return SIX
    if classes in _COUNTED:
        return EMOTIONS[: _COUNTED[classes]]
    if classes not in NATIVE_ORDERS and "," not in classes:
        raise InputError(
            f"Expected --classes {', '.join(_COUNTED)}, a label order ({', '.join(NATIVE_ORDERS)}) "
            f"or emotions with commas, got {classes!r}."
        )
    named = parse_order(classes if classes in NATIVE_ORDERS else classes.split(","))
    return tuple(emotion for emotion in EMOTIONS if emotion in named)


def known_to_all(emotions: Sequence[str], networks: Sequence[Network]) -> tuple[str, ...]:
    """The emotions that are among the outputs of all networks of a study.

    Parameters
    ----------
    emotions
        Those that are asked for.
    networks
        The networks; of the untrained ones of an architecture the first is looked at.

    Raises
    ------
    InputError
        If fewer than two are left.

    Examples
    --------
    >>> known_to_all(("fear", "neutral", "anger"), [Network(
    ...     name="gimefive", architecture="gimefive", weights="rafdb")])
    ('fear', 'anger')
    """
    outputs = [set(one.built().emotions) for one in networks if one.trained or one.first]
    found = tuple(emotion for emotion in emotions if all(emotion in own for own in outputs))
    if len(found) < 2:
        raise InputError(
            f"Expected two emotions or more that all models know, of {', '.join(emotions)}, got "
            f"{', '.join(found) or 'none'}: compare models that know the same ones."
        )
    return found


def in_words(faces: Faces, *, classes: str | None, taken: Sequence[str]) -> list[str]:
    """What was left out, in sentences; none where nothing was.

    Parameters
    ----------
    faces
        The faces that were taken, which know how many of other emotions were not.
    classes
        The option; without it nothing is said of emotions that the faces do not show, since few of
        the six may be left by a limit.
    taken
        Those of the emotions that all models know.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> in_words(synthetic_faces(12), classes="fear,neutral", taken=("fear",))
    ['Left out: neutral, which is no output of every model.']
    >>> happy = synthetic_faces(12).subset([0])
    >>> in_words(happy, classes="happy,anger", taken=("happiness", "anger"))
    ['Left out: anger, of which there are no faces.']
    """
    asked = asked_for(classes)
    counts: Mapping[str, int] = faces.left_out
    sentences = []
    others = {name: count for name, count in counts.items() if name not in asked}
    if others:
        sentences.append(f"Left out: {_counted(others)}, which --classes does not ask for.")
    unknown = {name: counts.get(name, 0) for name in asked if name not in taken}
    if unknown:
        which = "which is" if len(unknown) == 1 else "which are"
        sentences.append(f"Left out: {_counted(unknown)}, {which} no output of every model.")
    lacking = [name for name in taken if name not in faces.emotions]
    if lacking and classes is not None:
        sentences.append(f"Left out: {', '.join(lacking)}, of which there are no faces.")
    return sentences


def note(
    manifest: dict[str, Any], faces: Faces, *, classes: str | None, taken: Sequence[str]
) -> None:
    """Keep in a manifest what was left out, where something was; see :func:`in_words`.

    Parameters
    ----------
    manifest
        Gets an entry ``left out``.
    faces, classes, taken
        As for :func:`in_words`.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> manifest = {}
    >>> note(manifest, synthetic_faces(12), classes="fear,neutral", taken=("fear",))
    >>> manifest
    {'left out': ['Left out: neutral, which is no output of every model.']}
    """
    sentences = in_words(faces, classes=classes, taken=taken)
    if sentences:
        manifest["left out"] = sentences


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{count:,} face{'s' if count > 1 else ''} of {name}" if count else name
        for name, count in counts.items()
    )
