import pytest

from metrics.core.histogram import histogram_entropy
from metrics.randomisation.emprt import emprt
from metrics.randomisation.random_networks import randomised
from tests.metrics.explainers import edges, gradient
from tests.reference.complexity_slow import histogram_entropy_slow


def test_emprt_is_the_relative_rise_of_entropy(case):
    predictor, images, maps, targets = case
    found = emprt(predictor, images, maps, targets, gradient, bins=20)
    random = randomised(predictor.model, seed=0, images=images)
    after = gradient(random, images, targets, None)
    for face in range(6):
        low, high = (histogram_entropy_slow(m[face].numpy(), 20) for m in (maps, after))
        assert found[face].item() == pytest.approx((high - low) / low, abs=2e-3)
    assert (
        emprt(predictor, images, edges(None, images, None, None), targets, edges).tolist()
        == [0] * 6
    )
    assert histogram_entropy(maps).min() > 0
