"""A batch is augmented as torchvision would, face by face."""

import math

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from fer_xai.data.datasets.synthetic import synthetic_faces
from training.augmenting import NUMBERS, augment, draws


@pytest.fixture(scope="module")
def images():
    return synthetic_faces(12).pixels(64).float() / 255


def by_torchvision(image, row):
    """The same transforms, one at a time, on one face."""
    u = dict(zip(NUMBERS, row.tolist(), strict=True))
    if u["flip"] < 0.5:
        image = tv.horizontal_flip(image)
    image = tv.affine(
        image,
        angle=-12 + 24 * u["angle"],
        scale=0.88 + 0.24 * u["scale"],
        shear=[0.0, 0.0],
        translate=[round(64 * (-0.08 + 0.16 * u[way])) for way in ("right", "down")],
        interpolation=InterpolationMode.BILINEAR,
    )
    light = [
        lambda i: tv.adjust_brightness(i, 0.7 + 0.6 * u["brightness"]),
        lambda i: tv.adjust_contrast(i, 0.7 + 0.6 * u["contrast"]),
    ]
    for change in light if u["order"] < 0.5 else light[::-1]:
        image = change(image)
    if u["erase"] < 0.25:
        area = 64 * 64 * (0.02 + 0.18 * u["area"])
        ratio = math.exp(math.log(0.3) + math.log(11) * u["ratio"])
        tall, wide = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        top, left = int(u["top"] * (65 - tall)), int(u["left"] * (65 - wide))
        image = tv.erase(image, top, left, tall, wide, torch.zeros(1))
    return image


def test_augmentation_is_torchvisions(images):
    numbers = draws(12, seed=1, epoch=2)
    numbers[:2, NUMBERS.index("erase")] = torch.tensor([0.1, 0.9])
    ours = augment(images, numbers, kind="standard")
    for image, row, found in zip(images, numbers, ours, strict=True):
        assert torch.allclose(found, by_torchvision(image, row), atol=2e-4)


def test_flip_alone(images):
    numbers = draws(12, seed=0, epoch=0)
    ours = augment(images, numbers, kind="flip")
    flipped = numbers[:, 0] < 0.5
    assert flipped.any()
    assert not flipped.all()
    assert torch.equal(ours[flipped], images[flipped].flip(-1))
    assert torch.equal(ours[~flipped], images[~flipped])


def test_a_faces_augmentation_is_its_own(images):
    """Whatever the batch, and whatever autocast does to the network's products."""
    numbers = draws(12, seed=0, epoch=0)
    together = augment(images, numbers, kind="standard")
    alone = augment(images[7:8], numbers[7:8], kind="standard")
    assert torch.allclose(together[7:8], alone, atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(augment(images, numbers, kind="standard"), together)


def test_numbers_of_another_epoch_or_seed_are_others():
    first = draws(50, seed=0, epoch=1)
    assert first.min() >= 0
    assert first.max() < 1
    assert torch.equal(first, draws(50, seed=0, epoch=1))
    for seed, epoch in ((0, 2), (1, 1), (1, 0)):
        assert not (first == draws(50, seed=seed, epoch=epoch)).any(dim=1).any()
