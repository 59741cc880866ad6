"""Options that studies share, and the skeleton of a run."""

import dataclasses
import json
from dataclasses import dataclass
from typing import ClassVar

import pytest

from fer_xai.errors import InputError
from studies.engine.model_options import Models
from studies.engine.options import Data, Device, DryRun, Landmarks, Passes, Progress, Seed, Targets
from studies.engine.study import Study
from studies.registry import STUDIES

GROUPS = (Data, Device, DryRun, Landmarks, Models, Passes, Progress, Seed, Study, Targets)
OWN = {"models"}
"""Options whose defaults are a study's own."""


@dataclass(frozen=True, kw_only=True)
class Answer(Study, Progress, Passes, Seed):
    """What is the answer?"""

    name: ClassVar[str] = "answer"
    broken: bool = False

    def run(self):
        self.check()
        with self.opened({"faces": "none"}, "built-in") as run:
            if self.broken:
                raise InputError("Expected something else.")
            run.manifest["networks"]["net"] = {}
        return run.complete("It is 42.")


def test_a_run_is_opened_worked_on_and_completed(tmp_path, capsys):
    study = Answer(out=tmp_path, device="cpu", progress=False)
    folder = study.run()
    assert folder.parent == tmp_path / "answer"
    assert folder.name.startswith("built-in-")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert manifest["config"] == {
        "seed": 0,
        "device": "cpu",
        "precision": "fp32",
        "broken": False,
    }
    assert capsys.readouterr().out == f"It is 42.\nReport: {folder / 'report.html'}\n"
    assert dataclasses.replace(study, batch_size=3, progress=True).run() == folder
    assert dataclasses.replace(study, seed=1).run() != folder


def test_a_run_that_turns_out_to_be_impossible_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="Expected something else"):
        Answer(out=tmp_path, broken=True, progress=False).run()
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seed": -1}, "Expected --seed from 0, got -1"),
        ({"batch_size": 0}, "Expected --batch-size as a whole number of 1 or more, got 0"),
        ({"device": "gpu"}, "Expected a device such as auto, cpu"),
    ],
)
def test_every_group_checks_its_own_options(tmp_path, wrong, sentence):
    with pytest.raises(InputError, match=sentence):
        Answer(out=tmp_path, **wrong).run()
    assert not list(tmp_path.iterdir())


def test_shared_options_are_declared_once():
    """No study declares an option of its groups anew, but for a default of its own."""

    def declared(kind):
        fields = {field.name for field in dataclasses.fields(kind)}
        return fields & set(vars(kind).get("__annotations__", {}))

    shared = [name for group in GROUPS for name in declared(group)]
    assert len(shared) == len(set(shared))
    for name in STUDIES:
        study = STUDIES[name]
        inherited = {one for group in GROUPS if issubclass(study, group) for one in declared(group)}
        assert not (declared(study) & inherited) - OWN, name
