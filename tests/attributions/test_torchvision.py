"""Grad-CAM on one model of each torchvision family: the layer is found, and its map is spatial."""

import pytest
import torch

from fer_xai.attributions import native_maps
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel, load_model

FAMILIES = (
    "resnet18",
    "vgg11",
    "alexnet",
    "squeezenet1_1",
    "densenet121",
    "efficientnet_b0",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "shufflenet_v2_x0_5",
    "convnext_tiny",
    "swin_t",
    "maxvit_t",
)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_layer_gives_a_map_that_is_spatial_and_not_blank(name):
    model = load_model(f"torchvision/{name}")
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    columns = torch.arange(6)[None]
    maps = native_maps(
        Predictor(model, device="cpu", fold=False), images, columns, method="gradcam"
    )
    assert maps.shape[:2] == (1, 6)
    assert min(maps.shape[2:]) > 1
    assert torch.isfinite(maps).all()
    assert (maps > 0).any()


def test_a_layer_that_is_only_a_container_is_refused(images):
    net = torch.nn.ModuleDict({"blocks": torch.nn.ModuleList([torch.nn.Conv2d(3, 6, 3)])})

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = net

        def forward(self, x):
            return self.parts["blocks"][0](x).mean(dim=(2, 3))

    model = FERModel(Net(), emotions="gimefive", cam_layer="parts.blocks").eval()
    with pytest.raises(InputError, match="but parts.blocks is only a container"):
        native_maps(
            Predictor(model, device="cpu"), images, torch.zeros(5, 1).long(), method="gradcam"
        )
