import numpy as np
import pytest
import torch
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from torch import nn

import fer_xai.perturb.fills.imputation
from fer_xai.errors import InputError
from fer_xai.perturb.fills.imputation import linear_imputation
from tests.reference.road_slow import impute_slow

SHARES = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97)
SHAPES = ("scattered", "grains", "blobs", "cam", "side", "disc", "ring")


def rank_map(shape: str, height: int, width: int) -> torch.Tensor:
    """Which pixels go first."""
    generator = torch.Generator().manual_seed(6)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    away = (y - height / 2) ** 2 + (x - width / 2) ** 2
    if shape in ("side", "disc", "ring"):
        return {"side": x + y / height, "disc": away, "ring": -away}[shape].float()
    cells = {"scattered": 1, "grains": 2, "blobs": 7, "cam": 16}[shape]
    coarse = torch.rand(1, 1, -(-height // cells), -(-width // cells), generator=generator)
    return nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0, 0]


def missing(shape: str, share: float, height: int, width: int) -> torch.Tensor:
    ranks = rank_map(shape, height, width).flatten().argsort().argsort()
    return (ranks < round(share * height * width)).reshape(height, width)


def odd_masks(side: int) -> torch.Tensor:
    """One known pixel in a corner or the middle, thin lines, a lattice, a chessboard."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    known = [
        (y == 0) & (x == 0),
        (y == side // 2) & (x == side // 2),
        x == side // 2 - 1,
        y % 9 == 0,
        (x % 6 == 0) & (y % 6 == 0),
        (x % 2 == 0) & (y % 2 == 0),
        (x + y) % 2 == 0,
        (x // 8 + y // 8) % 2 == 0,
        (x == 0) | (y == 0),
    ]
    return ~torch.stack(known)


def off(images, gone, **options) -> float:
    found = linear_imputation(images, gone, **options)
    expected = np.stack([impute_slow(*pair) for pair in zip(images, gone, strict=True)])
    return float(np.abs(found.numpy() - expected).max())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_sparse_solution_at_every_share(shape):
    gone = torch.stack([missing(shape, share, 30, 30) for share in SHARES])
    images = torch.rand(len(gone), 3, 30, 30, generator=torch.Generator().manual_seed(1))
    assert off(images, gone) < 7e-5
    assert off(images, gone, tolerance=1e-5) < 7e-6


@pytest.mark.parametrize("size", [(64, 64), (50, 50), (48, 33), (17, 64), (8, 8), (5, 1), (2, 2)])
def test_the_sparse_solution_at_every_size(size):
    gone = torch.stack([missing("scattered", 0.6, *size), missing("side", 0.7, *size)])
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    assert off(images, gone) < 7e-5


def test_the_sparse_solution_of_odd_masks():
    gone = odd_masks(32)
    images = torch.rand(len(gone), 3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert off(images, gone) < 7e-5


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
def test_grad_cam_has_the_same_system():
    """Its sum of weights, too, leaves out what lies outside of the image."""
    imputer = NoisyLinearImputer(noise=0)
    images = torch.rand(4, 3, 30, 30, generator=torch.Generator().manual_seed(1))
    gone = torch.stack([missing(shape, 0.6, 30, 30) for shape in SHAPES[:4]])
    found = linear_imputation(images, gone)
    for image, mask, ours in zip(images, gone, found, strict=True):
        assert torch.allclose(imputer(image, (~mask).float()), ours, atol=7e-5)


def test_known_pixels_stay_to_the_bit_and_others_lie_between_them(images):
    gone = torch.stack([missing(shape, 0.8, 64, 64) for shape in SHAPES[:5]])
    found = linear_imputation(images, gone)
    for image, mask, ours in zip(images, gone, found, strict=True):
        assert torch.equal(ours[:, ~mask], image[:, ~mask])
        low, high = (image[:, ~mask].aminmax(dim=1)[k][:, None] for k in (0, 1))
        assert ((ours[:, mask] >= low - 1e-5) & (ours[:, mask] <= high + 1e-5)).all()
    assert torch.equal(linear_imputation(images, torch.zeros_like(gone)), images)


def test_what_missing_pixels_hold_does_not_matter(images):
    gone = torch.stack([missing(shape, 0.8, 64, 64) for shape in SHAPES[:5]])
    found = linear_imputation(images, gone)
    for other in (0.5, torch.nan):
        hidden = images.masked_fill(gone[:, None], other)
        assert torch.equal(linear_imputation(hidden, gone), found)


def test_what_is_constant_or_shifted_or_scaled_stays_so(images):
    gone = missing("cam", 0.9, 64, 64).expand(5, -1, -1)
    assert torch.allclose(linear_imputation(images * 0 + 0.3, gone), torch.tensor(0.3), atol=1e-6)
    shifted = 0.5 * linear_imputation(images, gone) + 0.25
    assert torch.allclose(linear_imputation(0.5 * images + 0.25, gone), shifted, atol=7e-5)


def test_of_nothing_known_the_mean_colour_is_left(images):
    gone = torch.ones(5, 64, 64, dtype=torch.bool)
    gone[1, 3, 4] = False
    found = linear_imputation(images, gone)
    for face in (0, 2, 3, 4):
        mean = images[face].mean(dim=(1, 2), keepdim=True)
        assert torch.allclose(found[face], mean.expand(-1, 64, 64), atol=1e-6)
    assert torch.allclose(found[1], images[1, :, 3:4, 4:5].expand(-1, 64, 64), atol=7e-5)


def test_neighbours_do_not_matter(monkeypatch):
    gone = torch.cat([odd_masks(48), missing("scattered", 0.1, 48, 48)[None]])
    images = torch.rand(len(gone), 3, 48, 48, generator=torch.Generator().manual_seed(1))
    together = linear_imputation(images, gone)
    alone = torch.cat([linear_imputation(images[k : k + 1], gone[k : k + 1]) for k in range(10)])
    assert torch.allclose(together, alone, atol=1e-6)
    monkeypatch.setitem(fer_xai.perturb.fills.imputation._TOGETHER, "cpu", 4 * 3 * 48**2)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(linear_imputation(images[order], gone[order]), together[order], atol=1e-6)


def test_equal_channels_cost_one(monkeypatch, images):
    gone = torch.stack([missing(shape, 0.6, 30, 30) for shape in SHAPES[:5]])
    mixed = images[..., :30, :30].clone()
    mixed[[0, 3]] = mixed[[0, 3], :1].expand(-1, 3, -1, -1)
    solved = []
    solve = fer_xai.perturb.fills.imputation._solve

    def counted(part, *rest):
        solved.append(tuple(part.shape[:2]))
        return solve(part, *rest)

    monkeypatch.setattr(fer_xai.perturb.fills.imputation, "_solve", counted)
    found = linear_imputation(mixed, gone)
    assert sorted(solved) == [(2, 1), (3, 3)]
    assert torch.equal(found[0, 0], found[0, 2])
    expected = np.stack([impute_slow(*pair) for pair in zip(mixed, gone, strict=True)])
    assert np.allclose(found.numpy(), expected, atol=7e-5)


@pytest.mark.parametrize("side", [48, 128])
def test_it_takes_ten_cycles_at_most(monkeypatch, side):
    cycles = []
    cycle = fer_xai.perturb.fills.imputation._Level.cycle

    def counted(level, residual):
        cycles.append(level.frame.shape[0])
        cycle(level, residual)

    monkeypatch.setattr(fer_xai.perturb.fills.imputation._Level, "cycle", counted)
    some = [missing(shape, share, side, side) for shape in SHAPES for share in (0.3, 0.95)]
    gone = torch.cat([odd_masks(side), torch.stack(some)])
    image = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(1))
    monkeypatch.setitem(fer_xai.perturb.fills.imputation._TOGETHER, "cpu", 10**9)
    linear_imputation(image.expand(len(gone), 3, -1, -1), gone)
    assert cycles.count(side) <= 10


def test_dtype_layout_and_gradients(images):
    gone = torch.stack([missing(shape, 0.6, 64, 64) for shape in SHAPES[:5]])
    found = linear_imputation(images, gone)
    assert found.is_contiguous()
    last = images.contiguous(memory_format=torch.channels_last).requires_grad_()
    other = linear_imputation(last, gone)
    assert other.is_contiguous(memory_format=torch.channels_last)
    assert not other.requires_grad
    assert torch.allclose(found, other, atol=1e-6)
    double = linear_imputation(images.double(), gone)
    assert double.dtype == torch.float64
    assert torch.allclose(double.float(), found, atol=1e-6)
    assert linear_imputation(images[:0], gone[:0]).shape == (0, 3, 64, 64)


def test_bad_input_is_one_sentence(images):
    gone = torch.zeros(5, 64, 64, dtype=torch.bool)
    with pytest.raises(InputError, match=r"Expected images \(M, 3, H, W\) and masks"):
        linear_imputation(images, gone[:, ::2])
    with pytest.raises(InputError, match="Expected a bool mask, True where a pixel is missing"):
        linear_imputation(images, gone.float())
    with pytest.raises(InputError, match="Expected a tolerance of at least 1e-05"):
        linear_imputation(images, gone, tolerance=1e-9)
