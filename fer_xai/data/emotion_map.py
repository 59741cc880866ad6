"""A user's map from the labels of a data set, such as ``0`` or ``Freude``, to emotions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fer_xai.checks import quoted
from fer_xai.emotions import parse_emotion
from fer_xai.errors import InputError, UnknownNameError

LEAVE_OUT = "none"
"""Word for an emotion that leaves a label's faces out."""
OTHERS = "*"
"""Label that stands for all that the map does not name."""


@dataclass(frozen=True)
class EmotionMap:
    """What the labels of a data set mean.

    Attributes
    ----------
    emotions
        Emotion of each label, in lower case; None where its faces are left out.

    Examples
    --------
    >>> labels = EmotionMap.parse({"0": "angry", "Rest": "none"})
    >>> labels.emotion("0"), labels.emotion("rest") is None, labels.emotion("Happy")
    ('anger', True, 'happiness')
    >>> EmotionMap.parse({"happy": "happiness", "*": "none"}).emotion("sad") is None
    True
    """

    emotions: Mapping[str, str | None] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set, repr=False, compare=False)

    @classmethod
    def parse(cls, given: Mapping[str, str] | None) -> EmotionMap:
        """Check a map, whose values are emotions, common synonyms or ``none``.

        Raises
        ------
        InputError
            For a value that is no emotion, or a label that comes twice.
        """
        found: dict[str, str | None] = {}
        for label, word in (given or {}).items():
            key = str(label).strip().lower()
            if key in found:
                raise InputError(f"Expected each label once in the emotion map, got {label} twice.")
            try:
                left_out = word.strip().lower() == LEAVE_OUT
                found[key] = None if left_out else parse_emotion(word)
            except UnknownNameError:
                raise InputError(
                    f"Expected an emotion, or {LEAVE_OUT}, for the label {label} in the emotion "
                    f"map, got {quoted(word)}."
                ) from None
        return cls(found)

    def __bool__(self) -> bool:
        return bool(self.emotions)

    def __contains__(self, label: str) -> bool:
        return label.strip().lower() in self.emotions

    def check_once(self, code: str, name: str) -> None:
        """Refuse a map that names one label both by its code and by its name.

        Raises
        ------
        InputError
            If both are there.
        """
        if code in self and name in self and code.strip().lower() != name.strip().lower():
            raise InputError(
                f"Expected each label once in the emotion map, got {code} and {quoted(name)}, "
                "which are one: leave one of them."
            )

    def knows(self, label: str) -> bool:
        """Whether the map names a label, or it is a word for an emotion."""
        try:
            return OTHERS in self.emotions or label in self or bool(parse_emotion(label))
        except UnknownNameError:
            return False

    def emotion(self, label: str) -> str | None:
        """Emotion of a label, by the map or, where it does not name the label, by the word itself.

        A label ``*`` of the map stands for all that it does not name.

        None means that its faces are left out.

        Raises
        ------
        UnknownNameError
            If the map does not name the label, and it is no word for an emotion.
        """
        key = label.strip().lower()
        if key not in self.emotions and OTHERS in self.emotions:
            key = OTHERS
        if key in self.emotions:
            self._used.add(key)
            return self.emotions[key]
        return parse_emotion(label)

    def unused(self) -> list[str]:
        """Labels of the map that were not asked for."""
        return [label for label in self.emotions if label not in self._used and label != OTHERS]


def read_map(text: str) -> dict[str, str]:
    """The map that an option ``0=anger,1=fear`` writes.

    Raises
    ------
    InputError
        If a part has no ``=``, or a label comes twice.

    Examples
    --------
    >>> read_map("0=anger,1=fear")
    {'0': 'anger', '1': 'fear'}
    """
    found: dict[str, str] = {}
    for part in text.split(",") if text.strip() else ():
        label, equals, emotion = (piece.strip() for piece in part.partition("="))
        if not (label and equals and emotion):
            raise InputError(f"Expected LABEL=EMOTION,… in a map of emotions, got {quoted(part)}.")
        if label in found:
            raise InputError(f"Expected each label once in a map of emotions, got {label} twice.")
        found[label] = emotion
    return found
