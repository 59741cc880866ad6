"""Specifications of a plausible set: which there are, and which are left out."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fer_xai.attributions import upsample
from fer_xai.attributions.controls import centre_cells
from fer_xai.errors import InputError
from fer_xai.perturb.fills import fill_named
from metrics.core.pixel_order import rank_pixels
from studies.multiverse.factors import Factor, Multiverse
from studies.multiverse.maps import enlarged
from studies.multiverse.summary import by_level, share
from studies.questions.gradcam_consistency.multiverse import CONSISTENCY
from studies.scoreboard.removals import NOISELESS, REMOVALS

SETS = pytest.mark.parametrize("declared", [REMOVALS, CONSISTENCY])


@SETS
def test_sampled_combinations_are_seeded_distinct_and_of_the_declared_set(declared):
    plan = declared.plan(seed=0)
    sampled = [one for one in plan.specifications if one.sampled]
    assert plan.n_sampled == len(sampled) == 64
    assert len({one.key for one in plan.specifications}) == len(plan.specifications)
    for one in plan.specifications:
        assert list(one.levels) == [factor.name for factor in declared.factors]
        assert all(one.levels[factor.name] in factor.levels for factor in declared.factors)
    assert plan == declared.plan(seed=0)
    others = {one.key for one in declared.plan(seed=1).specifications if one.sampled}
    assert len(others & {one.key for one in sampled}) < 10


@SETS
def test_one_factor_at_a_time_changes_one_column(declared):
    default, *others = declared.plan(seed=0).specifications
    assert default.changed == "default"
    assert default.levels == {factor.name: factor.default for factor in declared.factors}
    alone = [one for one in others if one.changed]
    assert len(alone) == sum(len(factor.levels) - 1 for factor in declared.factors)
    for one in alone:
        changed = {k for k in default.levels if one.levels[k] != default.levels[k]}
        assert changed == {one.changed}


@SETS
def test_every_factor_says_why_and_has_its_levels_once(declared):
    for factor in declared.factors:
        assert factor.reason.endswith(".")
        assert len(set(factor.levels)) == len(factor.levels) > 1


def test_rules_leave_combinations_out_and_count_them():
    plan = REMOVALS.plan(seed=0)
    total = int(np.prod([len(factor.levels) for factor in REMOVALS.factors]))
    assert plan.combinations == total
    assert plan.possible == total - sum(plan.left_out.values())
    assert plan.left_out["width under upsampling nearest"] == total // 2 * 2 // 3
    for one in plan.specifications:
        assert one.levels["upsampling"] == "bilinear" or one.levels["width"] == 0.25
        assert one.levels["fill"] == "linear" or one.levels["seed"] == 0


def test_rules_say_what_is_true():
    """Widths of one Gaussian order its cells alike; fills without noise draw nothing."""
    orders = [
        rank_pixels(
            enlarged(centre_cells((4, 4), sigma=s)[None, None], {"upsampling": "nearest"}, size=16)[
                0
            ],
            seed=0,
            ids=["a"],
        )
        for s in REMOVALS.factor("width").levels
    ]
    assert all(order.equal(orders[0]) for order in orders)
    smooth = [
        rank_pixels(upsample(centre_cells((4, 4), sigma=s)[None, None], size=(16, 16))[0], seed=0)
        for s in REMOVALS.factor("width").levels
    ]
    assert not smooth[0].equal(smooth[1])
    assert [fill_named(str(name)).random for name in REMOVALS.factor("fill").levels] == [
        name not in NOISELESS for name in REMOVALS.factor("fill").levels
    ]


def test_levels_that_a_model_lacks_are_left_out():
    absent = {("layer", "paper"): "none is named"}
    plan = REMOVALS.plan(seed=0, absent=absent)
    assert all(one.levels["layer"] != "paper" for one in plan.specifications)
    assert plan.left_out["layer paper: none is named"] == plan.combinations // 3


@SETS
@pytest.mark.parametrize("seed", [0, 7])
def test_levels_are_drawn_about_equally_often_where_their_factor_has_an_effect(declared, seed):
    plan = declared.plan(seed=seed)
    drawn = [one.levels for one in plan.specifications if one.sampled]
    for factor in declared.factors:
        taken = [own[factor.name] for own in drawn if declared.has_effect(factor.name, own)]
        counts = [taken.count(level) for level in factor.levels]
        assert max(counts) - min(counts) <= 1, factor.name
    if declared is REMOVALS:  # noise is drawn by one fill of four
        seeds = [own["seed"] for own in drawn if own["fill"] == "linear"]
        assert len(seeds) == 16
        assert seeds.count(1) == 8


def test_levels_that_a_model_lacks_are_balanced_away():
    plan = REMOVALS.plan(seed=3, absent={("layer", "paper"): "none is named"})
    layers = [one.levels["layer"] for one in plan.specifications if one.sampled]
    assert (layers.count("cam"), layers.count("earlier")) == (32, 32)


@pytest.mark.parametrize(
    "claim",
    [
        lambda own: own["fill"] == "linear",  # a single choice decides: known exactly
        lambda own: (own["fill"] == "linear") == (own["sign"] == "relu"),
        lambda own: own["fill"] in ("linear", "blur") and own["scored"] != "logit",
    ],
)
def test_wilsons_interval_of_a_balanced_sample_covers_the_share(claim):
    """The share of all combinations of levels is known; the sample's interval holds it."""
    small = dataclasses.replace(
        REMOVALS, factors=tuple(f for f in REMOVALS.factors if f.name not in ("layer", "explained"))
    )
    names = [factor.name for factor in small.factors]
    every = itertools.product(*(factor.levels for factor in small.factors))
    truth = np.mean([claim(dict(zip(names, levels, strict=True))) for levels in every])
    covered = 0
    for seed in range(60):
        plan = small.plan(seed=seed)
        found = share([claim(one.levels) for one in plan.specifications if one.sampled])
        covered += found.low <= truth <= found.high
    assert covered >= 54


