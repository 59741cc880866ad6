"""The canonical emotions, and every native label order mapped to them *by name*.

A label order is a property of a dataset or a checkpoint, and the field has at least six of them;
one thread about a state-of-the-art checkpoint lost eight points of accuracy to a permutation.
Nothing in this package maps labels by position.
"""

from collections.abc import Mapping, Sequence

from fer_xai.errors import InputError, UnknownNameError, did_you_mean

EMOTIONS: tuple[str, ...] = (
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "neutral",
    "contempt",
)
"""Canonical order: GiMeFive's six classes first (arXiv 2402.15662), so its indices are 0–5."""

SIX: tuple[str, ...] = EMOTIONS[:6]
SEVEN: tuple[str, ...] = EMOTIONS[:7]

SHORT: dict[str, str] = {
    "happiness": "Ha",
    "surprise": "Su",
    "sadness": "Sa",
    "anger": "An",
    "disgust": "Di",
    "fear": "Fe",
    "neutral": "Ne",
    "contempt": "Co",
}


def _order(codes: str) -> tuple[str, ...]:
    names = {short: name for name, short in SHORT.items()}
    return tuple(names[code] for code in codes.split())


NATIVE_ORDERS: dict[str, tuple[str, ...]] = {
    "gimefive": _order("Ha Su Sa An Di Fe"),
    "rafdb": _order("Su Fe Di Ha Sa An Ne"),  # codes 1-7: position 0 is code 1
    "fer2013": _order("An Di Fe Ha Sa Su Ne"),
    "expw": _order("An Di Fe Ha Sa Su Ne"),
    "ferplus": _order("Ne Ha Su Sa An Di Fe Co"),
    "affectnet": _order("Ne Ha Sa Su Fe Di An Co"),
    "ckplus": _order("Ne An Co Di Fe Ha Sa Su"),
}
"""Native class order of datasets and checkpoints, as canonical names (position = native code)."""

_SYNONYMS: dict[str, str] = {
    "happy": "happiness",
    "joy": "happiness",
    "smile": "happiness",
    "surprised": "surprise",
    "sad": "sadness",
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "scared": "fear",
    "neutrality": "neutral",
    "normal": "neutral",
    "contemptuous": "contempt",
}


def parse_emotion(name: str) -> str:
    """Canonical name of an emotion written in any common way (``"Angry"``, ``"Ha"``, ``"joy"``).

    Raises
    ------
    UnknownNameError
        If the word is no emotion of :data:`EMOTIONS` and no common synonym.

    Examples
    --------
    >>> parse_emotion("Angry"), parse_emotion("Su"), parse_emotion("fear")
    ('anger', 'surprise', 'fear')
    """
    word = name.strip().lower()
    if word in EMOTIONS:
        return word
    if word in _SYNONYMS:
        return _SYNONYMS[word]
    for emotion, short in SHORT.items():
        if word == short.lower():
            return emotion
    close = did_you_mean(word, [*EMOTIONS, *_SYNONYMS])
    raise UnknownNameError(
        f"Expected an emotion ({', '.join(EMOTIONS)}, or a common synonym), got {name!r}"
        f"{f': {close}' if close else '.'}"
    )


def emotion_index(name: str) -> int:
    """Canonical index of an emotion, by name or synonym.

    Examples
    --------
    >>> emotion_index("happy"), emotion_index("fear")
    (0, 5)
    """
    return EMOTIONS.index(parse_emotion(name))


def parse_order(order: str | Sequence[str]) -> tuple[str, ...]:
    """Label order as canonical names: the name of a native order, or a sequence of emotion words.

    Examples
    --------
    >>> parse_order("gimefive") == SIX
    True
    >>> parse_order(["Angry", "Happy"])
    ('anger', 'happiness')
    """
    if isinstance(order, str):
        if order not in NATIVE_ORDERS:
            close = did_you_mean(order.lower(), NATIVE_ORDERS)
            raise UnknownNameError(
                f"Expected a known label order ({', '.join(NATIVE_ORDERS)}) or a list of emotion "
                f"names, got {order!r}{f': {close}' if close else '.'}"
            )
        return NATIVE_ORDERS[order]
    names = tuple(parse_emotion(word) for word in order)
    if len(set(names)) != len(names):
        raise InputError(
            f"Expected each emotion once in a label order, got {list(order)}: remove the repeats."
        )
    return names


LEFT_OUT = "-"
"""Name of an output that is no emotion of ours: FER+'s "unknown", a valence."""


def parse_outputs(outputs: str | Sequence[str] | Mapping[int, str]) -> tuple[str, ...]:
    """Emotions of a network's outputs in order, with ``"-"`` for those that are no emotion.

    Parameters
    ----------
    outputs
        As :func:`parse_order` takes them, ``"-"`` as often as needed; or a name for each position,
        as ``id2label`` of a configuration holds them.

    Raises
    ------
    InputError
        For anything else, and where no emotion is left.

    Examples
    --------
    >>> parse_outputs(["Angry", "-", "Happy", "-"])
    ('anger', '-', 'happiness', '-')
    >>> parse_outputs({1: "Angry", 0: "Happy"})
    ('happiness', 'anger')
    """
    if isinstance(outputs, str):
        return parse_order(outputs)
    if isinstance(outputs, Mapping):
        named = {str(key): name for key, name in outputs.items()}
        if set(named) != {str(position) for position in range(len(named))}:
            raise InputError(
                "Expected a name for each position of an output, {0: 'anger', 1: 'fear', …}, got "
                f"the keys {', '.join(list(named)[:8])}."
            )
        outputs = [named[str(position)] for position in range(len(named))]
    words = list(outputs) if isinstance(outputs, Sequence) else []
    if not words or not all(isinstance(word, str) for word in words):
        raise InputError(
            f"Expected emotions by name in the order of the outputs, got {str(outputs)[:80]}: "
            f'emotions=["anger", "fear", …], or one of the orders {", ".join(NATIVE_ORDERS)}.'
        )
    emotions = iter(parse_order([word for word in words if word.strip() != LEFT_OUT]))
    found = tuple(LEFT_OUT if word.strip() == LEFT_OUT else next(emotions) for word in words)
    if set(found) == {LEFT_OUT}:
        raise InputError("Expected an emotion among the outputs, got '-' alone.")
    return found
