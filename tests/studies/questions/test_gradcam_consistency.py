"""The study end to end on a few built-in faces, with a tiny net and nothing trained."""

import html
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_xai.attributions import CONTROLS
from fer_xai.data.landmark_csv import POINTS
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.files import read_arrays
from fer_xai.landmarks import canonical_landmarks
from fer_xai.models.checkpoints import save_weights
from studies.engine import store
from studies.questions.gradcam_consistency.report import pairs_compared, unit_of
from studies.reporting import page as report
from tests.helpers import tiny_model
from tests.studies.run_study import study


@pytest.fixture(scope="module")
def folder(tmp_path_factory, weights):
    return study(tmp_path_factory.mktemp("results"), weights).run()


def test_a_run_leaves_all_that_its_reader_needs(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert set(manifest["networks"]) == {"tiny", "tiny@untrained0", "tiny@untrained1"}
    assert manifest["networks"]["tiny"]["predictor"]["batch_size"] == 8
    assert manifest["networks"]["tiny"]["methods"]["gradcam"]["layer"] == "relu2"
    assert manifest["networks"]["tiny"]["methods"]["gradcam_paper"]["layer"] == "conv2"
    for name in ("primary", "methods", "emotions", "blank_maps", "regions", "self_consistency"):
        for suffix in ("csv", "md", "tex"):
            assert (folder / "tables" / f"{name}.{suffix}").stat().st_size > 50
    for name in ("endpoint", "mean_maps", "similarity_matrix", "distributions", "region_profiles"):
        assert (folder / "figures" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    assert not list(folder.rglob("*.tmp"))


def test_controls_and_untrained_networks_stand_beside_the_trained_one(folder):
    table = pd.read_csv(folder / "tables" / "methods.csv")
    trained = table[table["network"] == "tiny"]
    assert {"gradcam", "gradcam_signed", "gradcam_paper", *CONTROLS} == set(trained["method"])
    assert "tiny untrained" in set(table["network"])
    same = trained[trained["method"].isin(["uniform", "centre", "average"])]
    assert same["AUC, fixed target"].isna().all()
    assert same["permutation p*"].isna().all()
    assert same["note"].str.contains("no test exists").all()


def test_the_primary_endpoint_is_the_trained_auc_less_the_untrained_ones(folder):
    primary = pd.read_csv(folder / "tables" / "primary.csv")
    row = primary[primary["primary"]].iloc[0]
    sets = pd.read_parquet(folder / "sets.parquet")
    here = sets[(sets["metric"] == "separability") & (sets["subset"] == "all")]
    here = here[(here["method"] == "gradcam") & (here["emotion"] == "all")]
    here = here[here["target"].str.startswith("fixed")]
    assert here.groupby("network").size().eq(6).all()
    wide = here.pivot_table(index="network", columns="target", values="value").dropna(axis=1)
    means = wide.mean(axis=1)  # of the targets at which every network has an AUC
    assert row["targets"] == wide.shape[1]
    floor = means[["tiny@untrained0", "tiny@untrained1"]]
    assert row["AUC trained"] == pytest.approx(means["tiny"])
    assert row["excess"] == pytest.approx(means["tiny"] - floor.mean())
    assert row["low"] < row["low, faces only"] < row["excess"] < row["high, faces only"]


def test_maps_without_the_relu_stand_beside_the_endpoint(folder):
    """The ReLU leaves maps blank, and not at random: signed maps are the stated sensitivity."""
    primary = pd.read_csv(folder / "tables" / "primary.csv").set_index("faces compared")
    own = primary.loc["all registered faces (primary)"]
    signed = primary.loc["all registered faces, maps without the ReLU"]
    assert (own["primary"], signed["primary"]) == (True, False)
    assert own["undefined maps"] > signed["undefined maps"] == 0
    sets = pd.read_parquet(folder / "sets.parquet").query("subset == 'all' and emotion == 'all'")
    here = sets[(sets["metric"] == "separability") & (sets["method"] == "gradcam_signed")]
    here = here[here["target"].str.startswith("fixed")]
    means = here.pivot_table(index="network", columns="target", values="value").mean(axis=1)
    floor = means[["tiny@untrained0", "tiny@untrained1"]].mean()
    assert signed["excess"] == pytest.approx(means["tiny"] - floor)


def test_undefined_maps_are_a_share_in_every_table(folder):
    primary = pd.read_csv(folder / "tables" / "primary.csv").query("primary").iloc[0]
    methods = pd.read_csv(folder / "tables" / "methods.csv").set_index(["network", "method"])
    assert methods["undefined maps"].dropna().between(0, 1).all()
    share = methods["undefined maps"]
    assert share["tiny", "gradcam"] == pytest.approx(primary["undefined maps"])
    assert share["tiny untrained", "gradcam"] == pytest.approx(primary["undefined maps, untrained"])


def test_blank_maps_are_counted_by_emotion_and_target(folder):
    table = pd.read_csv(folder / "tables" / "blank_maps.csv").fillna({"left out at": ""})
    one = table[(table["network"] == "tiny") & (table["method"] == "gradcam")]
    assert list(one["emotion"]) == list(SIX)
    assert (one["faces"] == 5).all()
    parts = [
        read_arrays(path)["maps"] for path in sorted((folder / "maps/tiny").glob("gradcam-0*"))
    ]
    blank = (np.concatenate(parts) == 0).all(axis=(2, 3)).mean(axis=0)  # (K,)
    assert one[list(SIX)].mean().to_numpy() == pytest.approx(blank)
    for _, row in one.iterrows():  # five faces an emotion: one blank map leaves too few
        assert {name for name in SIX if row[name] > 0} <= set(row["left out at"].split(", "))
    assert "tiny untrained" in set(table["network"])


def test_the_report_says_what_its_chance_is(folder):
    page = html.unescape((folder / "report.html").read_text())
    assert "0.5 is chance for exchangeable maps only" in page
    assert "delete-one jackknife" in page


@pytest.mark.parametrize(
    ("subjects", "clusters", "said"),
    [
        (["", None, ""], [0, 1, 2], "face (3; no person is known: faces counted as independent)"),
        (["a", "b", "c"], [0, 1, 2], "face (3)"),
        (["a", "a", ""], [0, 0, 1], "(2, of 3 faces; 1 faces of unknown persons counted as ind"),
    ],
)
def test_the_unit_says_whether_persons_are_known(subjects, clusters, said):
    assert said in unit_of(pd.DataFrame({"subject": subjects, "cluster": clusters}))


@pytest.mark.usefixtures("spared")
def test_persons_are_the_units_where_the_table_knows_them(weights, tmp_path, monkeypatch):
    from studies.engine import specs as module

    load = module.load_dataset

    def of_persons(spec, **options):
        faces = load(spec, **options)
        if options["split"] == "test":
            faces.table["subject"] = [f"p{k // 2}" for k in range(len(faces))]
        return faces

    monkeypatch.setattr(module, "load_dataset", of_persons)
    found = study(tmp_path, weights, moved=0, methods=("gradcam",), limit=60).run()
    primary = pd.read_csv(found / "tables" / "primary.csv").query("primary").iloc[0]
    assert primary["units"] <= 30
    page = html.unescape((found / "report.html").read_text())
    assert "the person or group of copies (30, of 60 faces)" in page
    assert "independent" not in page


def test_the_report_stands_alone_and_answers(folder):
    page = (folder / "report.html").read_text()
    assert (folder / "answer.txt").read_text().strip() in html.unescape(page)
    assert not re.search(r"(src|href)=[\"']?(https?:|//|\.)", page)
    assert page.count("data:image/png;base64,") == 5
    assert "Unit" in page
    assert "B = 999" in page


def test_text_in_the_report_is_escaped():
    page = report.html(
        question="<script>alert(1)</script>",
        answer="a<b",
        facts={"x": "<img>"},
        tables=[],
        pictures=[],
        method=["<i>"],
        caveats=[],
        manifest={"data": "</pre><script>"},
    )
    assert "<script>" not in page
    assert "<img>" not in page
    assert "<i>" not in page


@pytest.mark.usefixtures("spared")
def test_batch_size_moves_no_map_and_no_score(folder, weights, tmp_path):
    other = study(tmp_path, weights, batch_size=5).run()
    for shard in sorted((folder / "maps" / "tiny").glob("*.npz")):
        one = read_arrays(shard)["maps"]
        two = read_arrays(other / "maps" / "tiny" / shard.name)["maps"]
        assert np.abs(one - two).max() <= 1e-5 * one.max()
    for name in ("scores.parquet", "sets.parquet"):
        one, two = (pd.read_parquet(f / name) for f in (folder, other))
        one = one[one["method"].isin(two["method"].unique())]
        assert len(one) == len(two)
        assert np.allclose(one["value"], two["value"], rtol=0, atol=1e-6, equal_nan=True)


@pytest.mark.usefixtures("spared")
def test_another_checkpoint_is_another_run(weights, tmp_path):
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(weights.read_bytes())
    options = {"moved": 0, "methods": ("gradcam",), "limit": 30}
    first = study(tmp_path / "out", mine, **options).run()
    save_weights(tiny_model(seed=1).net, mine, settings={"model": "tiny"}, half=False)
    second = study(tmp_path / "out", mine, **options).run()
    assert second != first
    assert (second / "answer.txt").read_text() != (first / "answer.txt").read_text()


def test_a_folder_of_other_settings_inputs_or_version_is_refused(folder, monkeypatch):
    manifest = json.loads((folder / "manifest.json").read_text())
    config, inputs = manifest["config"], manifest["inputs"]
    assert store.open_run(folder, config, inputs)["status"] == "complete"
    with pytest.raises(InputError, match="to hold a run of the same settings"):
        store.open_run(folder, config | {"seed": 7}, inputs)
    with pytest.raises(InputError, match="of the same faces, landmarks and models"):
        store.open_run(folder, config, inputs | {"faces": "0" * 64})
    now = store.environment()
    monkeypatch.setattr(
        store, "environment", lambda: {**now, "versions": {**now["versions"], "fer-xai": "9.9"}}
    )
    with pytest.raises(InputError, match=r"to hold a run of fer-xai 9.9, got one of"):
        store.open_run(folder, config, inputs)


@pytest.mark.usefixtures("spared")
def test_faces_without_landmarks_are_counted_not_dropped(weights, tmp_path, monkeypatch):
    from studies.engine import specs as module

    load = module.load_dataset

    def partly(spec, **options):
        faces = load(spec, **options)
        if options["split"] == "test":
            faces.landmarks[faces.labels.numpy() == 3] = np.nan  # anger
        return faces

    monkeypatch.setattr(module, "load_dataset", partly)
    found = study(tmp_path, weights, moved=0, methods=("gradcam",)).run()
    table = pd.read_csv(found / "tables" / "emotions.csv")
    table = table[(table["network"] == "tiny") & (table["method"] == "gradcam")]
    lost = table.set_index("emotion")["without landmarks"]
    assert lost["anger"] == 5
    assert lost.sum() == 5
    primary = pd.read_csv(found / "tables" / "primary.csv")
    primary = primary.set_index("faces compared")
    assert primary["n_max"]["all registered faces (primary)"] <= 25
    assert primary["unregistered"]["all registered faces (primary)"] == 5
    assert primary["unregistered"]["all faces, unregistered"] == 0
    assert "all registered faces, maps without the ReLU" not in primary.index  # not asked for
    sets = pd.read_parquet(found / "sets.parquet")
    here = sets[(sets["network"] == "tiny") & (sets["method"] == "gradcam")]
    here = here[(here["subset"] == "all") & (here["target"] == "fixed:fear")].set_index("metric")
    counts = here["value"][["unregistered", "undefined maps"]]
    assert counts.sum() + here["n"]["undefined maps"] == 30
    assert "anger 5" in (found / "report.html").read_text()


def test_too_few_landmarks_are_no_study(weights, tmp_path, monkeypatch):
    from studies.engine import specs as module

    load = module.load_dataset

    def one_emotion(spec, **options):
        faces = load(spec, **options)
        faces.landmarks[faces.labels.numpy() != 3] = np.nan
        return faces

    monkeypatch.setattr(module, "load_dataset", one_emotion)
    with pytest.raises(InputError, match="Expected landmarks for two faces or more of two emoti"):
        study(tmp_path, weights).run()
    assert not list(tmp_path.iterdir())


def test_a_dry_run_says_passes_and_time_and_leaves_nothing(weights, tmp_path, capsys):
    study(tmp_path, weights, dry_run=True).run()
    said = capsys.readouterr().out
    assert "30 faces of synthetic" in said
    assert "tiny: 132 passes" in said  # 30 faces by three methods, and 6 moved in 7 ways
    assert "tiny@untrained1: 90 passes" in said
    assert "Nothing was run" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("multiverse", [False, True])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda points: points * 1.5625, "at the right and at the bottom.*--landmarks-size"),
        (lambda points: points * [-1, 1] + [63, 0], "left and right are swapped"),
    ],
)
def test_a_dry_run_looks_at_landmarks(weights, tmp_path, change, sentence, multiverse):
    rows = []
    for k, emotion in enumerate(["happiness", "fear"] * 3):
        image = tmp_path / "faces" / emotion / f"{k}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), (40 * k, 90, 120)).save(image)
        rows.append([image.name, *change(canonical_landmarks()).reshape(-1)])
    path = tmp_path / "points.csv"
    pd.DataFrame(rows, columns=["image", *POINTS]).to_csv(path, index=False)
    asked = {"data": f"folder:{tmp_path / 'faces'}", "landmarks": path, "dry_run": True}
    if multiverse:
        asked |= {"multiverse": True, "limit": None, "moved": 128}
    with pytest.raises(InputError, match=sentence):
        study(tmp_path / "out", weights, **asked).run()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"untrained": 1}, "Expected at least 2 untrained networks"),
        ({"methods": ("gradcams",)}, "Unknown attribution 'gradcams': did you mean gradcam"),
        ({"moved": -1}, "Expected a number of moved faces of at least 0, got -1"),
        ({"batch_size": 0}, "Expected --batch-size as a whole number of 1 or more, got 0"),
    ],
)
def test_bad_options_are_one_sentence(weights, tmp_path, options, sentence):
    with pytest.raises(InputError, match=sentence):
        study(tmp_path, weights, **options).run()
    assert not list(tmp_path.iterdir())


def test_a_sample_of_pairs_is_stated(folder):
    page = html.unescape((folder / "report.html").read_text())
    assert "Every pair of faces is compared (above 10,000 faces with a map" in page
    sets = pd.read_parquet(folder / "sets.parquet").query("metric == 'pairs sampled'")
    assert (sets["value"] == 0).all()
    fear = sets["target"] == "fixed:fear"
    said = pairs_compared(sets.assign(value=fear.astype(float)))
    assert f"drawn with a fixed seed. Here that is so in {fear.sum()} of {len(sets)} comp" in said
