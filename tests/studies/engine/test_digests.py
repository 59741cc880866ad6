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

import numpy as np
import pytest
import torch
from torch import nn

from fer_xai.attributions import ATTRIBUTIONS, CONTROLS
from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.inference.predictor import Predictor
from fer_xai.models import MODELS, calibrate_batchnorm, untrained
from metrics.core.registry import METRICS
from studies.engine import store
from studies.engine.description import described
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.questions.ablation.study import VARIANTS, endpoint_inputs
from tests.helpers import tiny_model


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


def calibrated(*, n=8, last_digit=0.0, weights=0.0):
    """An untrained model on a machine whose sums end in other digits."""
    model = tiny_model()
    model.net.fc.bias.data.add_(weights)
    calibrate_batchnorm(model, synthetic_faces(8, size=16), n=n)
    if last_digit:
        taken = untrained._CALIBRATED[model].buffers
        for name, buffer in model.named_buffers():
            if name in taken and buffer.is_floating_point():
                taken[name] = buffer.mul_(1 + last_digit).clone()
    return model


def test_an_untrained_network_is_known_by_what_it_was_calibrated_on():
    here, there = calibrated(), calibrated(last_digit=1e-6)
    assert not torch.equal(here.net.bn1.running_mean, there.net.bn1.running_mean)
    assert model_digest(here) == model_digest(there)
    assert model_digest(here) != model_digest(calibrated(n=6))
    assert model_digest(here) != model_digest(calibrated(weights=1e-6))
    assert model_digest(here) != model_digest(tiny_model())
    here.net.bn1.running_mean.add_(1e-6)  # changed by other hands: values count again
    assert model_digest(here) != model_digest(there)


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
    script = "from tests.studies.engine.test_digests import *; print(*digests())"
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    found = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    assert found.stdout.split() == digests()


def digests():
    from tests.studies.engine.test_own_code import own_digest

    model = tiny_model()
    model.reshape = grid_of(8)
    shipped = sorted(name for name in METRICS if METRICS[name].fn.__module__.startswith("metrics."))
    return [model_digest(model), own_digest(), code_digest(METRICS[name] for name in shipped)]


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
