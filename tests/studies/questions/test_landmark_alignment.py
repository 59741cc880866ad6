"""Do maps lie where the emotion is shown? On a tiny net, and on one whose reasons are known."""

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import metrics
from fer_xai.data.datasets.synthetic import PEOPLE_SIZE, people
from fer_xai.data.registry import DATASETS
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.landmarks import REGIONS, canonical_landmarks, emotion_areas, face_regions
from fer_xai.models.checkpoints import save_weights
from fer_xai.models.planted import CYAN, MAGENTA, MarkReader, marked
from fer_xai.models.registry import MODELS, Architecture
from fer_xai.types import Faces
from studies.questions.landmark_alignment import study as module
from studies.questions.landmark_alignment.areas import EmotionAreas, choices, emotions_of
from studies.questions.landmark_alignment.scores import (
    SCORES,
    contrasts,
    own_scores,
    similarities,
)
from studies.questions.landmark_alignment.study import LandmarkAlignment
from studies.questions.landmark_alignment.tables import over_untrained

ROWS = ("contrasts", "scores", "other_faces", "matrix", "regions", "agreement", "units_at_rest")


@pytest.fixture(scope="module", autouse=True)
def _few_calibration_faces():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CALIBRATION", 12)  # faces are slow to draw
        yield


def study(out, weights, **options):
    settings = {
        "limit": 12,
        "untrained": 2,
        "causes": 6,
        "batch_size": 8,
        "methods": ("gradcam", "saliency", "attention_rollout"),
    } | options
    return LandmarkAlignment(
        models=(f"tiny={weights}",), device="cpu", progress=False, out=out, **settings
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory, weights):
    return study(tmp_path_factory.mktemp("alignment"), weights).run()


def table(run, name):
    return pd.read_csv(run / "tables" / f"{name}.csv")


def test_a_run_leaves_rows_tables_figures_and_a_report(run):
    for name in ROWS:
        assert len(pd.read_parquet(run / f"{name}.parquet")), name
    for name in ("endpoint", "faces", "matrix", "choices", "regions", "units_at_rest"):
        assert (run / "figures" / f"{name}.png").stat().st_size > 5_000, name
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert set(manifest["config"]["endpoint"]) >= {"quantity", "unit", "family", "interval"}
    refused = table(run, "refused")
    assert set(refused["attribution"]) == {"attention_rollout"}
    said = (run / "answer.txt").read_text()
    assert "without an interval, which takes five untrained networks" in said
    page = (run / "report.html").read_text()
    assert "nan" not in page.split("<h2>Manifest</h2>")[0].replace("finance", "")


def test_maps_that_ignore_the_target_have_no_contrast_and_a_uniform_map_its_chance(run):
    rows = pd.read_parquet(run / "contrasts.parquet")
    for name in ("uniform", "centre", "edges"):
        values = rows.loc[(rows["method"] == name) & (rows["choice"] == "as declared"), "value"]
        assert (values.abs() < 1e-12).all()
        assert len(values) == 12
    scores = pd.read_parquet(run / "scores.parquet")
    uniform = scores[scores["method"] == "uniform"].pivot_table(
        index="id", columns="metric", values="value"
    )
    assert np.allclose(uniform["au_cosine"], np.sqrt(uniform["region_mass"]))  # √f
    assert np.allclose(uniform["energy_gain"], 1)
    assert np.allclose(uniform["pixel_auc"], 0.5)


def test_contrasts_are_those_of_the_metric(run):
    points = np.stack([canonical_landmarks(), canonical_landmarks() + 1.5])
    areas = EmotionAreas(points, SIX, choices("fer_xai", "emfacs", SIX))
    maps = torch.rand(2, 6, 64, 64, generator=torch.Generator().manual_seed(0))
    maps[0, 2] = 0
    found = similarities(maps, areas, slice(None))
    for choice, likeness in zip(areas.choices, found, strict=True):
        expected = metrics.emotion_contrast(
            maps,
            emotion_areas(
                points,
                size=64,
                edition=choice.edition,
                codebook=choice.codebook,
                without_shared=choice.without_shared,
            ),
            similarity=choice.similarity,
        )
        assert torch.allclose(likeness, expected.similarities, equal_nan=True)
        if not choice.without_pair:
            assert np.allclose(contrasts(likeness), expected.values, atol=1e-6)
    declared = found[0]
    pairs = metrics.emotion_contrast(maps, areas.of(areas.choices[0])).pairs
    without = contrasts(declared[1:], SIX, without_pair=True)
    own = contrasts(declared[1:])
    s, f = SIX.index("surprise"), SIX.index("fear")
    pair = contrasts(declared[1:][:, [s, f]][:, :, [s, f]])
    assert np.isclose(without[0], (15 * own[0] - pair[0]) / 14)
    assert pairs.shape == (6, 6)


