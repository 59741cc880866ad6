"""Folders of runs, without a run."""

import json
import os
import subprocess
import sys
import time

import pytest

from fer_xai.errors import InputError
from studies.engine import store
from studies.engine.leftovers import DAY

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


def test_opening_a_run_deletes_no_file_that_another_process_writes(opened, tmp_path):
    opened("a", "2.4")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone, living, foreign, huge, old, nameless = (
        tmp_path / "shards" / f".000000.parquet.{end}.tmp"
        for end in (ended.pid, os.getppid(), 1, 10**30, f"old.{os.getpid()}", "part")
    )
    for path in (gone, living, foreign, huge, old, nameless):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - DAY - 60,) * 2)
    opened("a", "2.4")
    assert not any(path.exists() for path in (gone, huge, old))
    assert all(path.exists() for path in (living, foreign, nameless))


def test_a_temporary_file_that_vanishes_meanwhile_is_no_fault(opened, tmp_path, monkeypatch):
    opened("a", "2.4")
    left = tmp_path / "shards" / f".000000.parquet.{os.getpid()}.tmp"
    left.write_bytes(b"half")
    kill = os.kill

    def finished(process, signal):
        left.unlink()
        kill(process, signal)

    monkeypatch.setattr(os, "kill", finished)
    opened("a", "2.4")
    assert not left.exists()
