import math

import pytest
import torch

from fer_xai.errors import InputError
from metrics.complexity import effective_complexity, entropy, gini, total_variation
from metrics.core.histogram import histogram_entropy
from metrics.core.registry import METRICS
from tests.reference.complexity_slow import (
    effective_complexity_slow,
    entropy_slow,
    gini_slow,
    histogram_entropy_slow,
    total_variation_slow,
)

ALL = {
    gini: gini_slow,
    entropy: entropy_slow,
    effective_complexity: lambda image: effective_complexity_slow(image, 0.01),
    total_variation: total_variation_slow,
    histogram_entropy: lambda image: histogram_entropy_slow(image, 100),
}


def _maps(n=4, height=9, width=7):
    """Signed, with ties and a sparse one."""
    maps = torch.randn(n, height, width, generator=torch.Generator().manual_seed(0))
    maps[1] = maps[1].round()
    maps[2, :5] = 0
    return maps


@pytest.mark.parametrize("fast", ALL, ids=lambda fn: fn.__name__)
def test_each_is_its_slow_version(fast):
    maps = _maps()
    slow = [ALL[fast](one) for one in maps]
    assert fast(maps).tolist() == pytest.approx(slow, abs=1e-6)


@pytest.mark.parametrize("fast", ALL, ids=lambda fn: fn.__name__)
def test_scale_sign_and_neighbours_do_not_matter(fast):
    maps = _maps()
    score = fast(maps)
    assert torch.allclose(fast(maps * 1e-20), score, atol=1e-6)
    assert torch.equal(fast(maps[2:3]), score[2:3])
    assert torch.equal(fast(maps.flip(0)), score.flip(0))
    if fast is not histogram_entropy:  # its bins are open on one side
        assert torch.equal(fast(-maps), score)


@pytest.mark.parametrize("fast", ALL, ids=lambda fn: fn.__name__)
def test_what_has_no_score_is_nan(fast):
    maps = _maps()
    maps[0], maps[1, 0, 0], maps[2, 3, 3] = 0.0, torch.nan, torch.inf
    score = fast(maps)
    assert score[:3].isnan().all()
    assert score[3].isfinite()
    assert fast(maps[:0]).shape == (0,)


def test_closed_forms():
    point = torch.zeros(1, 5, 10)
    point[0, 2, 3] = -2.0
    uniform = torch.full((1, 5, 10), 0.3)
    half = torch.ones(1, 4, 10)
    half[:, :2] = 0
    board = (torch.arange(5)[:, None] + torch.arange(10)) % 2
    ramp = torch.arange(1.0, 5.0).reshape(1, 2, 2)
    assert gini(point).item() == pytest.approx(1 - 1 / 50)
    assert gini(uniform).item() == pytest.approx(0, abs=1e-7)
    assert gini(half).item() == pytest.approx(0.5)
    assert gini(ramp).item() == pytest.approx((-3 * 1 - 2 + 3 + 3 * 4) / (4 * 10))
    assert entropy(point).item() == 0
    assert entropy(uniform).item() == pytest.approx(math.log(50))
    assert entropy(half).item() == pytest.approx(math.log(20))
    assert effective_complexity(point).item() == pytest.approx(1 / 50)
    assert effective_complexity(uniform).item() == 1
    assert effective_complexity(ramp, threshold=0.5).item() == 0.5  # 2 is not above a half of 4
    assert total_variation(uniform).item() == 0
    assert total_variation(board[None].float()).item() == 1
    assert total_variation(2 * board[None].float() - 1).item() == 2
    assert total_variation(half).item() == pytest.approx(10 / (3 * 10 + 4 * 9))
    assert histogram_entropy(half, bins=7).item() == pytest.approx(math.log(2))
    assert histogram_entropy(uniform).isnan().all()


def test_specs_say_what_is_better():
    sharp, spread = torch.zeros(1, 8, 8), torch.ones(1, 8, 8)
    sharp[0, 0, 0] = 1
    for name in ("gini", "entropy", "effective_complexity"):
        spec = METRICS[name]
        good, bad = (spec.fn(maps=maps).item() for maps in (sharp, spread))
        assert (good > bad) is spec.higher_is_better
        assert spec.bounds[0] <= min(good, bad) <= max(good, bad) <= spec.bounds[1]
    assert METRICS["total_variation"].higher_is_better is None


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        (lambda: gini(torch.ones(3, 3)), r"Expected maps \(B, H, W\), got \(3, 3\)"),
        (
            lambda: effective_complexity(torch.ones(1, 3, 3), threshold=2),
            "Expected threshold from 0 to 1, got 2",
        ),
        (
            lambda: histogram_entropy(torch.ones(1, 3, 3), bins=1),
            "Expected bins as a whole number of 2 or more, got 1",
        ),
    ],
    ids=["one map", "threshold", "bins"],
)
def test_bad_input_is_one_sentence(asked, match):
    with pytest.raises(InputError, match=match):
        asked()
