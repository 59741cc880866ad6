"""What is explained: targets, contrasts, and the predicted emotion."""

import numpy as np
import pytest
import torch

from fer_xai import explain
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


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        ([[0], [1]], "Expected targets as emotions' names or whole numbers, one an image"),
        ([None, 1], "Expected targets as emotions' names or whole numbers"),
        ([float("nan"), 1], "Expected targets as emotions' names or whole numbers"),
        ([True, False], "Expected targets as emotions' names or whole numbers"),
        ([1.7, 1], "Expected targets as emotions' names or whole numbers"),
        (torch.tensor([1.0, 2.0]), "Expected targets as emotions' names or whole numbers"),
        (torch.tensor(1), "Expected targets as one emotion's name or one an image"),
        (3, "Expected targets as one emotion's name or one an image"),
        ([0, 1, 2], "Expected 2 targets, one an image, got 3"),
        ([0, 9], "Expected canonical emotion indices 0–7"),
    ],
)
def test_targets_that_are_none_are_refused_in_one_sentence(targets, sentence, model, images):
    with pytest.raises(InputError, match=sentence):
        explain(model, images[:2], targets=targets)


def test_targets_may_come_from_numpy_and_images_in_double_precision(model, images):
    expected = explain(model, images[:2], targets=[5, 0]).maps
    for targets in (np.array([5, 0]), np.array(["fear", "happy"]), [np.int64(5), torch.tensor(0)]):
        assert torch.equal(explain(model, images[:2], targets=targets).maps, expected)
    double = explain(model, images[:2].double(), targets=[5, 0], ids=[1, 2])
    assert torch.allclose(double.maps, expected, atol=1e-6)
    assert double.maps.dtype == torch.float32
