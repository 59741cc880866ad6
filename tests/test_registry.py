import math
import sys
import threading
from importlib.metadata import EntryPoint

import pytest
import torch

import fer_xai
import metrics
from fer_xai.attributions import ATTRIBUTIONS, CONTROLS
from fer_xai.data import DATASETS
from fer_xai.errors import FerXaiError, InputError, UnknownNameError
from fer_xai.models import MODELS
from fer_xai.perturb.fills import FILLS
from fer_xai.registry import Registry
from metrics.core.registry import METRICS
from studies.registry import STUDIES
from tests.helpers import tiny_model

ALL = [ATTRIBUTIONS, CONTROLS, DATASETS, FILLS, METRICS, MODELS, STUDIES]


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


@pytest.mark.parametrize("registry", ALL, ids=lambda r: r.kind)
def test_every_registered_name_can_be_had(registry):
    assert len(registry) > 4
    for name in registry:
        assert registry[name] is not None


@pytest.mark.parametrize("registry", ALL, ids=lambda r: r.kind)
def test_an_entry_of_another_type_is_refused_where_it_is_registered(registry):
    with pytest.raises(InputError, match=f"^Expected the registered {registry.kind} 'own' as a"):
        registry.register("own")(3)
    assert "own" not in registry


def test_a_class_is_no_instance():
    with pytest.raises(InputError, match=r"Attribution, got the class \w+: derive a class"):
        ATTRIBUTIONS.register("own")(type(ATTRIBUTIONS["saliency"]))


def plugged(monkeypatch, **values):
    """Entry points of other packages, by their names, for things of any kind."""
    points = [EntryPoint(name, value, "fer_xai.thing") for name, value in values.items()]
    monkeypatch.setattr("fer_xai.registry.entry_points", lambda group: points)


def test_names_of_other_packages_come_last(monkeypatch):
    plugged(monkeypatch, pi="math:pi")
    registry = Registry("thing")
    registry.register("a")(1)
    assert list(registry) == ["a", "pi"]
    assert registry["pi"] == math.pi
    assert registry.loaded() == {"a": 1, "pi": math.pi}
    registry.register("b")(2)
    assert list(registry) == ["a", "b", "pi"]


def test_a_plugin_cannot_take_a_name_that_is_taken_and_breaks_no_other(package, monkeypatch):
    plugged(monkeypatch, one="math:pi", tau="math:tau")
    registry = Registry("thing", package=package("one = THINGS.register('one')(1)").__name__)
    sys.modules["a_package"].THINGS = registry
    assert list(registry) == ["one", "tau"]
    assert registry["tau"] == math.tau
    with pytest.raises(
        FerXaiError,
        match=r"^The thing name 'one' of math:pi is taken: rename it, or remove the package math\.$",
    ):
        registry["one"]


def test_one_package_that_is_found_twice_is_one(monkeypatch):
    point = EntryPoint("pi", "math:pi", "fer_xai.thing")
    monkeypatch.setattr("fer_xai.registry.entry_points", lambda group: [point, point])
    assert Registry("thing")["pi"] == math.pi


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no_such_package.things:IT", "ModuleNotFoundError .No module named 'no_such_package'."),
        ("math:no_such_name", "AttributeError"),
        ("math:pi:tau", "AttributeError"),
    ],
)
def test_a_broken_plugin_breaks_only_itself(monkeypatch, value, said):
    plugged(monkeypatch, broken=value, pi="math:pi")
    registry = Registry("thing")
    registry.register("a")(1)
    assert list(registry) == ["a", "broken", "pi"]
    assert (registry["a"], registry["pi"], registry.names_of(1)) == (1, math.pi, ["a"])
    sentence = (
        rf"^Expected the thing 'broken' at {value} of the package \w+, got {said}.*: reinstall or "
        r"remove the package\.$"
    )
    for _ in range(2):
        with pytest.raises(FerXaiError, match=sentence):
            registry["broken"]


@pytest.fixture
def broken_plugin(monkeypatch):
    """A broken plugin of every kind, beside what is found already."""
    for registry in (ATTRIBUTIONS, CONTROLS, FILLS, METRICS):
        list(registry)
        point = EntryPoint("broken", "no_such_package:IT", f"fer_xai.{registry.kind}")
        monkeypatch.setitem(registry._plugins, "broken", point)


