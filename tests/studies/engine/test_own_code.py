"""Code of the users' own: all of it is in the digest of a model, of whatever kind it is."""

import sys
import types
from unittest import mock

import pytest
from torch import nn

from fer_xai.models import FERModel
from studies.engine.digests import model_digest
from tests.helpers import TinyNet


class Scaled(TinyNet):
    factor = 1.0

    def forward(self, x):
        return self.factor * super().forward(x)


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
