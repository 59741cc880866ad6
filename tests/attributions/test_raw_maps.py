"""The arguments of attribute are checked before any pass."""

import dataclasses

import pytest
import torch

from fer_xai.attributions import GradCam, attribute
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor

ZEROS = torch.zeros(5, 1).long()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"columns": ZEROS[:3]},
            r"Expected columns as int64 \(5, K\), got torch.int64 \(3, 1\): h",
        ),
        ({"columns": ZEROS[:, 0]}, r"Expected columns as int64 \(5, K\), got torch.int64 \(5,\)"),
        ({"columns": ZEROS.float()}, r"Expected columns as int64 \(5, K\), got torch.float32"),
        ({"columns": ZEROS + 17}, r"Expected columns in 0–5, .* of tiny, got values in \[17, 17\]"),
        ({"columns": ZEROS - 1}, r"Expected columns in 0–5, .* got values in \[-1, -1\]"),
        ({"against": ZEROS.expand(5, 2)}, r"Expected against as int64 \(5, 1\), got .* \(5, 2\)"),
        (
            {"columns": None, "against": ZEROS.expand(5, 2)},
            r"Expected against as int64 \(5, 1\), got .* \(5, 2\)",
        ),
        ({"output": "prob"}, "Expected output logit, log_probability, probability, got 'prob'"),
        ({"ids": ["a", "b"]}, "Expected 5 ids, one an image, got 2"),
    ],
)
def test_what_attribute_is_given_is_checked_before_any_pass(
    given, sentence, model, images, monkeypatch
):
    used = Predictor(model, device="cpu")
    monkeypatch.setattr(Predictor, "_run", lambda *_: pytest.fail("a pass was made"))
    with pytest.raises(InputError, match=sentence):
        attribute(used, images, **{"columns": ZEROS, "method": "gradcam"} | given)


@pytest.mark.parametrize("method", ["gradcam", "smoothgrad"])
def test_without_columns_the_predicted_emotion_is_explained(method, model, images):
    used = Predictor(model, device="cpu", batch_size=2)
    logits = used.logits(images)
    found = attribute(used, images, None, method=method)
    named = attribute(used, images, logits.argmax(dim=1, keepdim=True), method=method)
    assert torch.allclose(found.cells, named.cells, atol=1e-7)
    assert torch.allclose(found.logits, logits, atol=1e-6)


def test_no_images_have_no_maps(model, images):
    used = Predictor(model, device="cpu")
    for columns, count in ((None, 1), (torch.zeros(0, 3).long(), 3)):
        assert attribute(used, images[:0], columns, method="gradcam").cells.shape == (
            0,
            count,
            1,
            1,
        )


def test_a_method_that_promises_logits_must_give_them(model, images):
    class Forgetful(GradCam):
        def maps(self, predictor, question):
            return dataclasses.replace(super().maps(predictor, question), logits=None)

    used = Predictor(model, device="cpu")
    with pytest.raises(InputError, match="Expected logits from Forgetful, whose gives_logits says"):
        attribute(used, images, None, method=Forgetful())
    assert attribute(used, images, ZEROS, method=Forgetful()).logits is None
