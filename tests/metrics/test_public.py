"""Names that users can rely on."""

import inspect

import pytest

import metrics
from metrics.core.registry import METRICS

FIXED = {
    *("METRICS", "MetricSpec", "evaluate", "Curve", "Interval", "deletion", "insertion"),
    *("separability", "permuted_excess", "mean_interval", "holm"),
    *("au_cosine", "region_mass", "energy_gain", "pointing_game", "emotion_contrast"),
    *("mean_test", "mean_family", "equivalence", "median_shift"),
}


@pytest.mark.parametrize("name", metrics.__all__)
def test_every_public_name_is_there(name):
    assert getattr(metrics, name) is not None
    assert name in dir(metrics)


def test_names_that_are_fixed_for_users_are_public():
    assert set(metrics.__all__) >= FIXED


@pytest.mark.parametrize("name", list(METRICS))
def test_the_function_of_every_metric_is_public(name):
    spec = METRICS[name]
    assert getattr(metrics, spec.fn.__name__) is spec.fn
    assert set(spec.options) <= set(inspect.signature(spec.fn).parameters)
