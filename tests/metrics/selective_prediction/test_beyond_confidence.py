"""What qualities tell of errors beyond the confidence: known effects, no effects, and refusals."""

import numpy as np
import pytest
from scipy import optimize, special

from benchmarks.calibration.foretelling import LEAST_ERRORS, drawn, foretold
from fer_xai.errors import InputError
from metrics import beyond_confidence, risk_coverage
from metrics.selective_prediction.columns import confidence_columns
from metrics.selective_prediction.logistic import logistic


def study(seed=1, n=600, effect=0.0, each=1, quality="by the probability"):
    rng = np.random.default_rng(seed)
    return drawn(quality, "straight", n, each=each, rng=rng, effect=effect)


def test_a_regression_is_where_the_likelihood_is_largest():
    rng = np.random.default_rng(0)
    columns = np.column_stack([np.ones(80), rng.normal(size=(80, 2))])
    outcomes = (rng.random(80) < special.expit(columns @ [-1.0, 1.0, 0.5])).astype(float)

    def minus(weights):
        odds = columns @ weights
        return -(outcomes * odds - np.logaddexp(0, odds)).sum()

    found, slow = logistic(columns, outcomes), optimize.minimize(minus, np.zeros(3), tol=1e-10)
    assert found.weights == pytest.approx(slow.x, abs=1e-4)
    assert found.log_likelihood == pytest.approx(-slow.fun)


def test_the_spline_is_straight_beyond_its_ends_and_bends_between():
    odds = np.linspace(-6, 6, 201)
    columns = confidence_columns(special.expit(odds))
    assert columns.shape == (201, 4)
    second = np.diff(columns, n=2, axis=0)
    outer = np.abs(odds[1:-1]) > np.quantile(odds, 0.95) + 0.1
    assert np.abs(second[outer]).max() < 1e-9
    assert np.abs(second[~outer, 2:]).max(axis=0).min() > 1e-4
    assert confidence_columns(np.repeat([0.2, 0.8], 5)).shape == (10, 2)


def test_a_quality_that_tells_of_errors_is_found_with_its_sign():
    faces = study(effect=1.5)
    noise = faces.quality - 8 * faces.confidence
    found = beyond_confidence(faces.wrong == 0, faces.confidence, noise)
    assert found.p_value < 0.01
    assert found.slopes[0] < -0.5  # better explanations, fewer errors
    assert found.gain > 0
    assert found.likelihood_ratio > 10
    assert (found.faces, found.units, found.errors) == (600, 600, int(faces.wrong.sum()))
    area = risk_coverage(-found.foretold_with, faces.wrong == 0).area
    assert area == pytest.approx(found.area_with)


def test_only_the_order_of_a_quality_matters():
    faces = study(effect=0.5)
    right = faces.wrong == 0
    one = beyond_confidence(right, faces.confidence, faces.quality, repeats=99)
    other = beyond_confidence(right, faces.confidence, -np.exp(faces.quality / 3), repeats=99)
    assert other.slopes == pytest.approx(-one.slopes)
    assert other.p_value == one.p_value
    assert other.gain == pytest.approx(one.gain)


def test_copies_of_every_face_do_not_make_an_effect_surer_where_persons_are_named():
    faces = study(effect=0.7)
    right, persons = np.tile(faces.wrong == 0, 4), np.tile(np.arange(600), 4)
    values = np.tile(faces.confidence, 4), np.tile(faces.quality, 4)
    once = beyond_confidence(right[:600], values[0][:600], values[1][:600], repeats=999)
    copies = beyond_confidence(right, *values, clusters=persons.tolist(), repeats=999)
    assert copies.p_value == pytest.approx(once.p_value, abs=0.002)
    assert copies.units == 600
    assert copies.likelihood_ratio == pytest.approx(4 * once.likelihood_ratio, rel=0.02)


def test_a_quality_that_only_names_a_group_tells_nothing_once_the_group_is_known():
    rng = np.random.default_rng(5)
    groups = rng.integers(0, 3, 600)
    confidence = rng.uniform(0.3, 0.9, 600)
    right = rng.random(600) < special.expit(special.logit(confidence) - 1 + groups)
    quality = groups + 0.5 * rng.normal(size=600)
    alone = beyond_confidence(right, confidence, quality, repeats=999)
    given = beyond_confidence(right, confidence, quality, repeats=999, groups=groups.tolist())
    assert alone.p_value < 0.01
    assert given.p_value > 0.05
    assert given.area < alone.area
    refused("600 groups, one a face, got 1", groups=["a"])


def test_several_qualities_are_tested_together():
    faces = study(effect=1.0)
    both = np.column_stack([np.random.default_rng(3).normal(size=600), faces.quality])
    found = beyond_confidence(faces.wrong == 0, faces.confidence, both, repeats=999)
    assert found.slopes.shape == (2,)
    assert found.p_value < 0.05


def test_undefined_qualities_are_counted_with_their_errors():
    faces = study(effect=0.5)
    quality = faces.quality.copy()
    quality[:10] = np.nan
    found = beyond_confidence(faces.wrong == 0, faces.confidence, quality, repeats=99)
    assert (found.faces, found.undefined) == (590, 10)
    assert found.undefined_errors == int(faces.wrong[:10].sum())
    assert np.isnan(found.foretold[:10]).all()
    assert np.isfinite(found.foretold[10:]).all()


def refused(message, **changed):
    faces = study()
    given = {
        "right": faces.wrong == 0,
        "confidence": faces.confidence,
        "quality": faces.quality,
    } | changed
    with pytest.raises(InputError, match=message):
        beyond_confidence(**given)


def test_what_cannot_be_told_is_refused():
    faces = study()
    wrong, n = faces.wrong, 600
    refused("that vary over 600 faces, got one value for all in column 0", quality=np.ones(n))
    refused("confidences that differ, got one value", confidence=np.full(n, 0.5))
    refused("probabilities in \\[0, 1\\]", confidence=np.full(n, 1.5))
    refused("80 or more errors, and as many right answers, got 0 errors", right=np.ones(n))
    refused("that no column tells apart for certain", quality=wrong + 0.1 * faces.confidence)
    refused("none is a combination of the others", quality=np.stack([faces.quality] * 2, axis=1))
    refused("qualities \\(N,\\) or \\(N, K\\) of 600 faces", quality=np.ones(5))
    refused("600 cluster labels", clusters=["a"])
    refused("together, got one of them", explained=np.zeros(n))
    some = np.zeros(n)
    refused("know the label", explained=some, predicted=some + (np.arange(n) == 3))
    missing = np.where(wrong == 1, np.nan, faces.quality)
    refused(f"got 0 errors of .* \\({int(wrong.sum())} more have", quality=missing)


def test_no_effect_is_seldom_found_even_where_the_quality_is_made_of_the_confidence():
    rows = list(foretold(60, qualities=["by a step of the confidence"], sizes=[600]))
    errors = [row for row in rows if row.statistic == "beyond_confidence" and row.nominal == 0.05]
    assert sum(row.hits for row in errors) < 0.11 * sum(row.repeats for row in errors)
    assert len(errors) == 4
    assert LEAST_ERRORS == 80