@pytest.mark.usefixtures("broken_plugin")
def test_a_broken_plugin_does_not_matter_to_those_who_do_not_use_it():
    images = torch.rand(2, 3, 64, 64)
    model = tiny_model()
    explanation = fer_xai.explain(model, images, method=ATTRIBUTIONS["saliency"])
    assert explanation.method == "saliency"
    assert fer_xai.explain(model, images, method="uniform").method == "uniform"
    assert len(metrics.evaluate(model, images, explanation, ["deletion"])) == 2
    with pytest.raises(InputError, match=r"choose from mean, blur.*skin\.$"):
        FILLS["linear"].image(images)
    for use in (
        lambda: fer_xai.explain(model, images, method="broken"),
        lambda: metrics.evaluate(model, images, explanation, ["broken"]),
        lambda: FILLS["broken"],
    ):
        with pytest.raises(FerXaiError, match="'broken' at no_such_package:IT of the package no_s"):
            use()


def test_a_plugin_that_is_no_spec_is_refused_in_a_sentence(monkeypatch):
    list(METRICS)
    monkeypatch.setitem(METRICS._plugins, "root", EntryPoint("root", "math:sqrt", "fer_xai.metric"))
    images = torch.rand(2, 3, 64, 64)
    explanation = fer_xai.explain(tiny_model(), images, method="saliency")
    with pytest.raises(InputError, match="metric 'root' as a metrics.MetricSpec, got builtin_func"):
        metrics.evaluate(tiny_model(), images, explanation, ["root"])


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Makes a package of modules a, b, … with ``from a_package import THINGS`` in each."""

    def made(*modules):
        folder = tmp_path / "a_package"
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        for letter, code in zip("abc", modules, strict=False):
            text = f"from a_package import THINGS\n{code}\n"
            (folder / f"{letter}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a file may change within a second
        return __import__("a_package")

    yield made
    for name in [name for name in sys.modules if name.partition(".")[0] == "a_package"]:
        del sys.modules[name]


def test_after_a_failed_import_the_registry_fails_again_until_it_is_mended(package, tmp_path):
    fine, broken = "THINGS.register('one')(1)", "THINGS.register('two')([2])\nimport no_such_module"
    made = package(fine, broken, "THINGS.register('three')(3)")
    registry = made.THINGS = Registry("thing", package="a_package")
    for ask in (list, lambda registry: registry["three"], lambda registry: registry["two"]):
        with pytest.raises(ModuleNotFoundError, match="no_such_module"):
            ask(registry)
    assert set(registry._entries) == {"one"}
    (tmp_path / "a_package" / "b.py").write_text(
        "from a_package import THINGS\nTHINGS.register('two')([2])\n"
    )
    assert list(registry) == ["one", "two", "three"]
    assert registry["two"] == [2]


def test_a_module_whose_own_import_failed_may_register_its_names_again(package, tmp_path):
    made = package("THINGS.register('one')([1])\nimport no_such_module")
    registry = made.THINGS = Registry("thing", package="a_package")
    with pytest.raises(ModuleNotFoundError):
        __import__("a_package.a")
    (tmp_path / "a_package" / "a.py").write_text(
        "from a_package import THINGS\nTHINGS.register('one')([2])\n"
    )
    assert registry["one"] == [2]


def test_a_built_in_name_is_taken_before_its_module_is_imported(package):
    made = package("THINGS.register('one')(1)")
    registry = made.THINGS = Registry("thing", package="a_package")
    with pytest.raises(FerXaiError, match="The thing name 'one' is taken by 1: choose another"):
        registry.register("one")(2)
    assert registry["one"] == 1


def test_the_name_of_a_known_module_is_taken_before_it_is_imported():
    registry = Registry("thing", {"one": "a_package.one"})
    with pytest.raises(FerXaiError, match="The thing name 'one' is taken by 'a_package.one': choo"):
        registry.register("one")(2)

    class FaithfulnessStudy:
        def run(self):
            return 0

    FaithfulnessStudy.__qualname__ = STUDIES["faithfulness"].__qualname__
    with pytest.raises(FerXaiError, match="The study name 'faithfulness' is taken by"):
        STUDIES.register("faithfulness")(FaithfulnessStudy)


def test_a_module_that_asks_while_it_is_found_gets_what_there_is(package):
    made = package("THINGS.register('one')(1)", "THINGS.register('two')(THINGS['one'] + 1)")
    registry = made.THINGS = Registry("thing", package="a_package")
    assert registry["two"] == 2


def test_threads_that_ask_first_all_find_everything(package):
    slow = "import time\ntime.sleep(0.1)\nTHINGS.register('one')(1)"
    made = package(slow, "THINGS.register('two')(2)")
    registry = made.THINGS = Registry("thing", package="a_package")
    found = []
    threads = [threading.Thread(target=lambda: found.append(list(registry))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["one", "two"]] * 4
