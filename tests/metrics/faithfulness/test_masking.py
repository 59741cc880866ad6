import pytest
import torch

from fer_xai.errors import InputError
from metrics.faithfulness.masking import masked_confidence
from tests.helpers import TARGETS
from tests.reference.masking_slow import masked_confidence_slow


def test_confidence_is_the_papers(model, three, maps):
    found = masked_confidence(model, three, maps, TARGETS)
    for face, column in enumerate(model.columns(TARGETS)):
        expected = masked_confidence_slow(model, three[face], maps[face], int(column))
        ours = [getattr(found, name)[face].item() for name in ("drop", "increase", "gain")]
        assert ours == pytest.approx(expected, abs=1e-5)


def test_a_uniform_map_loses_nothing_and_a_blank_one_leaves_a_black_image(model, three):
    uniform = masked_confidence(model, three, torch.full((3, 64, 64), 0.3), TARGETS)
    assert torch.allclose(uniform.masked, uniform.clean, atol=1e-6)
    blank = masked_confidence(model, three, torch.zeros(3, 64, 64), TARGETS)
    black = model(torch.zeros(1, 3, 64, 64)).softmax(dim=1)[0, model.columns(TARGETS)]
    assert torch.allclose(blank.masked, black, atol=1e-6)
    assert torch.isfinite(blank.drop).all()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_map_that_is_not_finite_has_no_confidence(model, three, maps, bad):
    maps[1, 3, 4] = bad
    found = masked_confidence(model, three, maps, TARGETS)
    for name in ("masked", "drop", "increase", "gain"):
        assert getattr(found, name).isnan().tolist() == [False, True, False]


def test_maps_of_another_size_are_refused(model, three, maps):
    with pytest.raises(InputError, match=r"Expected maps \(3, 64, 64\) to fit the images"):
        masked_confidence(model, three, maps[:, :32], TARGETS)
