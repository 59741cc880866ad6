import resource
import subprocess
import sys
from pathlib import Path

import pytest

from studies.registry import STUDIES, question
from studies.run import main

GUIDE = Path(__file__).parents[2] / "docs" / "studies.md"


def test_list_names_every_study_and_imports_nothing_heavy():
    code = (
        "import sys; from studies.run import main; main(['--list']); "
        "assert not {'torch', 'pandas', 'captum', 'tyro', 'numpy'} & set(sys.modules)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 0.5  # of the processor, so that a busy machine does not matter
    assert "gradcam_consistency" in found.stdout
    assert "across faces of one emotion?" in found.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["gradcam_consistancy"], "Unknown study 'gradcam_consistancy': did you mean gradcam_"),
        (["gradcam_consistency", "--models", "gimefife"], "did you mean gimefive"),
        (["gradcam_consistency", "--models", "gimefive=no.pth"], "Expected a checkpoint file"),
        (["gradcam_consistency", "--models", "gimefive=untrained"], "Expected trained weights"),
        (["gradcam_consistency", "--data", "rafdb"], "Expected the folder of rafdb"),
        (["gradcam_consistency", "--data", "rafdb:nowhere"], "nowhere does not exist"),
        (["gradcam_consistency", "--data", "synthetic:wilt"], "got 'wilt'"),
        (["gradcam_consistency", "--device", "gpu"], "Expected a device such as auto, cpu"),
    ],
)
def test_mistakes_get_one_sentence_and_leave_nothing(
    words, sentence, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main([*words, *(["--limit", "12"] if len(words) > 1 else [])]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_without_a_study_the_usage_is_shown(capsys):
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.count("usage: python -m studies.run") == 2


@pytest.mark.parametrize("name", STUDIES)
def test_the_guide_asks_the_questions_of_the_studies(name):
    assert f"| `{name}` | {question(name)}" in GUIDE.read_text(encoding="utf-8")
