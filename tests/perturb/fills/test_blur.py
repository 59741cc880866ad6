"""Blurs against scipy."""

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve, gaussian_filter

from fer_xai.perturb.fills import fill_images


def rise_kernel(size=11):
    """As in RISE's own evaluation: a single one, blurred within the kernel's square."""
    one = np.zeros((size, size))
    one[size // 2, size // 2] = 1
    return gaussian_filter(one, 5)


@pytest.mark.parametrize("side", [4, 9, 20])
def test_the_blur_is_a_gaussian_of_a_tenth_of_the_side(side, images):
    small = images[:2, :, :side, :side]
    reach = min(round(0.25 * side), side - 1)
    line = np.exp(-((np.arange(-reach, reach + 1) / (0.1 * side)) ** 2) / 2)
    kernel = np.outer(line, line) / line.sum() ** 2
    found = fill_images(small, "blur")
    for one, image in zip(found.flatten(0, 1), small.flatten(0, 1), strict=True):
        expected = convolve(image.double().numpy(), kernel, mode="mirror")
        assert one.numpy() == pytest.approx(expected, abs=1e-6)


def test_the_blur_after_rise_has_its_kernel():
    image = torch.zeros(1, 3, 33, 33)
    image[..., 16, 16] = 1
    found = fill_images(image, "blur_rise")[0, 0, 11:22, 11:22].numpy()
    assert found == pytest.approx(rise_kernel(), abs=1e-8)
    assert found[5, 5] == pytest.approx(0.00883, abs=5e-6)
    assert found[0, 0] == pytest.approx(0.00774, abs=5e-6)


@pytest.mark.parametrize("side", [3, 5, 24])
def test_the_blur_after_rise_mirrors_the_image_at_its_border(side, images):
    small = images[:2, :, :side, :side]
    kernel = rise_kernel(min(11, 2 * side - 1))
    found = fill_images(small, "blur_rise")
    for one, image in zip(found.flatten(0, 1), small.flatten(0, 1), strict=True):
        expected = convolve(image.double().numpy(), kernel, mode="mirror")
        assert one.numpy() == pytest.approx(expected, abs=1e-6)
