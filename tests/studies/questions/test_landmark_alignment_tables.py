"""Rows, tables and figures of the alignment study, on numbers that are known."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from fer_xai.data.datasets.synthetic import synthetic_faces
from studies.engine.networks import Network
from studies.questions.landmark_alignment.answer import answer, caveats
from studies.questions.landmark_alignment.areas import Choice
from studies.questions.landmark_alignment.cause_figures import faces_figure
from studies.questions.landmark_alignment.cause_tables import (
    agreement_table,
    book_units,
    region_table,
    unit_table,
)
from studies.questions.landmark_alignment.collected import LEAST_PERSONS, mean_face_of
from studies.questions.landmark_alignment.maps import Scored
from studies.questions.landmark_alignment.rows import contrast_rows
from studies.questions.landmark_alignment.scores import contrasts
from studies.questions.landmark_alignment.tables import endpoint, over_untrained, sensitivities
from studies.scoreboard.tables import P

EMOTIONS = ("happiness", "fear", "anger")
DECLARED = [Choice(name="as declared", edition="fer_xai", codebook="emfacs")]


def scored(likeness):
    likeness = likeness[None]  # one choice
    ones = torch.ones(likeness.shape[1], 8)
    return Scored(likeness=likeness, scores=ones, gains=ones)


def rows_of(trained, untrained):
    """Rows of contrasts of a trained network and of untrained ones, all with likenesses."""
    ids = [f"face {k}" for k in range(len(trained))]
    of = {"asked": DECLARED, "emotions": EMOTIONS}
    network = Network(name="m", architecture="m", weights="rafdb")
    parts = [contrast_rows(ids, network, "gradcam", scored(trained), **of)]
    for k, each in enumerate(untrained):
        network = Network(name=f"m@{k}", architecture="m", weights=None, seed=k)
        beside = {"trained": scored(trained)} | of
        parts.append(contrast_rows(ids, network, "gradcam", scored(each), **beside))
    return pd.concat(parts, ignore_index=True), pd.Series(range(len(ids)), index=ids)


def with_pairs(n, pairs):
    """Likenesses ``(n, 3, 3)`` whose pairs (0, 1), (0, 2), (1, 2) have these contrasts."""
    off = torch.zeros(3, 3)
    for (t, s), value in zip(((0, 1), (0, 2), (1, 2)), pairs, strict=True):
        off[t, s] = off[s, t] = 0.5 - value
    return (off + 0.5 * torch.eye(3)).expand(n, -1, -1).clone()


def test_networks_are_compared_over_the_pairs_that_both_have_maps_of():
    whole = with_pairs(30, (0.4, 0.05, 0.05))
    lacking = whole.clone()
    lacking[:, 2] = lacking[:, :, 2] = torch.nan  # the map of emotion 3 is blank
    tops = pd.DataFrame({"model": ["m"], "contrast": [0.5]})
    for trained, untrained in ((lacking, [whole] * 5), (whole, [lacking, whole] * 3)):
        rows, clusters = rows_of(trained, untrained)
        found = endpoint(rows, clusters, tops).iloc[0]
        assert found["over untrained"] == 0
        assert sensitivities(rows, clusters)["over untrained"].dropna().eq(0).all()
    assert np.isclose(contrasts(lacking) - contrasts(whole), 0.4 - 0.5 / 3).all()  # what it was
    nothing = torch.full_like(whole, torch.nan)
    rows, clusters = rows_of(lacking, [nothing] * 5)
    assert np.isnan(endpoint(rows, clusters, tops)["over untrained"].iloc[0])


def test_each_untrained_network_is_compared_over_its_own_pairs():
    trained, untrained = with_pairs(30, (0.4, 0.1, 0.1)), with_pairs(30, (0.1, 0.0, 0.0))
    lacking = untrained.clone()
    lacking[:, 2] = lacking[:, :, 2] = torch.nan
    rows, _ = rows_of(trained, [untrained, lacking])
    means = rows.groupby("network")["excess"].mean()
    assert np.isclose(means["m@0"], 0.5 / 3)
    assert np.isclose(means["m@1"], 0.3)


def test_faces_in_another_order_say_the_same():
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.normal(0, 0.2, size=(20, 3, 3)))
    rows, clusters = rows_of(with_pairs(20, (0.2, 0.1, 0.0)) + noise, [noise / 2] * 5)
    tops = pd.DataFrame({"model": ["m"], "contrast": [0.5]})
    backwards = rows.iloc[::-1].sort_values("network", kind="stable")
    assert backwards["id"].iloc[0] != rows["id"].iloc[0]
    pd.testing.assert_frame_equal(
        endpoint(rows, clusters, tops), endpoint(backwards, clusters, tops)
    )


def test_few_untrained_networks_have_no_interval_and_equal_ones_a_tight_one():
    faces = [str(k) for k in range(30)]
    clusters = pd.Series(range(30), index=faces)
    rng = np.random.default_rng(0)
    trained = pd.Series(0.3 + 0.01 * rng.standard_normal(30), index=faces)
    noise = pd.DataFrame(0.01 * rng.standard_normal((30, 5)), index=faces)
    excess = -noise.sub(trained, axis=0)
    few = over_untrained(excess[[0, 1, 2, 3]], clusters)
    assert np.isnan(few.low)
    assert "4 untrained networks are too few" in few.reason
    one, four = (over_untrained(excess, clusters, family=k) for k in (1, 4))
    assert 0.29 < four.low < one.low < 0.3 < one.high < four.high < 0.31
    spread = excess - [-0.4, -0.2, 0.0, 0.2, 0.4]
    assert over_untrained(spread, clusters).low < 0  # the networks differ


def test_few_real_persons_have_no_mean_face():
    n = LEAST_PERSONS
    registered = torch.rand(n, 4, 4, generator=torch.Generator().manual_seed(0))

    def mean(faces, clusters):
        return mean_face_of(SimpleNamespace(faces=faces, clusters=clusters), registered)

    real = SimpleNamespace(reader=None)
    assert mean(real, [0] * n) is None  # one person
    assert mean(real, [*range(n - 1), 0]) is None  # a copy counts once
    assert np.allclose(mean(real, list(range(n))), registered.mean(dim=0))
    drawn = synthetic_faces(2)
    weights = torch.tensor([1 / (n - 1)] * (n - 1) + [1.0])[:, None, None] / 2
    own = mean(drawn, [0] * (n - 1) + [1])  # each person has the same weight
    assert np.allclose(own, (registered * weights).sum(dim=0))


def test_without_a_mean_face_points_are_drawn():
    area = torch.zeros(1, 64, 64, dtype=torch.bool)
    area[:, 20:30] = True
    maps = {"m": np.full((1, 64, 64), np.nan)}
    figure = faces_figure(maps, None, area, models=["m"], emotions=["fear"])
    ground = figure.axes[1].get_images()[0].get_array()
    assert ground.min() == ground.max()
    assert len(figure.axes[1].collections[0].get_offsets()) == 68
    plt.close(figure)


def test_the_answer_has_no_nan_where_there_is_no_other_face():
    main = pd.DataFrame([{"model": "m", "method": "gradcam", "control": False, "contrast": np.nan}])
    row = {"model": "m", "metric": "au_cosine", "mean": 0.5, "other faces": np.nan, P: 0.5}
    gain = {"over centre": 0.1, "over centre low": 0.0, "over centre high": 0.2}
    names = ("gradcam", "centre", "uniform")
    scores = pd.DataFrame([row | gain | {"method": name} for name in names])
    said = answer(main, scores, pd.DataFrame(), 2)
    assert "a uniform map 0.50, and no other person's face has the same target." in said
    assert "nan" not in said
    assert "other faces 0.25." in answer(main, scores.assign(**{"other faces": 0.25}), main[:0], 2)


def test_real_faces_have_no_caveat_of_built_in_ones():
    manifest = {"without landmarks": {"fear": [3, 0]}}
    assert "by construction" in " ".join(caveats(manifest, built_in=True))
    assert "by construction" not in " ".join(caveats(manifest, built_in=False))


def test_units_of_the_book_stand_beside_their_intensities():
    row = {"id": "a", "model": "m", "target": "fear"}
    rows = pd.DataFrame(
        [
            row | {"in book": True, "lost": 0.5, "intensity": 0.75},
            row | {"in book": False, "lost": 0.125, "intensity": 0.25},
            row | {"in book": False, "lost": 9.0, "intensity": 0.0},  # not shown
        ]
    )
    found = book_units(rows, pd.Series([0], index=["a"])).iloc[0]
    assert found["difference"] == 0.375
    assert found["intensity in the book"] == 0.75
    assert found["intensity of others"] == 0.25


def test_tables_of_causes_are_the_same_for_faces_in_another_order():
    rng = np.random.default_rng(0)
    row = {"model": "m", "share in the book": 0.5, "in book": True, "Shapley share": 0.1}
    rows = pd.DataFrame(
        [
            row | {"id": f"{k}", "target": EMOTIONS[k % 3], "unit": unit, "pair": unit}
            for k in range(40)
            for unit in ("AU12", "AU4")
        ]
    )
    rows["in book"] = rows["unit"] == "AU4"
    for name in ("value", "lost", "intensity", "Grad-CAM gain"):
        rows[name] = np.minimum(rng.exponential(0.3, size=len(rows)), 1)
    rows["region"] = rows["unit"]
    clusters = pd.Series(np.arange(40) // 2, index=[f"{k}" for k in range(40)])
    other = rows.iloc[::-1].reset_index(drop=True)
    for table in (
        lambda rows: agreement_table(rows.sort_values("pair", kind="stable"), clusters, by="pair"),
        lambda rows: unit_table(rows, clusters),
        lambda rows: book_units(rows, clusters),
        lambda rows: region_table(rows.sort_values("region", kind="stable")),
    ):
        pd.testing.assert_frame_equal(table(rows), table(other), check_exact=True)
    assert unit_table(rows, clusters)["unit"].tolist()[:2] == ["AU4", "AU12"]
