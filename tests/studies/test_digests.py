"""What a run is made of: every part of it changes the digest, and nothing else does."""

import dataclasses
import functools
import itertools
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from fer_xai.data.synthetic.dataset import synthetic_faces
from fer_xai.errors import InputError
from fer_xai.models import FERModel
from fer_xai.probe import Probe
from metrics.spec import METRICS
from studies import audit, store
from studies.digests import code_digest, described, faces_digests, model_digest
from tests.conftest import TinyNet, tiny_model


def cells(tokens, side=8):
    """Of tokens."""
    return tokens.unflatten(1, (side, side))


def grid_of(side):
    return lambda tokens: tokens.unflatten(1, (side, side))


class Grid:
    def __init__(self, side):
        self.side = side

    def __call__(self, tokens):
        return tokens.unflatten(1, (self.side, self.side))


class Scaled(TinyNet):
    factor = 1.0

    def forward(self, x):
        return self.factor * super().forward(x)


CHANGES = {
    "weights": lambda m: m.net.fc.bias.data.add_(1e-6),
    "statistics": lambda m: m.net.bn1.running_var.mul_(1.01),
    "cam_layer": lambda m: setattr(m, "cam_layer", "relu1"),
    "paper_layer": lambda m: setattr(m, "paper_layer", None),
    "size": lambda m: setattr(m, "size", 48),
    "greyscale": lambda m: setattr(m, "greyscale", True),
    "name": lambda m: setattr(m, "name", "other"),
    "emotions": lambda m: setattr(m, "emotions", m.emotions[::-1]),
    "mean": lambda m: m.mean.add_(0.1),
    "std": lambda m: m.std.mul_(2),
    "reshape": lambda m: setattr(m, "reshape", cells),
    "an activation": lambda m: setattr(m.net, "relu1", nn.GELU()),
    "a setting": lambda m: setattr(m.net.bn1, "eps", 0.1),
    "a number of its own": lambda m: setattr(m.net, "temperature", 2.0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_part_of_a_models_wiring_is_in_its_digest(change):
    model = tiny_model()
    before = model_digest(model)
    assert before == model_digest(tiny_model()) == model_digest(tiny_model().train())
    CHANGES[change](model)
    assert model_digest(model) != before


def test_callables_are_told_apart_by_code_and_by_what_they_hold():
    alike = [cells, functools.partial(cells, side=8), functools.partial(cells, side=4), grid_of(8),
             grid_of(4), Grid(8), Grid(4), Grid(8).__call__, torch.squeeze, np.squeeze]  # fmt: skip
    assert len({code_digest([one]) for one in alike}) == len(alike)
    assert code_digest([grid_of(8), Grid(4)]) == code_digest([grid_of(8), Grid(4)])
    sources = ["def f(x):\n    'Doc.'\n    return x + 1", "def f(x):\n    return x + 1",
               "def f(x):\n    return x + 2"]  # fmt: skip
    made = []
    for source in sources:
        space = {"__name__": "somebodys"}
        exec(source, space)
        made.append(code_digest([space["f"]]))
    assert made[1] != made[2]
    space = {"__name__": "somebodys", "SIDE": 3}
    exec("def f(x):\n    return x + SIDE", space)
    before = code_digest([space["f"]])
    space["SIDE"] = 4
    assert code_digest([space["f"]]) != before


def test_a_class_of_the_users_own_is_told_apart_by_its_code():
    wired = {"emotions": "gimefive", "size": 64}
    one, two = TinyNet(), Scaled()
    two.load_state_dict(one.state_dict())
    assert model_digest(FERModel(one, **wired)) != model_digest(FERModel(two, **wired))


def test_what_cannot_be_looked_into_is_never_the_same_again():
    model = tiny_model()
    model.reshape = itertools.count()
    first = model_digest(model)
    assert model_digest(model) == first
    model.reshape = itertools.count()
    assert model_digest(model) != first


def test_digests_are_the_same_in_another_process():
    script = (
        "from tests.studies.test_digests import *; m = tiny_model(); m.reshape = grid_of(8);"
        "print(model_digest(m), code_digest(METRICS[name] for name in METRICS))"
    )
    found = {
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True).stdout
        for _ in range(2)
    }
    assert len(found) == 1


@pytest.mark.parametrize("column", ["subject", "group", "source", "split", "emotion", "id"])
def test_faces_are_told_apart_by_everything_but_their_place(column):
    faces = synthetic_faces(6)
    before = faces_digests(faces, [48])
    moved = dataclasses.replace(faces, table=faces.table.assign(path="elsewhere"))
    assert faces_digests(moved, [48]) == before
    values = list(faces.table[column])
    values[0] = "neutral" if column == "emotion" else "other"
    changed = dataclasses.replace(faces, table=faces.table.assign(**{column: values}))
    assert faces_digests(changed, [48]) != before
    assert faces_digests(faces.subset([1, 0, 2, 3, 4, 5])) != before


def test_landmarks_and_the_pixels_that_a_model_is_fed_are_in_the_faces_digest():
    faces = synthetic_faces(3)
    before = faces_digests(faces, [48])
    assert set(before) == {"faces", "landmarks", "people", "faces at 48 pixels"}
    shifted = dataclasses.replace(faces, landmarks=faces.landmarks + 1)
    assert faces_digests(shifted)["landmarks"] != before["landmarks"]


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
        ({"model": wired}, "model"), ({"model": tiny_model(seed=1)}, "model"),
        ({"faces": faces.subset([2, 1, 0])}, "faces"), ({"seed": 1}, "seed"),
        ({"targets": "true"}, "targets"), ({"methods": ["input_x_gradient"]}, "methods"),
        ({"metrics": ["entropy"]}, "metrics"), ({"controls": ["edges"]}, "controls"),
    ):  # fmt: skip
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

    spec = dataclasses.replace(METRICS["gini"], name="own", fn=one, options={}, read="")
    quick(tiny_model(), synthetic_faces(3), tmp_path / "shards", metrics=[spec])
    with pytest.raises(InputError, match="they differ in metrics"):
        quick(tiny_model(), synthetic_faces(3), tmp_path / "shards",
              metrics=[dataclasses.replace(spec, fn=two)])  # fmt: skip


def test_damaged_shards_are_made_anew_or_named(tmp_path, capsys):
    folder = tmp_path / "shards"
    whole = quick(tiny_model(), synthetic_faces(3), folder)
    (shard,) = folder.glob("*.parquet")
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
            store.read_arrays(tmp_path / "maps.npz")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_manifest_names_the_folder_to_delete(tmp_path, content):
    (tmp_path / "shards").mkdir()
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest.json to be whole.*: delete .*begins anew"):
        store.open_run(tmp_path, {}, {})


def test_the_digest_of_a_probes_copy_is_that_of_its_model():
    model = tiny_model()
    assert model_digest(Probe(model, device="cpu").model) == model_digest(model)
    assert described(model)[1] == model_digest(model)
