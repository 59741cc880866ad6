"""SmoothGrad and VarGrad: nothing varies where there is no noise, or the gradient is constant."""

import torch
from torch import nn

from fer_xai import FERModel, explain
from fer_xai.attributions import attribute
from fer_xai.attributions.smoothgrad import SmoothGrad, VarGrad
from fer_xai.emotions import SIX
from fer_xai.inference.predictor import Predictor


def test_vargrad_of_a_linear_model_is_blank(images):
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 6))
    linear = FERModel(net, emotions=SIX, size=64, mean=(0, 0, 0), std=(1, 1, 1)).eval()
    assert explain(linear, images[:2], method="vargrad").blank.all()


def test_without_noise_nothing_varies(model, images):
    used, columns = Predictor(model, device="cpu"), torch.zeros(5, 1).long()
    still = attribute(used, images, columns, method=VarGrad(samples=3, noise=0.0))
    assert not still.cells.any()
    noisy = attribute(used, images, columns, method=SmoothGrad(samples=3))
    assert noisy.cells.any()
