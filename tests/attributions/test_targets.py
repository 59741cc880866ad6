"""What is explained: targets, contrasts, and the predicted emotion."""

import pytest
import torch

from fer_xai.attributions.targets import explained_targets
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from tests.helpers import tiny_model


def test_without_targets_the_predicted_emotion_is_explained():
    model, logits = tiny_model(), torch.eye(6)[[3, 0]]
    found = explained_targets(model, 2, logits=logits)
    assert found.columns.tolist() == [[3], [0]]
    assert found.targets.tolist() == [EMOTIONS.index(SIX[3]), EMOTIONS.index(SIX[0])]
    assert found.against is None
    assert found.against_columns is None


def test_targets_come_before_logits_and_contrasts_have_columns():
    found = explained_targets(
        tiny_model(), 2, targets=["fear", "anger"], against="happiness", logits=torch.eye(6)[:2]
    )
    assert found.targets.tolist() == [EMOTIONS.index("fear"), EMOTIONS.index("anger")]
    assert found.columns.tolist() == [[SIX.index("fear")], [SIX.index("anger")]]
    assert found.against_columns.tolist() == [[SIX.index("happiness")]] * 2


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "Expected targets, or logits to tell the predicted emotions from, got neither"),
        ({"logits": torch.eye(6)}, "Expected 2 logits, one an image, got 6"),
        ({"targets": ["fear"]}, "Expected 2 targets, one an image, got 1"),
        ({"targets": "neutral"}, "Expected targets among the outputs of tiny"),
        ({"targets": "fear", "against": "fear"}, "Expected emotions other than the targets"),
        ({"targets": "fear", "against": "neutral"}, "Expected targets among the outputs of tiny"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, dict) else "",
)
def test_what_cannot_be_explained_is_refused(given, sentence):
    with pytest.raises(InputError, match=sentence):
        explained_targets(tiny_model(), 2, **given)
