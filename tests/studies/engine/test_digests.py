"""What a run is made of: every part of it changes the digest, and nothing else does."""

import copy
import dataclasses
import functools
import itertools
import json
import os
import subprocess
import sys
import types
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from fer_xai.attributions import ATTRIBUTIONS, CONTROLS
from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.errors import InputError
from fer_xai.files import read_arrays
from fer_xai.inference.predictor import Predictor
from fer_xai.models import MODELS, FERModel
from metrics.core.registry import METRICS
from studies import audit
from studies.engine import store
from studies.engine.description import described
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.questions.ablation.study import VARIANTS, endpoint_inputs
from tests.helpers import TinyNet, tiny_model


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
    alike = [
        cells,
        functools.partial(cells, side=8),
        functools.partial(cells, side=4),
        grid_of(8),
        grid_of(4),
        Grid(8),
        Grid(4),
        Grid(8).__call__,
        torch.squeeze,
        np.squeeze,
    ]
    assert len({code_digest([one]) for one in alike}) == len(alike)
    assert code_digest([grid_of(8), Grid(4)]) == code_digest([grid_of(8), Grid(4)])
    sources = [
        "def f(x):\n    'Doc.'\n    return x + 1",
        "def f(x):\n    return x + 1",
        "def f(x):\n    return x + 2",
    ]
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


def _in_module(kind, module):
    """A copy of a class as if it stood in another Python module."""
    return type(kind.__name__, kind.__bases__, {"__module__": module, "__qualname__": "Kind"})


def test_a_file_of_ours_that_moves_renames_no_run():
    """A package and a qualified name tell our own classes and functions apart."""
    one, two, other = (
        _in_module(Grid, name) for name in ("metrics.a", "metrics.deep.b", "fer_xai.a")
    )
    assert described(one) == described(two) == ["class", "metrics.Kind"]
    assert described(one()) == described(two())
    assert described(one) != described(other)
    users, moved = (_in_module(Grid, name) for name in ("somebodys.a", "somebodys.b"))
    assert described(users) != described(moved)  # their code is not in our versions


def test_names_without_their_module_tell_all_that_is_registered_apart():
    for registry in (ATTRIBUTIONS, METRICS, CONTROLS, MODELS):
        made = {name: json.dumps(described(registry[name])) for name in registry}
        twice = [name for name in made if list(made.values()).count(made[name]) > 1]
        assert not twice


def test_a_class_of_the_users_own_is_told_apart_by_its_code():
    wired = {"emotions": "gimefive", "size": 64}
    one, two = TinyNet(), Scaled()
    two.load_state_dict(one.state_dict())
    assert model_digest(FERModel(one, **wired)) != model_digest(FERModel(two, **wired))


HELPERS = """
def scaled(x):
    return x * 1.0
"""
OWN = """
import abc, dataclasses, enum, functools
import helpers
import numpy as np
import torch
from torch import nn

TABLE = np.array([1.0, 2.0])
WEIGHTS = {"a": 1.0}

class Mode(enum.Enum):
    ONE = 1.0

@dataclasses.dataclass
class Options:
    gain: float = 1.0
    names: list = dataclasses.field(default_factory=list)

class Scaler:
    def scale(self, x):
        return x * 10.0

class Base(nn.Module, abc.ABC):
    def head(self, x):
        return x * 20.0

class Table(dict):
    def __missing__(self, key):
        return 30.0

class Net(Base):
    scale = 40.0

    def __init__(self):
        super().__init__()
        self._t, self.options, self.table = 50.0, Options(), Table(a=1)
        self.get = {"a": 60.0}.get
        self.act = self._act
        self.fc = nn.Linear(2, 2)
        nn.init.ones_(self.fc.weight), nn.init.ones_(self.fc.bias)
        self.fc.owner, self.parts = [self], [self.fc]
        self.fc.register_forward_hook(lambda module, given, made: made * 70.0)

    @staticmethod
    def still(x):
        return x * 80.0

    @classmethod
    def of_kind(cls, x):
        return x * 90.0

    @property
    def shown(self):
        return 100.0

    @functools.cached_property
    def kept(self):
        return 110.0

    def _act(self, x):
        return x if x in {"b", "c", "d"} else (x, {"e", "f"})

    def forward(self, x):
        return Scaler().scale(self.head(x)) + TABLE[0] + WEIGHTS["a"] + helpers.scaled(Mode.ONE.value)
"""
OWN_CHANGES = {
    "a class attribute": ("scale = 40.0", "scale = 41.0"),
    "a private attribute": (
        "self._t, self.options, self.table = 50.0",
        "self._t, self.options, self.table = 51.0",
    ),
    "a static method": ("x * 80.0", "x * 81.0"),
    "a method of the class": ("x * 90.0", "x * 91.0"),
    "a property": ("return 100.0", "return 101.0"),
    "a cached property": ("return 110.0", "return 111.0"),
    "a method of a base class": ("x * 20.0", "x * 21.0"),
    "a global array": ("[1.0, 2.0]", "[1.0, 3.0]"),
    "a global dictionary": ('WEIGHTS = {"a": 1.0}', 'WEIGHTS = {"a": 2.0}'),
    "a global class": ("x * 10.0", "x * 11.0"),
    "a global enumeration": ("ONE = 1.0", "ONE = 2.0"),
    "a default of a dataclass": ("gain: float = 1.0", "gain: float = 2.0"),
    "a factory of a dataclass": ("default_factory=list", "default_factory=lambda: [1]"),
    "a method of a dictionary's kind": ("return 30.0", "return 31.0"),
    "what a built-in method is of": ('{"a": 60.0}', '{"a": 61.0}'),
    "a hook": ("made * 70.0", "made * 71.0"),
    "a set": ('{"b", "c", "d"}', '{"b", "c", "g"}'),
    "a set in a tuple": ('{"e", "f"}', '{"e", "g"}'),
}  # of one line each


