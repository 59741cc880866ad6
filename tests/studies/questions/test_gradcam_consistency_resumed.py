"""A run of the study that was killed goes on where it was, and says with what."""

import json
import shutil

import pandas as pd
import pytest

from studies.engine import store
from tests.killed import killed
from tests.studies.run_study import dying_study, sparing, study

SMALL = {"moved": 2, "methods": ("gradcam",), "limit": 24}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, weights):
    with sparing():
        return study(tmp_path_factory.mktemp("unbroken"), weights, **SMALL).run()


@pytest.mark.parametrize(
    ("write", "phase"),
    [
        (1, "named"),  # the manifest
        pytest.param(3, "during", marks=pytest.mark.slow),
        (4, "unnamed"),  # moved maps
        (12, "during"),  # maps of an untrained network
        pytest.param(21, "named", marks=pytest.mark.slow),
        (27, "during"),  # scores of a control
    ],
)
def test_a_run_killed_anywhere_goes_on_and_ends_with_the_same_rows(
    write, phase, unbroken, weights, tmp_path
):
    killed(dying_study, tmp_path / "out", weights, write, phase, SMALL)
    assert not list(tmp_path.rglob("report.html"))
    with sparing():
        again = study(tmp_path / "out", weights, **SMALL).run()
    for name in ("scores.parquet", "sets.parquet", "faces.parquet"):
        one, two = pd.read_parquet(unbroken / name), pd.read_parquet(again / name)
        pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert (again / "answer.txt").read_text() == (unbroken / "answer.txt").read_text()


@pytest.mark.usefixtures("spared")
def test_a_run_that_goes_on_with_another_batch_size_records_both(
    unbroken, weights, tmp_path, capsys
):
    shutil.copytree(unbroken, tmp_path / "gradcam_consistency" / unbroken.name)
    again = study(tmp_path, weights, batch_size=5, **SMALL)
    run = again.run()  # nothing is left to make
    networks = json.loads((run / "manifest.json").read_text())["networks"]
    assert networks["tiny"]["predictor"]["batch_size"] == 8
    next((run / "maps" / "tiny").glob("gradcam-0*.npz")).unlink()
    capsys.readouterr()
    assert again.run() == run
    networks = json.loads((run / "manifest.json").read_text())["networks"]
    assert networks["tiny"]["predictor"]["batch_size"] == "8, 5"
    assert networks["tiny@untrained0"]["predictor"]["batch_size"] == 8
    assert "goes on with a batch size of 5 (before: 8)" in capsys.readouterr().err


def test_a_reference_run_without_maps_is_begun_anew(unbroken, tmp_path):
    manifest = json.loads((unbroken / "manifest.json").read_text())
    store.write_json(tmp_path / "manifest.json", manifest | {"commit": "long ago"})
    again = store.open_run(tmp_path, manifest["config"], manifest["inputs"])
    assert again["status"] == "running"
    assert again["commit"] != "long ago"


def test_what_a_killed_run_left_half_written_is_swept_up(unbroken):
    manifest = json.loads((unbroken / "manifest.json").read_text())
    left = unbroken / "maps" / f".gradcam-0.npz.{10**30}.tmp"  # no process of today
    left.write_bytes(b"half")
    store.open_run(unbroken, manifest["config"], manifest["inputs"])
    assert not left.exists()
