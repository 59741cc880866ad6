"""Occluders before faces whose mouth a network is known to read."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from fer_xai.data.datasets.synthetic import PEOPLE_SIZE, people
from fer_xai.emotions import SIX
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import REGIONS, face_regions
from fer_xai.models import FERModel
from fer_xai.models.planted import MAGENTA, MarkReader, marked
from metrics.statistics.bounded import betting_interval
from metrics.statistics.families import mean_family
from studies.engine.explained import Explained
from studies.engine.study import face_table
from studies.questions.occlusion_robustness import effects, map_tables
from studies.questions.occlusion_robustness.answers import (
    Answers,
    area_table,
    fill_table,
    occluder_table,
)
from studies.questions.occlusion_robustness.covers import AREAS, DRAWN, FILLS, LOOK, OCCLUDERS
from studies.questions.occlusion_robustness.families import family_means
from studies.questions.occlusion_robustness.grids import grid_table, guided_table
from studies.questions.occlusion_robustness.recognition import becomes_table, recognition_table
from studies.questions.occlusion_robustness.rows import NetworkRows
from studies.questions.occlusion_robustness.sentences import told
from tests.studies.questions.occlusion_robustness.faces import with_pixels

FACES = 6


class MouthReader(nn.Module):
    """Happiness where the mark is seen, else fear."""

    def __init__(self):
        super().__init__()
        self.marks = MarkReader("one")
        self.fear = nn.Parameter(4.0 * (torch.arange(6) == SIX.index("fear")))

    def forward(self, x):
        return 8 * self.marks(x) + self.fear


def mouth_reader():
    return FERModel(
        MouthReader(),
        emotions=SIX,
        size=64,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        cam_layer="marks.map",
        name="mouth",
    ).eval()


@pytest.fixture(scope="module")
def planted():
    """Happy faces with a mark on the mouth."""
    faces = people(FACES, seed=0)
    regions = face_regions(faces.landmarks_at(PEOPLE_SIZE), size=PEOPLE_SIZE)
    images = faces.pixels(PEOPLE_SIZE).float() / 255
    images = marked(images, regions[:, REGIONS.index("mouth")], MAGENTA)
    return with_pixels(faces, images, emotion="happiness")


def rows_of(faces, *, batch_size=8, model=None, methods=("gradcam",)):
    predictor = Predictor(model or mouth_reader(), device="cpu", batch_size=batch_size)
    return NetworkRows(Explained(predictor, faces, seed=0, keep=True), methods)


@pytest.fixture(scope="module")
def made(planted):
    rows = rows_of(planted)
    return rows.answers(), rows.regions(), rows.maps()


@pytest.fixture(scope="module")
def answers(planted, made):
    return {"mouth": Answers(made[0], face_table(planted))}


@pytest.fixture(scope="module")
def clusters(planted):
    return face_table(planted).set_index("id")["cluster"]


def test_who_reads_the_mouth_loses_by_what_hides_it(answers):
    table = occluder_table(answers).set_index("occluder")
    assert list(table.index) == list(OCCLUDERS)
    for name in ("mouth", "lower", "surgical_mask"):
        assert table.loc[name, "lost"] == 100
        assert table.loc[name, "beyond a patch"] > 40
    for name in ("eyes", "brows", "upper", "sunglasses", "nose"):
        assert table.loc[name, "lost"] == 0
        assert table.loc[name, "beyond a patch"] <= 0
    assert (table["faces"] == FACES).all()
    assert np.allclose(table["lost"] - table["beyond a patch"], 100 - table["patch"])
    bounds = table[["beyond a patch low", "beyond a patch high"]]
    assert (bounds.to_numpy() <= 100).all()  # by betting: six persons
    assert (bounds.to_numpy() >= -100).all()


def test_what_is_lost_becomes_what_the_network_says_without_the_mark(answers):
    table = becomes_table(answers).set_index(["occluder", "named"])
    assert table.loc[("surgical_mask", "happiness"), "→ fear"] == 100
    assert table.loc[("sunglasses", "happiness"), "→ happiness"] == 100
    own = recognition_table(answers).set_index("occluder")
    assert own.loc["none", "accuracy"] == own.loc["none", "macro recall"] == 100
    assert own.loc["mouth", "accuracy"] == own.loc["mouth", "recall of happiness"] == 0
    assert own.loc["none", "calibration error"] < 0.2
    assert own.loc["mouth", "calibration error"] > 0.8
    assert own.loc["mouth", "overconfidence"] > 0.8


def test_the_matrix_finds_the_plant(made, clusters):
    matrix = effects.emotion_table({"mouth": made[1]}, clusters).set_index(["emotion", "region"])
    assert set(matrix.index.get_level_values("emotion")) == {"happiness"}
    costs = matrix.loc["happiness", "cost"]
    assert costs.idxmax() == "mouth"
    assert costs["mouth"] > 0.9
    assert np.allclose(costs.drop("mouth"), 0, atol=1e-4)
    assert matrix.loc["happiness", "beyond a patch"].idxmax() == "mouth"
    on_face = matrix.drop("off_face", level="region")
    assert (on_face["beyond a patch low"] >= -1).all()  # by betting: six faces
    assert (on_face["beyond a patch high"] <= 1).all()
    assert on_face["p, beyond a patch"].between(0, 1).all()
    assert (
        matrix.loc[("happiness", "off_face"), ["beyond a patch", "p, beyond a patch"]].isna().all()
    )
    table = effects.region_table({"mouth": made[1]}, clusters).set_index("region")
    assert table.loc["mouth", "cost"] == pytest.approx(costs["mouth"])
    assert np.isnan(table.loc["off_face", "patch"])
    assert table["image"].sum() == pytest.approx(100)


def test_the_book_of_an_emotion_is_held_against_those_of_others():
    books = pd.DataFrame(0.0, index=REGIONS, columns=SIX)
    books.loc["mouth", "happiness"] = books.loc["eyes", "fear"] = 1.0
    books.loc["nose", ["surprise", "sadness", "anger", "disgust"]] = 1.0
    cost = pd.Series(0.1, index=REGIONS)
    cost["mouth"] = 0.6
    rows = pd.DataFrame(
        {"id": face, "region": region, "target": target, "cost": cost[region]}
        | {f"book {emotion}": books.loc[region, emotion] for emotion in SIX}
        for face, target in (("a", "happiness"), ("b", "fear"), ("c", "neutral"))
        for region in REGIONS
    )
    found = effects.book_gains(rows)
    assert found["a"] == pytest.approx(0.5)
    assert found["b"] == pytest.approx(0.1 - (0.6 + 4 * 0.1) / 5)
    assert np.isnan(found["c"])  # the codebook has six emotions


def test_an_emotion_without_a_region_in_sight_is_no_emotion_without_cost():
    books = {f"book {name}": [0.0, 1.0] for name in SIX}
    books |= {"book fear": [1.0, 0.0], "book disgust": [0.0, 0.0]}
    rows = pd.concat(
        pd.DataFrame({"id": face, "region": ["brows", "mouth"], "target": target} | books)
        for face, target in (("a", "fear"), ("b", "disgust"))
    ).assign(cost=[0.5, 0.25, 0.5, 0.25])
    found = effects.book_gains(rows)
    assert found["a"] == pytest.approx(0.25)  # not 0.30
    assert np.isnan(found["b"])
    hidden = rows.assign(cost=[0.5, np.nan, 0.5, 0.25])  # no other emotion is in sight
    assert np.isnan(effects.book_gains(hidden)["a"])


def test_emotions_weigh_the_same_in_the_mean_of_all():
    books = {f"book {name}": [0.0, 1.0] for name in SIX} | {"book fear": [1.0, 0.0]}
    faces = [("fear", k) for k in range(2)] + [("happiness", k) for k in range(30)]
    rows = pd.concat(
        pd.DataFrame({"id": f"{name}{k}", "region": ["brows", "mouth"], "target": name} | books)
        for name, k in faces
    ).assign(cost=[0.5, 0.25] * len(faces))
    units = pd.Series(range(len(faces)), index=rows["id"].unique())
    table = effects.book_table({"net": rows}, units).set_index("emotion")
    assert table.loc["all", "gain"] == pytest.approx((0.25 - 0.05) / 2)
    assert table.loc["all", ["gain low", "gain high", "p"]].isna().all()
    assert table.loc["all", "faces"] == 32
    assert table.loc["fear", "gain low"] < 0.25 <= table.loc["fear", "gain high"]


def test_cells_that_the_map_names_cost_more_than_others(answers):
    table = guided_table(answers).set_index("order")
    assert list(table.index) == ["random", "centre", "random map", "gradcam"]
    assert table.loc["gradcam", "lost"] == 100  # a tenth of the cells holds the mark
    for chance in ("random cells", "the centre", "a random map"):
        assert table.loc["gradcam", f"beyond {chance}"] > 10
    curve = grid_table(answers)
    assert len(curve) == 4 * 9
    random = curve[curve["order"] == "random"].set_index("cells hidden")["accuracy"]
    assert random[10.0] > random[90.0]


def test_every_area_and_fill_stands_in_the_tables(answers):
    areas = area_table(answers)
    assert len(areas) == (len(OCCLUDERS) + 1) * len(AREAS)
    lost = areas.pivot(index="occluder", columns="face hidden", values="accuracy")
    assert (lost.loc["mouth"] == 0).all()
    assert (lost.loc["upper"] == 100).all()
    fills = fill_table(answers).set_index(["fill", "occluder"])
    assert len(fills) == len(FILLS) * len(OCCLUDERS) + len(DRAWN)
    assert fills.loc[(LOOK, "surgical_mask"), "lost"] == 100
    assert fills.loc[("grey", "mouth"), "lost"] == 100


def test_maps_are_compared_outside_of_what_is_hidden(made, clusters):
    rows = made[2]
    assert (rows.groupby(["kind", "name"]).size() == FACES).all()
    assert rows["method"].unique().tolist() == ["gradcam"]
    drift = map_tables.drift_table({"mouth": rows}, clusters).iloc[0]
    assert drift["faces"] == FACES
    # where the mark is hidden the prediction changes; elsewhere the map stays as it is
    stay = rows[(rows["kind"] == "occluder") & rows["stays"]]
    assert set(stay["name"]) >= {"eyes", "brows", "upper", "sunglasses"}
    assert np.allclose(stay[stay["name"] == "eyes"]["likeness"], 1, atol=1e-4)
    mass = map_tables.mass_table({"mouth": rows}, clusters).iloc[0]
    assert mass["moved"] <= 0
    means = map_tables.occluder_maps_table({"mouth": rows}).set_index("occluder")
    assert means.loc["eyes", "moved"] == pytest.approx(0, abs=1e-6)


def test_rows_are_the_same_with_another_batch_size(planted, made):
    again = rows_of(planted.subset([0, 3, 4]), batch_size=3)
    for first, second, keys in zip(
        made,
        (again.answers(), again.regions(), again.maps()),
        (["kind", "name", "share", "fill", "draw"], ["region"], ["method", "kind", "name"]),
        strict=True,
    ):
        some = first[first["id"].isin(planted.subset([0, 3, 4]).ids)]
        columns = [name for name in some if name != "other"]  # a mean over fewer faces here
        one, two = (
            frame[columns].sort_values(["id", *keys]).reset_index(drop=True)
            for frame in (some, second)
        )
        pd.testing.assert_frame_equal(one, two, rtol=1e-4, atol=1e-5)


def test_the_floor_depends_on_no_order_and_no_batch_size(planted, made):
    found = rows_of(planted.subset(list(range(FACES))[::-1]), batch_size=5).maps()
    keys = ["id", "method", "kind", "name"]
    one, two = (
        frame.sort_values(keys).reset_index(drop=True)
        for frame in (made[2], found[made[2].columns])
    )
    assert one[one["kind"] == "occluder"]["other"].notna().any()
    pd.testing.assert_frame_equal(one, two, rtol=1e-4, atol=1e-5)


def test_a_family_takes_no_t_statistic_of_counts():
    units = pd.Series(range(120), index=[f"face{k}" for k in range(120)])
    rare = np.where(np.arange(120) < 4, 1.0, 0.0)
    spread = np.linspace(-1, 1, 120)
    table = pd.DataFrame({"rare": rare, "spread": spread, "none": np.nan}, index=units.index)
    found = family_means(table, units, bounds=(-1, 1))
    alone = betting_interval(rare, bounds=(-1, 1), level=0.975, clusters=list(units))
    assert (found["rare"].low, found["rare"].high) == alone
    t = mean_family(spread[:, None], level=0.975).intervals[0]
    assert (found["spread"].low, found["spread"].high) == (t.low, t.high)
    assert found["none"].n == 0
    assert np.isnan(found["none"].mean)
    counted = family_means(table, units, bounds=(-1, 1), counted=True, scale=100)
    wide = betting_interval(spread, bounds=(-1, 1), level=0.975, clusters=list(units))
    assert (counted["spread"].low, counted["spread"].high) == pytest.approx(
        [100 * bound for bound in wide]
    )
    certain = family_means(table.assign(rare=1.0), units, bounds=(-1, 1), counted=True)
    assert certain["rare"].p < 0.001 < certain["spread"].p


@pytest.mark.parametrize(
    ("low", "high", "p", "side"),
    [(0.1, 0.2, 0.01, 1), (-0.2, -0.1, 0.01, -1), (0.1, 0.2, 0.06, 0), (np.nan, np.nan, np.nan, 0)],
)
def test_what_is_told_takes_the_p_and_the_interval(low, high, p, side):
    assert told(pd.Series({"gain low": low, "gain high": high, "p": p}), "gain", "p") == side
