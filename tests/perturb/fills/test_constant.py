import pytest
import torch

from fer_xai.perturb.fills import FILLS


@pytest.mark.parametrize(("name", "value"), [("black", 0.0), ("grey", 0.5), ("white", 1.0)])
def test_one_brightness_stands_in(name, value):
    image = torch.full((1, 3, 1, 3), 0.25)
    found = FILLS[name].blend(image, torch.tensor([[[False, True, False]]]))
    expected = torch.tensor([0.25, value, 0.25]).expand(1, 3, 1, 3)
    assert torch.equal(found, expected)
