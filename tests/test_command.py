"""Command lines: their exit status, and what they print where."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fer_xai.command import check_folder, run_command
from fer_xai.errors import InputError
from studies.registry import STUDIES
from studies.run import main as study
from training.evaluate import main as evaluate
from training.run import main as train


def raising(error):
    def work(*_, **__):
        raise error

    return work


@pytest.mark.parametrize(
    ("work", "status"),
    [
        (lambda: None, 0),
        (lambda: Path("folder"), 0),
        (lambda: 1, 1),
        (raising(InputError("Expected this.")), 2),
        (raising(SystemExit(2)), 2),
        (raising(SystemExit(0)), 0),
        (raising(SystemExit("words")), 2),
        (raising(RuntimeError("crash")), 3),
        (raising(KeyboardInterrupt()), 130),
    ],
)
def test_one_exit_status_for_one_thing(work, status, capsys):
    assert run_command("it", work) == status
    said = capsys.readouterr().err
    assert (said == "it: Expected this.\n") or status != 2 or "Expected" not in said
    assert ("Traceback" in said) == (status == 3)


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (train, ["--model", "gimefife"]),
        (train, ["--seed", "-1"]),
        (train, ["--nonsense"]),
        (evaluate, ["--weights", "nothing"]),
        (evaluate, ["--json", "{tmp}"]),
        (evaluate, ["--json", "{file}/x.json"]),
        (study, ["audit", "--limit", "0"]),
        (study, ["audit", "--nonsense"]),
    ],
)
def test_options_that_cannot_be_used_are_2_everywhere(main, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "file"
    file.write_text("")
    filled = [word.format(tmp=tmp_path, file=file) for word in words]
    assert main(filled) == 2
    assert "Traceback" not in capsys.readouterr().err


OUT = {
    "gradcam_consistency": [],
    "attribution_agreement": [],
    "faithfulness": [],
    "sanity_checks": [],
    "meta_evaluation": [],
    "audit": [],
    "planted_regions": [],
    "paper_table": [],
    "ablation": [],
}


@pytest.mark.parametrize("name", OUT)
def test_every_study_tries_out_before_any_work(name, tmp_path, capsys, monkeypatch):
    for kind in STUDIES[name].__mro__:  # where the name is looked up, once it has been imported
        if hasattr(sys.modules[kind.__module__], "load_dataset"):
            work = raising(AssertionError("began to work"))
            monkeypatch.setattr(sys.modules[kind.__module__], "load_dataset", work)
    file = tmp_path / "file"
    file.write_text("")
    for place in (file, file / "below", tmp_path / ("n" * 300)):
        assert study([name, "--out", str(place)]) == 2
        said = capsys.readouterr().err
        assert "Expected --out as a folder to write to" in said
        assert said.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_training_tries_its_folder_before_any_work(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("")
    assert train(["--out", str(file)]) == 2
    assert "Expected --out as a folder to write to" in capsys.readouterr().err
    assert study(["paper_table", "--out", str(tmp_path), "--runs", str(file)]) == 2
    assert "Expected --runs as a folder to write to" in capsys.readouterr().err


def test_a_folder_that_can_be_made_is_tried_and_not_made(tmp_path):
    check_folder(tmp_path / "a" / "b")
    check_folder(tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match="Expected --out as a folder"):
        check_folder(tmp_path / "nowhere" / "x")


def test_a_write_protected_folder_is_refused(tmp_path, monkeypatch):
    def protected(**_):
        raise PermissionError

    monkeypatch.setattr("fer_xai.command.tempfile.mkdtemp", protected)
    with pytest.raises(InputError, match="is write-protected, choose another place"):
        check_folder(tmp_path / "a")


def shell(command, **environment):
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


ODD = {"PYTHONIOENCODING": "ascii", "MPLBACKEND": "module://no_such_notebook.backend_inline"}


def test_help_works_in_any_terminal_pipe_and_notebook():
    found = shell(f"{sys.executable} -m studies.run audit --help | head -1", **ODD)
    assert (found.stderr, found.returncode) == ("", 0)
    assert found.stdout.startswith("usage: ")


@pytest.mark.parametrize("command", ["studies.run --list", "training.evaluate --help"])
def test_a_reader_that_has_gone_before_the_first_line_ends_nothing(command):
    found = shell(f"{sys.executable} -m {command} | true", **ODD)
    assert (found.stderr, found.returncode) == ("", 0)


def test_help_tells_the_exit_statuses(capsys):
    for main, words in ((study, ["audit"]), (train, []), (evaluate, [])):
        assert main([*words, "--help"]) == 0
        assert "2 options that cannot be used" in " ".join(capsys.readouterr().out.split())
    study(["--help"])
    assert "3 a crash" in capsys.readouterr().out
