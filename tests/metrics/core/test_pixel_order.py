import torch
from scipy.stats import spearmanr

from metrics.core.pixel_order import rank_pixels


def test_rounding_moves_no_rank(maps):
    noisy = maps * (1 + 1e-7 * torch.randn(maps.shape, generator=torch.Generator().manual_seed(0)))
    swapped = (rank_pixels(maps) != rank_pixels(noisy)).float().mean()
    assert swapped < 0.01
    plateau = torch.nn.functional.interpolate(maps[:, None, ::16, ::16], scale_factor=16)[:, 0]
    noisy = plateau + 1e-7 * torch.randn(maps.shape, generator=torch.Generator().manual_seed(0))
    # but where a whole plateau lies on the edge between two levels
    assert (rank_pixels(plateau) != rank_pixels(noisy)).float().mean() < 0.05


def test_what_an_outlier_dwarfs_is_in_random_order(maps):
    """Documented: an order below a 2⁻¹⁷th of the largest value cannot be told from noise."""
    plain = maps.abs() / maps.abs().amax(dim=(1, 2), keepdim=True)
    for outlier, low, high in ((2.0, 0.999, 1.0), (1e6, -0.1, 0.1)):
        peaked = plain.clone()
        peaked[:, 5, 7] = outlier
        ranks = rank_pixels(peaked)
        assert (ranks[:, 5, 7] == 0).all()
        for one, order in zip(ranks, peaked, strict=True):
            found = spearmanr(-one.flatten().numpy(), order.flatten().numpy()).statistic
            assert low <= found <= high
