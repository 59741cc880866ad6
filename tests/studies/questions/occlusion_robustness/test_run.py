"""A run of the study of occlusion: a tiny net, and faces that are left out or listed."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from fer_xai.data.datasets.synthetic import PEOPLE_SIZE, people
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError
from fer_xai.names import slug
from studies.questions.occlusion_robustness import study as module
from studies.questions.occlusion_robustness.lists import lost_table
from studies.questions.occlusion_robustness.study import OcclusionRobustness
from tests.studies.questions.occlusion_robustness.faces import with_pixels
from tests.studies.words import check_words_are_added


@pytest.fixture(scope="module")
def some_faces():
    """Faces named as RAF-DB's, some without landmarks."""
    faces = people(10, seed=1)
    names = [f"test_{number:04d}_aligned.jpg" for number in range(1, 11)]
    found = with_pixels(faces, faces.pixels(PEOPLE_SIZE).float() / 255, id=names)
    landmarks = found.landmarks.copy()
    landmarks[[0, 7]] = np.nan  # happiness, surprise
    landmarks[3, 20] = np.nan  # one point is enough: anger
    return dataclasses.replace(found, landmarks=landmarks)


@pytest.fixture(scope="module")
def run(some_faces, weights, tmp_path_factory):
    place = tmp_path_factory.mktemp("occlusion")
    table = some_faces.table
    rows = [
        f"{name.removesuffix('.jpg')} {NATIVE_ORDERS['rafdb'].index(emotion)} {2 + k % 2}"
        for k, (name, emotion) in enumerate(zip(table["id"][:4], table["emotion"], strict=False))
    ]
    (place / "occluded.txt").write_text("\n".join([*rows, "test_9999_aligned 4 2"]) + "\n")
    study = OcclusionRobustness(
        models=(f"tiny={weights}",),
        methods=("gradcam",),
        lists=(place / "occluded.txt",),
        limit=5,
        batch_size=8,
        device="cpu",
        progress=False,
        out=place,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OcclusionRobustness, "load_faces", lambda self: some_faces)
        yield study, study.run()


def test_faces_without_landmarks_are_counted(run, some_faces):
    _, folder = run
    table = pd.read_csv(folder / "tables" / "landmarks.csv").set_index("emotion")
    assert table.loc["all", ["faces", "without landmarks"]].tolist() == [10, 3]
    lost = table.loc[["happiness", "surprise", "anger", "fear"], "without landmarks"].tolist()
    assert lost == [1, 1, 1, 0]
    assert table["tiny: accuracy without"].notna().sum() == 4  # three emotions, and all
    faces = pd.read_parquet(folder / "faces.parquet")
    assert len(faces) == 5
    assert not set(faces["id"]) & {some_faces.ids[row] for row in (0, 3, 7)}
    page = (folder / "report.html").read_text()
    assert "5 of marked, from 10, of which 3 have no landmarks" in page


def test_listed_faces_stand_beside_the_rest(run):
    table = pd.read_csv(run[1] / "tables" / "lists.csv").set_index("faces of")
    assert table["faces"].to_dict() == {
        "occluded.txt": 4,
        "occluded.txt, kind 2": 2,
        "occluded.txt, kind 3": 2,
        "not on occluded.txt": 6,
    }
    assert table.loc["occluded.txt", "listed, not here"] == 1
    assert (table["accuracy low"] <= table["accuracy"]).all()


def test_a_report_says_what_was_declared_and_found(run):
    _, folder = run
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert manifest["config"]["endpoint"]["family"] == "the 11 occluders of one model"
    assert manifest["config"]["lists"] == ["occluded.txt"]
    said = (folder / "answer.txt").read_text()
    assert said.startswith("tiny names ")
    assert "nan" not in said.replace("untrained", "")
    begins = [line.split(":")[0] for line in said.splitlines()]  # short paragraphs
    assert begins[1:] == ["Regions, tiny", "Maps, tiny"]
    assert len(said.splitlines()) == 3
    page = (folder / "report.html").read_text()
    for figure in ("occluders", "areas", "becomes", "grid", "drift"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 10_000, figure
    assert (folder / "figures" / "faces.png").exists()  # built-in faces alone are pictured
    assert "beyond a patch" in page
    drift = pd.read_csv(folder / "tables" / "drift.csv")
    assert drift["network"].tolist() == ["tiny", "tiny@untrained0"]


def test_an_untrained_network_explains_the_emotions_of_the_trained_one(run):
    made_of = [
        json.loads((run[1] / "shards" / name / "made_of.json").read_text())
        for name in ("tiny", slug("tiny@untrained0"))
    ]
    assert made_of[0]["explained"] == made_of[1]["explained"]
    assert made_of[0]["model"] != made_of[1]["model"]


@pytest.mark.usefixtures("spared")
def test_a_finished_run_gets_the_table_in_words_and_keeps_its_rows(run, tmp_path):
    study, folder = run
    again = tmp_path / folder.parent.name / folder.name
    shutil.copytree(folder, again)
    check_words_are_added(dataclasses.replace(study, out=tmp_path), again)


def test_a_run_goes_on_where_it_was_stopped(run, monkeypatch):
    study, folder = run
    monkeypatch.setattr(module, "write_report", lambda *_, **__: "as before")
    before = {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("answers", "maps")}
    for shard in ("answers-000000", "maps-gradcam-000000"):
        (folder / "shards" / "tiny" / f"{shard}.parquet").unlink()
    assert study.run() == folder
    for name, rows in before.items():
        pd.testing.assert_frame_equal(rows, pd.read_parquet(folder / f"{name}.parquet"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"limit": 0}, "Expected --limit as a whole number of 1 or more, got 0"),
        ({"methods": ("gradcm",)}, "Unknown attribution 'gradcm'"),
        ({"seed": -1}, "Expected --seed from 0, got -1"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, options, sentence):
    with pytest.raises(InputError, match=sentence):
        OcclusionRobustness(**options, out=tmp_path).run()
    assert not list(tmp_path.iterdir())


def test_faces_without_any_landmarks_are_refused(tmp_path, monkeypatch, some_faces):
    bare = dataclasses.replace(some_faces, landmarks=None)
    monkeypatch.setattr(OcclusionRobustness, "load_faces", lambda self: bare)
    with pytest.raises(InputError, match="Expected faces with landmarks, .* got none of 10 of mar"):
        OcclusionRobustness(out=tmp_path).run()
    assert not list(tmp_path.iterdir())
    assert lost_table(bare, {})["share"].tolist() == [100.0] * (len(bare.emotions) + 1)
