import pytest
import torch

from fer_xai.errors import InputError
from metrics.core.score_cache import ScoreCache
from metrics.core.scores import OUTPUTS, score_losses, target_scores
from tests.helpers import TARGETS


@pytest.mark.parametrize("output", OUTPUTS)
def test_scores_and_losses_are_those_of_the_targets_column(model, three, output):
    cache = ScoreCache(model, three)
    changed = torch.stack([cache.clean(), cache.clean().flip(1)], dim=1)  # (B, 2, C)
    of = {
        "logit": lambda logits: logits,
        "probability": lambda logits: logits.softmax(dim=-1),
        "log_probability": lambda logits: logits.log_softmax(dim=-1),
    }[output]
    found = target_scores(cache, changed, TARGETS, output)
    lost = score_losses(cache, changed, TARGETS, output)
    for face, column in enumerate(model.columns(TARGETS)):
        expected = of(changed[face])[:, column]
        assert torch.allclose(found[face], expected)
        assert torch.allclose(lost[face], (expected[0] - expected).double(), atol=1e-6)


def test_an_unknown_output_is_refused(model, three):
    cache = ScoreCache(model, three)
    with pytest.raises(InputError, match="Expected output logit, log_probability, probability"):
        target_scores(cache, cache.clean()[:, None], TARGETS, "loss")
