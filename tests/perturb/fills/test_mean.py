import torch

from fer_xai.perturb.fills import FILLS


def test_each_channel_has_its_own_mean():
    image = torch.tensor([[0.0, 0.5], [0.2, 0.2], [1.0, 0.4]])[None, :, None]  # (1, 3, 1, 2)
    found = FILLS["mean"].blend(image, torch.tensor([[[True, False]]]))
    expected = torch.tensor([[0.25, 0.5], [0.2, 0.2], [0.7, 0.4]])[None, :, None]
    assert torch.allclose(found, expected)