def test_a_factor_is_judged_where_it_has_an_effect():
    """Other fills move the effect by 5; the seed moves nothing, and is not blamed for them."""
    rows = pd.DataFrame(
        {
            "changed": one.changed,
            "sampled": one.sampled,
            **one.levels,
            "effect": 5.0 * (one.levels["fill"] != "linear"),
            "verdict": "holds",
            "holds": True,
        }
        for one in REMOVALS.plan(seed=0).specifications
    )
    table = by_level(rows, REMOVALS.factors, rules=REMOVALS.rules).set_index(["factor", "level"])
    assert table.loc["seed", "sampled"].tolist() == [8, 8]
    assert table.loc["seed", "among sampled"].tolist() == [0, 0]


def sampled(declared):
    return {one.key for one in declared.plan(seed=0).specifications if one.sampled}


def test_a_studys_own_options_are_the_defaults():
    other = REMOVALS.starting_from(target="true")
    assert other.plan(seed=0).specifications[0].levels["target"] == "true"
    assert set(other.factor("target").levels) == {"predicted", "true"}
    assert sampled(other) == sampled(REMOVALS)  # the same combinations are drawn
    with pytest.raises(InputError, match="predicted, true, which the multiverse is declared of"):
        REMOVALS.starting_from(target="shown")


def test_a_small_set_is_taken_whole():
    fill = Factor(name="fill", levels=("linear", "blur", "black"), reason="All are used.")
    plan = Multiverse(claim="c", estimate="e", factors=(fill,)).plan(seed=0)
    assert plan.n_sampled == plan.possible == len(plan.specifications) == 3


@pytest.mark.parametrize(("holds", "of"), [(0, 64), (21, 64), (64, 64)])
def test_the_share_has_wilsons_interval(holds, of):
    found = share([True] * holds + [False] * (of - holds))
    z, p = stats.norm.ppf(0.975), holds / of
    centre = (p + z**2 / (2 * of)) / (1 + z**2 / of)
    reach = z / (1 + z**2 / of) * np.sqrt(p * (1 - p) / of + z**2 / (4 * of**2))
    assert found.value == p
    assert found.low == pytest.approx(centre - reach, abs=1e-12)
    assert found.high == pytest.approx(centre + reach, abs=1e-12)


def test_what_a_level_moves_alone_and_among_sampled_combinations():
    two = Multiverse(
        claim="c",
        estimate="e",
        factors=(
            Factor(name="a", levels=(0, 1), reason="Why not."),
            Factor(name="b", levels=(0, 1), reason="Why not."),
        ),
    )
    rows = pd.DataFrame(
        {
            "changed": one.changed,
            "sampled": one.sampled,
            **one.levels,
            "effect": 1 + 2 * int(one.levels["a"]) - 4 * int(one.levels["b"]),
        }
        for one in two.plan(seed=0).specifications
    )
    rows = rows.assign(holds=rows["effect"] > 0, verdict="")
    table = by_level(rows, two.factors)[1:].set_index(["factor", "level"])
    assert table["alone"].tolist() == table["among sampled"].tolist() == [0, 2, 0, -4]
    assert table["holds in"].tolist() == [1, 1, 2, 0]


def test_keys_stand_for_levels_alone():
    one = REMOVALS.plan(seed=0).specifications[0]
    assert dataclasses.replace(one, changed="", sampled=True).key == one.key
