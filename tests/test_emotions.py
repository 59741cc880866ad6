import pytest

from fer_xai.emotions import EMOTIONS, NATIVE_ORDERS, SIX, parse_emotion, parse_order
from fer_xai.errors import InputError, UnknownNameError


def test_canonical_order_starts_with_gimefive():
    assert NATIVE_ORDERS["gimefive"] == SIX
    assert SIX == ("happiness", "surprise", "sadness", "anger", "disgust", "fear")


@pytest.mark.parametrize(
    ("order", "position", "emotion"),
    [
        ("rafdb", 0, "surprise"),
        ("rafdb", 6, "neutral"),
        ("fer2013", 3, "happiness"),
        ("affectnet", 7, "contempt"),
        ("ckplus", 2, "contempt"),
        ("ferplus", 0, "neutral"),
    ],
)
def test_native_orders(order, position, emotion):
    assert NATIVE_ORDERS[order][position] == emotion


def test_native_orders_hold_each_emotion_once():
    for order in NATIVE_ORDERS.values():
        assert len(set(order)) == len(order)
        assert set(order) <= set(EMOTIONS)


@pytest.mark.parametrize("word", ["Angry", "anger", " ANGER ", "An"])
def test_synonyms(word):
    assert parse_emotion(word) == "anger"


def test_bad_names_are_one_sentence():
    with pytest.raises(
        UnknownNameError, match=r"^Expected an emotion \(happiness, .*got 'boredom'"
    ):
        parse_emotion("boredom")
    with pytest.raises(UnknownNameError, match="Expected a known label order"):
        parse_order("imagenet")
    with pytest.raises(InputError, match="Expected each emotion once"):
        parse_order(["sad", "sadness"])


@pytest.mark.parametrize(
    ("word", "meant"),
    [("hapiness", "happiness"), ("Sadnes", "sadness"), ("suprise", "surprise"), ("angy", "angry")],
)
def test_a_misspelt_emotion_is_told_what_it_may_mean(word, meant):
    with pytest.raises(UnknownNameError, match=rf"got '{word}': did you mean .*{meant}.*\?$"):
        parse_emotion(word)


def test_a_misspelt_label_order_is_told_what_it_may_mean():
    with pytest.raises(UnknownNameError, match=r"got 'AfectNet': did you mean affectnet"):
        parse_order("AfectNet")
    with pytest.raises(UnknownNameError, match=r"got 'zzzz'\.$"):
        parse_order("zzzz")
