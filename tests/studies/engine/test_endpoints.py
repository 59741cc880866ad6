"""Tests of endpoints, which are declared in a study's class and identify its runs."""

from dataclasses import replace

import pytest

from fer_xai.files import read_json
from studies.engine import store
from studies.engine.endpoints import Endpoint
from studies.engine.study import Study
from studies.registry import STUDIES

ENDPOINT = Endpoint(
    quantity="mean gain", unit="a face", family="none", interval="95 %", holds="it lies above 0"
)


class Declared(Study):
    """A study with an endpoint and no work."""

    name = "declared"
    endpoint = ENDPOINT


@pytest.mark.parametrize("name", list(STUDIES))
def test_every_study_declares_what_it_claims(name):
    declared = STUDIES[name]().declaration()["endpoint"]
    assert {"quantity", "unit", "family", "interval", "holds"} <= set(declared)


def test_the_declaration_is_written_before_there_are_rows(tmp_path):
    with Declared(out=tmp_path).opened({}, "faces") as run:
        written = read_json(run.folder / "manifest.json", remedy="")
        assert written["status"] == "running"
        assert written["config"]["endpoint"] == ENDPOINT.declared()
        assert [path.name for path in run.folder.iterdir()] == ["manifest.json"]


def test_another_endpoint_is_another_run(tmp_path):
    class Other(Declared):
        endpoint = replace(ENDPOINT, holds="it lies above .1")

    folders = []
    for study in (Declared, Other, Declared):
        with study(out=tmp_path).opened({}, "faces") as run:
            folders.append(run.folder)
    assert folders[0] == folders[2] != folders[1]


def test_a_study_without_an_endpoint_says_nothing_of_one():
    assert "endpoint" not in Study(out=store.Path("results")).config()
