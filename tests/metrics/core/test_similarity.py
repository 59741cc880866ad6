import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from fer_xai.errors import InputError
from metrics.core.similarity import map_similarity, normalised_rows, region_agreement, region_sums
from tests.reference.randomisation_slow import similarity_slow


@pytest.mark.parametrize("kind", ["spearman", "pearson", "ssim"])
def test_similarity_is_the_slow_one(kind):
    one, other = torch.randn(2, 3, 9, 11, generator=torch.Generator().manual_seed(0))
    other[1] = (one[1] + 0.3 * other[1]).mul(4).round()  # signed, with ties
    found = map_similarity(one, other, similarity=kind)
    slow = [similarity_slow(a.numpy(), b.numpy(), kind) for a, b in zip(one, other, strict=True)]
    assert found.tolist() == pytest.approx(slow, abs=1e-3)
    assert map_similarity(one, one, similarity=kind).tolist() == pytest.approx([1, 1, 1])
    assert map_similarity(one, -one, similarity=kind).max() < 0.2  # signed maps stay signed
    flat = map_similarity(one, -one, similarity=kind, absolute=True)
    assert flat.tolist() == pytest.approx([1, 1, 1])
    one[0], other[1], other[2, 0, 0] = 0, 0, torch.nan
    assert map_similarity(one, other, similarity=kind).isnan().all()
    assert map_similarity(0 * one, 0 * one, similarity=kind).isnan().all()


MASK = torch.ones(6, 6, dtype=torch.bool)
MASK[0, :3] = False


def _maps(n=14, seed=0, classes=3, signal=0.0):
    """Random maps; with a signal, each emotion has a pattern of its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    patterns = rng.random((classes, 6, 6))
    maps = rng.random((n, 6, 6)) + signal * patterns[labels]
    return torch.from_numpy(maps).float(), torch.from_numpy(labels)


def test_cosine_of_a_constant_map_is_defined():
    rows = normalised_rows(torch.full((2, 6, 6), 3.0), MASK, kind="cosine")
    assert float(rows[0] @ rows[1]) == pytest.approx(1)


def test_scale_does_not_matter():
    maps, _ = _maps()
    for kind in ("pearson", "cosine", "spearman"):
        one, two = (normalised_rows(m, MASK, kind=kind) for m in (maps, maps * 1e-7))
        assert torch.allclose(one, two, atol=1e-6)


def test_region_sums_add_up_and_empty_regions_are_nan():
    maps = torch.arange(8.0).reshape(2, 2, 2)
    regions = torch.zeros(2, 3, 2, 2, dtype=torch.bool)
    regions[:, 0, 0], regions[:, 1, 1] = True, True
    found = region_sums(maps, regions)
    assert found[:, :2].tolist() == [[1, 5], [9, 13]]
    assert found[:, 2].isnan().all()


def test_region_agreement_is_scipys_and_leaves_unknown_regions_out():
    generator = torch.Generator().manual_seed(2)
    one, two = (torch.randn(5, 8, generator=generator) for _ in range(2))
    one[1, 3] = torch.nan
    one[2] = 1.0
    one[3, 2:] = torch.nan
    found = region_agreement(one, two)
    assert np.isclose(found[0], spearmanr(one[0], two[0]).statistic)
    keep = [0, 1, 2, 4, 5, 6, 7]
    assert np.isclose(found[1], spearmanr(one[1, keep], two[1, keep]).statistic)
    assert np.isnan(found[2:4]).all()


def test_rounding_noise_decides_no_rank():
    exact = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    noisy = torch.tensor([[1.0, 1e-12, -1e-12, 2e-12]])
    assert region_agreement(noisy, exact) == pytest.approx(1)


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        (
            lambda: region_agreement(torch.zeros(2, 3), torch.zeros(2, 4)),
            r"Expected two accounts \(N, R\) of the same regions",
        ),
        (
            lambda: normalised_rows(torch.ones(2, 6, 6), MASK, kind="l2"),
            "Expected similarity pearson, cosine, spearman, got 'l2'",
        ),
        (
            lambda: normalised_rows(torch.ones(2, 5, 5), MASK),
            r"Expected maps \(N, 6, 6\) to fit the mask, got \(2, 5, 5\)",
        ),
        (
            lambda: normalised_rows(torch.ones(2, 6, 6), MASK & False),
            "Expected a mask of at least two pixels",
        ),
        (
            lambda: map_similarity(torch.ones(2, 6, 6), torch.ones(3, 6, 6)),
            r"Expected two stacks of maps \(B, H, W\) of one shape",
        ),
    ],
    ids=["regions", "kind", "size", "mask", "shapes"],
)
def test_bad_input_is_one_sentence(asked, match):
    with pytest.raises(InputError, match=match):
        asked()