def own_digest(source=OWN, helpers=HELPERS):
    """Digest of a network of the user's own, which holds itself in three ways."""
    space = {"__name__": "somebodys"}
    module = types.ModuleType("helpers")
    exec(helpers, module.__dict__)
    with mock.patch.dict(sys.modules, {"helpers": module}):
        exec(source, space)
    return model_digest(space["Net"]())


@pytest.mark.parametrize("change", OWN_CHANGES)
def test_all_code_of_the_users_own_is_in_a_models_digest(change):
    before, after = OWN_CHANGES[change]
    assert OWN.count(before) == 1
    assert own_digest(OWN.replace(before, after)) != own_digest() == own_digest()


def test_functions_of_the_users_own_python_modules_are_in_a_models_digest():
    assert own_digest(helpers=HELPERS.replace("1.0", "2.0")) != own_digest()


def test_modules_in_lists_are_told_apart_by_their_weights():
    one, two = (nn.Sequential(nn.ReLU()) for _ in range(2))
    one.parts, two.parts = [nn.Linear(2, 2)], [nn.Linear(2, 2)]
    two.parts[0].load_state_dict(one.parts[0].state_dict())
    assert model_digest(one) == model_digest(two)
    two.parts[0].weight.data += 1
    assert model_digest(one) != model_digest(two)
    two.parts = one.parts * 2
    assert model_digest(one) != model_digest(two)


def test_recurrent_networks_are_the_same_again():
    one, two = nn.LSTM(2, 2), nn.LSTM(2, 2)
    two.load_state_dict(one.state_dict())
    assert model_digest(one) == model_digest(two) == model_digest(copy.deepcopy(two))


def test_what_cannot_be_looked_into_is_never_the_same_again():
    model = tiny_model()
    model.reshape = itertools.count()
    first = model_digest(model)
    assert model_digest(model) == first
    model.reshape = itertools.count()
    assert model_digest(model) != first


def test_digests_are_the_same_in_another_process():
    script = (
        "from tests.studies.engine.test_digests import *; m = tiny_model(); m.reshape = grid_of(8);"
        "print(model_digest(m), own_digest(), code_digest(METRICS[name] for name in METRICS))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in "12"
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

    spec = dataclasses.replace(METRICS["gini"], name="own", fn=one, options={}, read="")
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
            read_arrays(tmp_path / "maps.npz")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_manifest_names_the_folder_to_delete(tmp_path, content):
    (tmp_path / "shards").mkdir()
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest.json to be whole.*: delete .*begins anew"):
        store.open_run(tmp_path, {}, {})


def test_the_digest_of_a_predictors_copy_is_that_of_its_model():
    model = tiny_model()
    assert model_digest(Predictor(model, device="cpu").model) == model_digest(model)
    assert described(model)[1] == model_digest(model)


RESULTS = Path(__file__).parents[3] / "results"
ENDPOINTS = sorted(RESULTS.glob("trainings/*/endpoint-*.npz"))


def test_endpoints_of_the_records_are_found_again():
    """Their names are digests of faces, landmarks, weights and how the networks are fed."""
    (table,) = RESULTS.glob("reference/ablation/rafdb-*/manifest.json")
    inputs = json.loads(table.read_text())["inputs"]
    assert len(ENDPOINTS) == 14
    for file in ENDPOINTS:
        card = json.loads((file.parent / "card.json").read_text())
        (variant,) = (
            one
            for one in (VARIANTS[name] for name in VARIANTS)
            if one.model == card["model"] and (one.greyscale, one.size) == (None, None)
        )
        of = endpoint_inputs(types.SimpleNamespace(variant=variant, card=card), None, inputs)
        assert file.name == f"endpoint-{store.digest(of)}.npz"
