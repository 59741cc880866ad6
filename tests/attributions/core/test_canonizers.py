"""Networks that torch.fx cannot trace."""

import pytest
from torch import nn

from fer_xai import FERModel, explain
from fer_xai.emotions import SIX
from fer_xai.errors import InputError


def test_a_network_that_cannot_be_traced_is_refused_with_the_reason(images):
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu = nn.Conv2d(3, 6, 3), nn.ReLU()

        def forward(self, x):
            x = self.relu(self.conv(x))
            return x.mean(dim=(2, 3)) if x.sum() > 0 else x.amax(dim=(2, 3))

    model = FERModel(Branching(), emotions=SIX, cam_layer="relu").eval()
    for method in ("deeplift", "guided_backprop", "lrp"):
        with pytest.raises(InputError, match=r"Expected a network that torch.fx can trace for"):
            explain(model, images, method=method)
    assert explain(model, images, method="gradcam").maps.shape == (5, 64, 64)
