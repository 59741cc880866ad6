import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats

from fer_xai.errors import InputError
from metrics.statistics.reliability import icc_a1, kendalls_w, mean_spearman


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pingouin's own use of pandas
def test_icc_is_that_of_pingouin():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(8, 5)) + rng.normal(size=(8, 1)) + 0.5 * rng.normal(size=(1, 5))
    long = pd.DataFrame(table).reset_index().melt("index", var_name="rater", value_name="score")
    reference = pingouin.intraclass_corr(long, targets="index", raters="rater", ratings="score")
    kind = reference["Type"].astype(str).str.replace(" ", "")
    value = reference.loc[kind.isin(["ICC2", "ICC(A,1)"]), "ICC"].iloc[0]
    assert icc_a1(table) == pytest.approx(value, abs=1e-3)


def test_icc_limits():
    shared = np.tile(np.arange(6.0)[:, None], (1, 4))
    assert icc_a1(shared) == pytest.approx(1)
    assert icc_a1(shared + np.array([0, 10, 20, 30])) < 0.2  # consistent, but no agreement
    assert np.isnan(icc_a1(np.ones((6, 4))))


@pytest.mark.parametrize("ties", [False, True])
def test_kendalls_w_is_the_mean_spearman(ties):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(8, 5)) + rng.normal(size=(8, 1))
    w = kendalls_w(table.round(0) if ties else table)
    if not ties:
        pairs = [stats.spearmanr(table[:, a], table[:, b])[0] for a in range(5) for b in range(a)]
        assert mean_spearman(w, 5) == pytest.approx(np.mean(pairs))
    assert 0 < w < 1
    assert kendalls_w(np.tile(table[:, :1], (1, 3))) == pytest.approx(1)


def test_copies_of_raters_in_their_clusters_change_nothing():
    ratings = np.random.default_rng(0).normal(size=(6, 5)) + np.arange(6)[:, None]
    copies, who = np.repeat(ratings, 3, axis=1), [k // 3 for k in range(15)]
    assert icc_a1(copies, clusters=who) == pytest.approx(icc_a1(ratings))
    assert icc_a1(copies) > icc_a1(ratings) + 0.02
    alike = mean_spearman(kendalls_w(ratings), 5)
    assert mean_spearman(kendalls_w(copies, clusters=who), 15) == pytest.approx(alike)
    assert mean_spearman(kendalls_w(copies), 15) > alike + 0.01


def test_raters_of_their_own_clusters_are_as_without():
    ratings = np.random.default_rng(0).normal(size=(6, 5))
    for clusters in (["", None, float("nan"), "", ""], list("abcde")):
        assert icc_a1(ratings, clusters=clusters) == icc_a1(ratings)
        assert kendalls_w(ratings, clusters=clusters) == kendalls_w(ratings)
    assert np.isnan(icc_a1(ratings, clusters=["ann"] * 5))
    with pytest.raises(InputError, match="Expected 5 cluster labels, one a face, got 2"):
        icc_a1(ratings, clusters=[1, 2])
