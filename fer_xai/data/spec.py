"""A data set in one word: ``NAME[:ROOT][#option=value,label=emotion,…]``, and its loader called."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.data.emotion_map import EmotionMap
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.errors import InputError, did_you_mean
from fer_xai.types import Faces

_OPTIONS = re.compile(r"[^#=,]+=[^#,]*(?:,[^#=,]+=[^#,]*)*")
_OWN = ("root", "split", "problems", "emotion_map")


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """Name, place and options of a data set.

    Attributes
    ----------
    name
        A name of :data:`fer_xai.data.DATASETS`.
    root
        Folder or file (the style of built-in faces); "" where none was given.
    options
        Options of its loader, and labels with their emotions.

    Examples
    --------
    >>> DatasetSpec.parse("folder:/data/my#1#0=anger,1=fear")
    DatasetSpec(name='folder', root='/data/my#1', options={'0': 'anger', '1': 'fear'})
    >>> DatasetSpec.parse("ckplus:/data/CK+#neutral=first").options
    {'neutral': 'first'}
    """

    name: str
    root: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> DatasetSpec:
        """Read the word; what follows the last ``#`` are options if it is written like such.

        Raises
        ------
        InputError
            If an option comes twice.
        """
        name, _, place = text.partition(":")
        before, mark, after = place.rpartition("#")
        if not mark or not _OPTIONS.fullmatch(after) or Path(place).expanduser().exists():
            return cls(name=name, root=place)
        options: dict[str, str] = {}
        for part in after.split(","):
            key, _, value = (piece.strip() for piece in part.partition("="))
            if key in options:
                raise InputError(f"Expected each option of a data set once, got {key} twice.")
            options[key] = value
        return cls(name=name, root=before, options=options)

    @property
    def suffix(self) -> str:
        """The options as they are written after the place, sorted; "" where there are none."""
        told = ",".join(f"{key}={value}" for key, value in sorted(self.options.items()))
        return f"#{told}" if told else ""


def split_source(text: str) -> tuple[str, str | None]:
    """A data set's word without its source, ``NAME:ROOT@SOURCE``, and the source.

    What follows the last ``@`` is part of the path where a file or folder is called so.

    Examples
    --------
    >>> split_source("gimefive:/data/bench@rafdb"), split_source("rafdb:/data/me@home/RAF-DB")
    (('gimefive:/data/bench', 'rafdb'), ('rafdb:/data/me@home/RAF-DB', None))
    """
    data, _, source = text.rpartition("@")
    place = text.partition(":")[2]
    if not data or not source or "/" in source or (place and Path(place).expanduser().exists()):
        return text, None
    return data, source


def loader_options(name: str) -> dict[str, str]:
    """Names and defaults of the options of a data set's loader.

    Examples
    --------
    >>> loader_options("rafdb")
    {}
    >>> loader_options("ckplus")["neutral"]
    'none'
    """
    return {
        option: str(parameter.default)
        for option, parameter in inspect.signature(DATASETS[name]).parameters.items()
        if option not in _OWN and parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def takes_map(name: str) -> bool:
    """Whether the labels of a data set can be mapped to emotions by its user.

    Examples
    --------
    >>> takes_map("folder"), takes_map("rafdb")
    (True, False)
    """
    return "emotion_map" in inspect.signature(DATASETS[name]).parameters


def index_dataset(
    spec: DatasetSpec,
    *,
    split: str,
    problems: Problems,
    emotion_map: Mapping[str, str] | None = None,
) -> Faces:
    """The faces of one split, before any are chosen: the loader called with its options.

    Parameters
    ----------
    spec
        The data set.
    split
        Name of the split.
    problems
        Collects the rows that cannot be used.
    emotion_map
        Emotions of labels, besides those that the options name.

    Raises
    ------
    InputError
        For an unknown option, a map where the data set has labels of its own, a label of the map
        that never occurs, and whatever the loader refuses.

    Examples
    --------
    >>> spec = DatasetSpec.parse("rafdb:/data/RAF-DB#0=anger")
    >>> index_dataset(spec, split="test", problems=Problems(skip=False))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected no options for rafdb, which has none, got '0': remove it.
    """
    loader: Callable[..., Faces] = DATASETS[spec.name]
    known, mapped = loader_options(spec.name), takes_map(spec.name)
    chosen = {key: value for key, value in spec.options.items() if key in known}
    labels = {key: value for key, value in spec.options.items() if key not in known}
    if labels and not mapped:
        first = next(iter(labels))
        if not known:
            raise InputError(
                f"Expected no options for {spec.name}, which has none, got {quoted(first)}: remove "
                "it."
            )
        hint = did_you_mean(first, known)
        raise InputError(
            f"Expected an option of {spec.name} ({', '.join(known)}), got {quoted(first)}"
            f"{f': {hint}' if hint else '.'}"
        )
    if emotion_map and not mapped:
        raise InputError(
            f"Expected no emotion map for {spec.name}, whose labels are known, got one: leave it "
            "out."
        )
    both = sorted(set(labels) & set(emotion_map or {}))
    if both:
        raise InputError(f"Expected each label once in the emotion map, got {both[0]} twice.")
    emotions = EmotionMap.parse({**labels, **(emotion_map or {})})
    extra: dict[str, object] = {**chosen, **({"emotion_map": emotions} if mapped else {})}
    faces = loader(Path(spec.root).expanduser(), split=split, problems=problems, **extra)
    unused = emotions.unused()
    if unused:
        missing = ", ".join(quoted(label) for label in unused[:5])
        sentence = f"Expected labels of {faces.name} in the emotion map, but {missing} never occur"
        if len(unused) == len(emotions.emotions):
            raise InputError(f"{sentence} in split {split}: write the labels as the data set does.")
        problems.remarks.append(f"the labels {missing} of the emotion map never occur.")
    return faces