def test_a_run_is_continued_and_another_batch_size_changes_nothing(run, weights, monkeypatch):
    monkeypatch.setattr(module, "write_report", lambda *_: "none")  # figures take time
    before = {name: pd.read_parquet(run / f"{name}.parquet") for name in ROWS}
    shards = sorted((run / "shards").rglob("*.npz"))
    kept = shards[0].read_bytes()
    for file in shards[1::2]:
        file.unlink()
    assert study(run.parents[1], weights, batch_size=3).run() == run
    assert shards[0].read_bytes() == kept
    for name, rows in before.items():
        again = pd.read_parquet(run / f"{name}.parquet")
        pd.testing.assert_frame_equal(again, rows, atol=1e-4, rtol=1e-4)
    networks = json.loads((run / "manifest.json").read_text())["networks"]
    assert networks["tiny"]["predictor"]["batch_size"] == "8, 3"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"untrained": 1}, "Expected at least 2 untrained networks, got 1"),
        ({"methods": ("gradcm",)}, "Unknown attribution 'gradcm'"),
        ({"edition": "py-feat"}, "Expected an edition of action units"),
        ({"codebook": "facs"}, "Expected a codebook"),
        ({"codebook": "none.toml"}, "cannot be read"),
        ({"limit": 0}, "Expected --limit as a whole number of 1 or more, got 0"),
        ({"limit": 4}, "Expected 5 or more faces with landmarks, got 4 of 4"),
        ({"causes": -1}, "Expected --causes from 0, got -1"),
        ({"targets": "shown"}, "Expected targets predicted or true"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, weights, options, sentence):
    with pytest.raises(InputError, match=sentence):
        study(tmp_path, weights, **options).run()
    assert not list(tmp_path.iterdir())


def test_a_codebook_of_one_emotion_is_refused():
    with pytest.raises(InputError, match="Expected a codebook of two or more of happiness"):
        emotions_of({"fear": [1]})


def test_few_untrained_networks_have_no_interval_and_equal_ones_a_tight_one():
    faces = [str(k) for k in range(30)]
    clusters = pd.Series(range(30), index=faces)
    rng = np.random.default_rng(0)
    trained = pd.Series(0.3 + 0.01 * rng.standard_normal(30), index=faces)
    noise = pd.DataFrame(0.01 * rng.standard_normal((30, 5)), index=faces)
    few = over_untrained(trained, noise[[0, 1, 2, 3]], clusters)
    assert np.isnan(few.low)
    assert "4 untrained networks are too few" in few.reason
    one, four = (over_untrained(trained, noise, clusters, family=k) for k in (1, 4))
    assert 0.29 < four.low < one.low < 0.3 < one.high < four.high < 0.31
    spread = noise.add([0.0, 0.1, 0.2, 0.3, 0.4], axis=1)
    assert over_untrained(trained, spread, clusters).low < 0  # the networks differ


# -- a network that reads a mark on the mouth for happiness, and one on the brows for fear ---------

N = 12
BOOKS = {
    "right": "happiness = [12, 25]\nfear = [1, 2, 4]\n",
    "wrong": "happiness = [1, 2, 4]\nfear = [12, 25]\n",
}


class TwoReasons(MarkReader):
    """Logit of happiness: magenta that it sees; of fear: cyan. Untrained until it is planted."""

    def __init__(self):
        super().__init__("xor")
        self.out = nn.Linear(2, len(SIX), bias=False)
        for layer in (self.colours, self.mix, self.amount):
            layer.reset_parameters()

    def forward(self, x):
        cells = self.map(self.mix(self.pool(self.seen(self.colours(x)))))
        return self.out(self.amount(cells.mean(dim=(2, 3))))


def two_reasons():
    """The network that reads magenta for happiness and cyan for fear."""
    net, reader = TwoReasons(), MarkReader("xor")
    net.load_state_dict(reader.state_dict(), strict=False)
    with torch.no_grad():
        net.out.weight.zero_()
        net.out.weight[SIX.index("happiness"), 0] = 1
        net.out.weight[SIX.index("fear"), 1] = 1
    return net


@cache
def drawn():
    """Faces of as many persons, their pixels, and their regions."""
    faces = people(N, seed=0)
    regions = face_regions(faces.landmarks_at(PEOPLE_SIZE), size=PEOPLE_SIZE)
    return faces, faces.pixels(PEOPLE_SIZE).float() / 255, regions


def marked_faces(place, *, split, problems):
    """Faces of happiness and fear, with marks in the regions that the path names."""
    del split, problems
    faces, images, regions = drawn()
    for region, colour in zip(place.name.split("-"), (MAGENTA, CYAN), strict=True):
        images = marked(images, regions[:, REGIONS.index(region)], colour)
    pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    emotions = ["happiness" if k % 2 else "fear" for k in range(N)]
    return Faces(
        table=faces.table.assign(emotion=emotions, split="test"),
        reader=lambda row: pixels[row],
        name=place.name,
        landmarks=faces.landmarks,
    )


