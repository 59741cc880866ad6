import math
from importlib.metadata import EntryPoint

import pytest

from fer_xai.attributions import ATTRIBUTIONS, CONTROLS
from fer_xai.data import DATASETS
from fer_xai.errors import FerXaiError, UnknownNameError
from fer_xai.models import MODELS
from fer_xai.registry import Registry
from metrics.core.registry import METRICS
from studies.registry import STUDIES


def test_duplicate_names_raise():
    registry = Registry("thing", {})
    registry.register("a")(object())
    with pytest.raises(FerXaiError, match="The thing name 'a' is taken"):
        registry.register("a")(object())


def test_unknown_names_suggest_the_close_ones():
    registry = Registry("model", {"gimefive": "nowhere", "resnet18": "nowhere"})
    with pytest.raises(
        UnknownNameError, match=r"^Unknown model 'gimefife': did you mean gimefive\?$"
    ):
        registry["gimefife"]
    with pytest.raises(UnknownNameError, match="choose from gimefive, resnet18"):
        registry["xyz"]


@pytest.mark.parametrize(
    "registry", [ATTRIBUTIONS, CONTROLS, DATASETS, METRICS, MODELS, STUDIES], ids=lambda r: r.kind
)
def test_every_registered_name_can_be_had(registry):
    assert len(registry) > 4
    for name in registry:
        assert registry[name] is not None


@pytest.fixture
def plugin(monkeypatch):
    """An entry point ``pi`` of other packages, for things of any kind."""
    point = EntryPoint(name="pi", value="math:pi", group="fer_xai.thing")
    monkeypatch.setattr("fer_xai.registry.entry_points", lambda group: [point])
    return point


def test_names_of_other_packages_come_last(plugin):
    registry = Registry("thing")
    registry.register("a")(1)
    assert list(registry) == ["a", plugin.name]
    assert registry["pi"] == math.pi


def test_a_plugin_cannot_take_a_name_that_is_taken(plugin):
    registry = Registry("thing")
    registry.register("pi")(3)
    with pytest.raises(FerXaiError, match=r"The thing name 'pi' of math:pi is taken: rename it\."):
        list(registry)
