"""Labels of lists of all kinds: words for emotions, codes of a stated order, or a user's own."""

from __future__ import annotations

from fer_xai.checks import quoted
from fer_xai.data.emotion_map import EmotionMap
from fer_xai.data.registry import Problems
from fer_xai.data.text import whole_number
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError


def emotion_of_word(
    word: str, emotions: EmotionMap, *, order: str, place: str, problems: Problems
) -> str | None:
    """Emotion of a label; None where the map leaves it out, which is counted, or it is unknown.

    Parameters
    ----------
    word
        A word for an emotion, a code, or a label of the map.
    emotions
        The map.
    order
        Native label order of codes, from 0; "" where codes need the map. That of RAF-DB is refused,
        whose codes begin with 1.
    place
        Where the label stands, for the sentence.
    problems
        Gets labels that are unknown.

    Raises
    ------
    InputError
        For a code outside the order, or without one: labels of another order are all wrong.

    Examples
    --------
    >>> problems, none = Problems(skip=False), EmotionMap()
    >>> emotion_of_word("3", none, order="fer2013", place="row 1", problems=problems)
    'happiness'
    >>> emotion_of_word("3", none, order="", place="mine.csv, row 1", problems=problems)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected words for emotions in mine.csv, row 1, got the code 3: ...
    """
    code = whole_number(word)
    if code is not None and word not in emotions:
        if not order:
            raise InputError(
                f"Expected words for emotions in {place}, got the code {code}: say what codes mean "
                "with emotion_map (--map 0=anger,1=…) or an order of codes "
                "(#order=fer2013 after the data's place)."
            )
        if order not in NATIVE_ORDERS:
            raise InputError(
                f"Expected an order of codes among {', '.join(NATIVE_ORDERS)}, got {quoted(order)}."
            )
        if order == "rafdb":
            raise InputError(
                f"Expected an emotion map for codes of RAF-DB in {place}, got the order rafdb: its "
                "own codes begin with 1 and those of many lists with 0, and a guess may mislabel "
                "every face; write --map 1=surprise,2=fear,3=disgust,4=happiness,5=sadness,"
                "6=anger,7=neutral, or 0 to 6."
            )
        codes = NATIVE_ORDERS[order]
        if not 0 <= code < len(codes):
            raise InputError(
                f"Expected codes 0–{len(codes) - 1} of the order {order} in {place}, got {code}: "
                "is it another order?"
            )
        return codes[code]
    if not emotions.knows(word):
        problems.add(
            f"Expected a word for an emotion in {place}, got {quoted(word)}: name its emotion with "
            f"emotion_map (--map {quoted(word)[1:-1]}=…)."
        )
        return None
    emotion = emotions.emotion(word)
    if emotion is None:
        problems.left_out[f"label {word}"] += 1
    return emotion
