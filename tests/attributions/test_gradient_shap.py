"""GradientSHAP: every baseline has the same weight."""

import pytest
import torch

from fer_xai import explain
from fer_xai.attributions.gradient_shap import GradientShap
from fer_xai.errors import InputError
from fer_xai.perturb.fills import fill_images
from tests.attributions.nets import weight


def test_every_baseline_of_gradient_shap_weighs_alike(linear, small):
    """On a linear model the map is w × (x − mean of the baselines), whatever is drawn."""
    blurred = fill_images(small, "blur")
    mean = (torch.zeros_like(small) + fill_images(small, "mean") + blurred) / 3
    for samples in (3, 4, 5, 7, 24):
        found = explain(linear, small, method=GradientShap(samples=samples), targets="fear")
        assert torch.allclose(found.channels, weight(linear, "fear") * (small - mean), atol=1e-5)
        assert found.completeness_gap.abs().max() < 1e-4
    with pytest.raises(InputError, match="at least one sample for each of 3 baselines, got 2"):
        GradientShap(samples=2)