def planted_run(place, marks, book):
    """A run of the study on marked faces."""
    (place / marks).mkdir(exist_ok=True)
    (place / f"{book}.toml").write_text(BOOKS[book])
    return LandmarkAlignment(
        models=(f"two_reasons={place / 'net.safetensors'}",),
        data=f"marked:{place / marks}",
        landmarks=None,
        codebook=str(place / f"{book}.toml"),
        methods=("gradcam", "input_x_gradient"),
        targets="true",
        causes=6,
        batch_size=16,
        device="cpu",
        progress=False,
        out=place / "out",
    ).run()


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Runs of the study, by where the marks lie and which book is asked."""
    if "two_reasons" not in MODELS:
        MODELS.register("two_reasons")(
            Architecture(
                build=lambda classes: TwoReasons(),
                cam_layer="map",
                greyscale=False,
                mean=(0, 0, 0),
                std=(1, 1, 1),
            )
        )
        DATASETS.register("marked")(marked_faces)
    place = tmp_path_factory.mktemp("planted")
    save_weights(
        two_reasons(), place / "net.safetensors", settings={"model": "two_reasons"}, half=False
    )
    runs = {("mouth-brows", "right"): planted_run(place, "mouth-brows", "right")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "write_report", lambda *_: "none")  # figures take time
        for marks, book in (("mouth-brows", "wrong"), ("off_face-forehead", "right")):
            runs[marks, book] = planted_run(place, marks, book)
    return runs


def test_the_right_codebook_beats_the_wrong_one(planted):
    values = {}
    for name in BOOKS:
        rows = pd.read_parquet(planted["mouth-brows", name] / "contrasts.parquet")
        rows = rows[rows["trained"] & (rows["choice"] == "as declared")]
        values[name] = rows.pivot_table(index="id", columns="method", values="value")
    for method in ("gradcam", "input_x_gradient", "region_shapley"):
        right, wrong = values["right"][method].dropna(), values["wrong"][method].dropna()
        found = metrics.mean_interval((right - wrong).to_numpy())
        assert found.low > 0.1, method
        assert np.allclose(right, -wrong)  # two emotions: the books change places
    main = table(planted["mouth-brows", "right"], "endpoint").set_index("method")
    assert main.loc["gradcam", "over untrained low"] > 0
    said = (planted["mouth-brows", "right"] / "answer.txt").read_text()
    assert "training brought it about" in said
    choices = table(planted["mouth-brows", "right"], "choices")
    assert not choices["choice"].str.contains("share").any()  # neither fear and surprise


def test_the_matrix_of_regions_finds_the_plant(planted):
    regions = table(planted["mouth-brows", "right"], "regions")
    for column in ("Grad-CAM gain", "Shapley share"):
        wide = regions.pivot(index="emotion", columns="region", values=column)
        assert wide.idxmax(axis=1).to_dict() == {"happiness": "mouth", "fear": "brows"}
    named = regions[regions["in the book"]].set_index("emotion")["region"]
    assert named["happiness"] == "mouth"
    assert "brows" in set(named["fear"])
    elsewhere = pd.read_parquet(planted["off_face-forehead", "right"] / "regions.parquet")
    mean = elsewhere.groupby(["target", "region"])["Shapley share"].mean().unstack()
    assert mean.idxmax(axis=1).to_dict() == {"happiness": "off_face", "fear": "forehead"}


def test_every_metric_ranks_maps_as_it_must(planted):
    """Happiness that is read off the mouth lies in its area, by the right book and on the face."""
    means = {}
    for key, folder in planted.items():
        rows = pd.read_parquet(folder / "scores.parquet")
        rows = rows[rows["trained"] & (rows["method"] == "input_x_gradient")]
        shown = pd.read_parquet(folder / "faces.parquet").set_index("id")["emotion"]
        rows = rows[rows["id"].map(shown) == "happiness"]
        means[key] = rows.groupby("metric")["value"].mean()
    for metric in SCORES:
        turn = -1 if metric == "off_face_mass" else 1
        right = turn * means["mouth-brows", "right"][metric]
        assert right > turn * means["off_face-forehead", "right"][metric] + 0.1, metric
        if metric != "off_face_mass":
            assert right > means["mouth-brows", "wrong"][metric] + 0.1, metric


def test_maps_on_the_mouth_the_brows_and_the_background_are_told_apart():
    points = np.repeat(canonical_landmarks()[None], 2, axis=0)
    regions = face_regions(points, size=64)
    areas = emotion_areas(
        points, size=64, emotions=["happiness"], codebook={"happiness": [12, 25]}
    )[:, 0]
    found = {
        name: dict(
            zip(
                SCORES,
                own_scores(regions[:, REGIONS.index(name)].float(), areas, regions)[0].tolist(),
                strict=True,
            )
        )
        for name in ("mouth", "brows", "off_face")
    }
    for metric in SCORES:
        mouth, brows, ground = (found[name][metric] for name in ("mouth", "brows", "off_face"))
        if metric == "off_face_mass":
            assert mouth == brows == 0 < ground == 1
        else:
            assert mouth > max(brows, ground) + 0.05, metric


def test_emotions_are_canonical(run):
    assert set(table(run, "regions")["emotion"]) <= set(EMOTIONS)
