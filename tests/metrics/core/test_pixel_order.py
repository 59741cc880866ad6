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


def test_levels_decide_and_ties_fall_in_every_order_alike():
    """Also at both ends of the levels, where the numbers that are sorted are largest."""
    maps = torch.tensor([[[1.0, -1.0], [0.0, 1.0], [-1.0, 0.5]]]).expand(4000, 3, 2)
    ranks = rank_pixels(maps).flatten(1)
    assert torch.equal(ranks[:, 5], torch.full((4000,), 2, dtype=torch.int32))
    assert torch.equal(ranks[:, 2], torch.full((4000,), 3, dtype=torch.int32))
    assert torch.equal(ranks.sort(dim=1).values, torch.arange(6, dtype=torch.int32).expand(4000, 6))
    assert abs((ranks[:, 0] == 0).double().mean() - 0.5) < 0.03
    assert abs((ranks[:, 1] == 4).double().mean() - 0.5) < 0.03
    blank = rank_pixels(torch.zeros(4800, 2, 2)).flatten(1)
    counts = (blank * torch.tensor([64, 16, 4, 1])).sum(dim=1).unique(return_counts=True)[1]
    assert len(counts) == 24
    assert (counts - 200).abs().max() < 5 * 200**0.5
