"""Folders of runs, without a run."""

import json

import pytest

from fer_xai.errors import InputError
from studies.engine import store

CONFIG, INPUTS = {"seed": 0}, {"faces": "00"}


def machine(commit, torch):
    return {"commit": commit, "versions": {"torch": torch, "captum": "1", "fer-xai": "0.1"}}


@pytest.fixture
def opened(tmp_path, monkeypatch):
    def opened(commit, torch):
        monkeypatch.setattr(store, "environment", lambda: machine(commit, torch))
        manifest = store.open_run(tmp_path, CONFIG, INPUTS)
        (tmp_path / "shards").mkdir(exist_ok=True)
        return manifest

    return opened


def test_a_run_that_goes_on_under_other_code_says_so_and_lists_it(opened, tmp_path, capsys):
    assert store.made_by(opened("a", "2.4")) == "a"
    assert store.made_by(opened("a", "2.4")) == "a"
    assert not capsys.readouterr().err
    manifest = opened("b", "2.5")
    said = capsys.readouterr().err
    assert "goes on under commit b (before: a), torch 2.5 (before: 2.4); rows that" in said
    assert said.count("\n") == 1
    assert store.made_by(manifest) == "a, b; torch 2.4, 2.5"
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest  # also if killed now
    assert store.made_by(opened("a", "2.5")) == "a, b; torch 2.4, 2.5"
    assert not capsys.readouterr().err


def test_what_is_refused_before_anything_is_made_leaves_nothing(tmp_path):
    folder = tmp_path / "run"
    store.write_json(folder / "manifest.json", {})
    with pytest.raises(InputError), store.removed_if_refused(folder):
        raise InputError("Expected something else.")
    assert not folder.exists()
    store.write_json(folder / "manifest.json", {})
    store.write_json(folder / "shards" / "part.json", {})
    with pytest.raises(InputError), store.removed_if_refused(folder):
        raise InputError("Expected something else.")
    assert (folder / "manifest.json").exists()
