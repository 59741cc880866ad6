"""Shards and manifests of a run: never taken for those of another, and never half a file."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.errors import InputError
from fer_xai.files import read_arrays, read_json
from fer_xai.inference.predictor import Predictor
from metrics.core.registry import METRICS
from studies import audit
from studies.engine import store
from tests.helpers import tiny_model


def quick(model, faces, folder, **options):
    chosen = {"methods": ["saliency"], "metrics": ["gini"], "controls": ["centre"]} | options
    return audit(model, faces, shards=folder, **chosen)


def test_shards_of_an_audit_are_not_taken_for_another(tmp_path):
    faces, folder = synthetic_faces(3), tmp_path / "shards"
    whole = quick(tiny_model(), faces, folder)
    again = quick(tiny_model(), faces, folder)
    pd.testing.assert_frame_equal(whole.frame, again.frame)
    wired = tiny_model()
    wired.cam_layer = "relu1"
    sentence = "to hold shards of the same model, faces and options, but they differ in {}"
    for options, what in (
        ({"model": wired}, "model"),
        ({"model": tiny_model(seed=1)}, "model"),
        ({"faces": faces.subset([2, 1, 0])}, "faces"),
        ({"seed": 1}, "seed"),
        ({"targets": "true"}, "targets"),
        ({"methods": ["input_x_gradient"]}, "methods"),
        ({"metrics": ["entropy"]}, "metrics"),
        ({"controls": ["edges"]}, "controls"),
    ):
        with pytest.raises(InputError, match=sentence.format(what)):
            quick(**({"model": tiny_model(), "faces": faces, "folder": folder} | options))


def test_shards_that_do_not_say_what_they_were_made_of_are_refused(tmp_path):
    folder = tmp_path / "shards"
    quick(tiny_model(), synthetic_faces(3), folder)
    (folder / "made_of.json").unlink()
    with pytest.raises(InputError, match="to say what its shards were made of"):
        quick(tiny_model(), synthetic_faces(3), folder)


def test_a_metric_of_the_users_own_is_told_apart_by_its_code(tmp_path):
    def one(maps):
        return maps.flatten(1).mean(dim=1)

    def two(maps):
        return maps.flatten(1).amax(dim=1)

    free = (-np.inf, np.inf)
    spec = dataclasses.replace(
        METRICS["gini"], name="own", fn=one, options={}, read="", bounds=free
    )
    quick(tiny_model(), synthetic_faces(3), tmp_path / "shards", metrics=[spec])
    with pytest.raises(InputError, match="they differ in metrics"):
        quick(
            tiny_model(),
            synthetic_faces(3),
            tmp_path / "shards",
            metrics=[dataclasses.replace(spec, fn=two)],
        )


def test_damaged_shards_are_made_anew_or_named(tmp_path, capsys):
    folder = tmp_path / "shards"
    whole = quick(tiny_model(), synthetic_faces(3), folder)
    (shard,) = folder.glob("0*.parquet")
    shard.write_bytes(shard.read_bytes()[:-20])
    again = quick(tiny_model(), synthetic_faces(3), folder)
    pd.testing.assert_frame_equal(whole.frame, again.frame)
    assert f"{shard} is damaged and is made anew" in capsys.readouterr().err
    calls = iter(range(9))
    for content in (b"", b"PK\x03\x04", b"half of it"):
        (tmp_path / "maps.npz").write_bytes(content)
        found = store.once(tmp_path / "maps.npz", lambda: {"a": np.array([next(calls)])})
        assert found["a"].shape == (1,)
        (tmp_path / "maps.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"maps.npz to be whole.*: delete it, and the same"):
            read_arrays(tmp_path / "maps.npz")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_manifest_names_the_folder_to_delete(tmp_path, content):
    (tmp_path / "shards").mkdir()
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest.json to be whole.*: delete .*begins anew"):
        store.open_run(tmp_path, {}, {})


@pytest.mark.parametrize("content", [None, b"", b"{"])
def test_an_audit_goes_on_without_its_record_of_refused_methods(tmp_path, content):
    """Such as one that was killed between a shard and the record, in an older version."""
    folder = tmp_path / "shards"
    asked = {"methods": ["saliency", "attention_rollout"], "folder": folder}
    whole = quick(tiny_model(), synthetic_faces(3), **asked)
    record = folder / "refused.json"
    assert "attention_rollout" in read_json(record, remedy="")
    if content is None:
        record.unlink()
    else:
        record.write_bytes(content)
    again = quick(tiny_model(), synthetic_faces(3), **asked)
    pd.testing.assert_frame_equal(whole.frame, again.frame)
    pd.testing.assert_frame_equal(whole.tables["refused"], again.tables["refused"])


def test_the_record_of_refused_methods_is_there_before_the_shard(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        store,
        "write_table",
        lambda path, table: written.append(sorted(p.name for p in path.parent.iterdir())),
    )
    with pytest.raises(FileNotFoundError):
        quick(tiny_model(), synthetic_faces(3), tmp_path / "shards")
    assert written == [["made_of.json", "preflight.json", "refused.json"]]


def test_a_shard_that_lacks_a_method_without_reason_is_refused(tmp_path):
    folder = tmp_path / "shards"
    asked = {"methods": ["saliency", "gradcam"], "folder": folder}
    quick(tiny_model(), synthetic_faces(3), **asked)
    (shard,) = folder.glob("0*.parquet")
    rows = pd.read_parquet(shard)
    store.write_table(shard, rows[rows["method"] != "gradcam"])
    with pytest.raises(InputError, match="Expected rows of gradcam in the shard of faces 0 to 2"):
        quick(tiny_model(), synthetic_faces(3), **asked)


def test_batch_sizes_of_shards_are_recorded_one_after_another(tmp_path, capsys):
    faces, folder = synthetic_faces(20), tmp_path / "shards"

    def audited(size):
        predictor = Predictor(tiny_model(), device="cpu", batch_size=size)
        return quick(predictor, faces, folder).manifest["batch_size"]

    assert audited(8) == 8
    assert audited(3) == 8  # nothing was made with 3
    assert not capsys.readouterr().err
    (folder / "000016.parquet").unlink()
    assert audited(3) == "8, 3"
    said = capsys.readouterr().err
    assert f"{folder} goes on with a batch size of 3 (before: 8); rows that are there" in said
    assert audited(8) == "8, 3"
