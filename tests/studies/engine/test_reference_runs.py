import subprocess
from pathlib import Path

import pytest

from studies.engine.reference_runs import REFERENCE, differences, verdict
from studies.registry import STUDIES
from studies.run import main

TABLE = """model,method,faces,AUC,p,note
tiny,gradcam,600,0.64212,1e-26,
tiny,saliency,600,0.5,0.25,blank
"""


@pytest.fixture
def folders(tmp_path):
    """Two runs' tables, the same as yet: ours, and those of the reference."""
    for name in ("ours", "reference"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "methods.csv").write_text(TABLE)
    return tmp_path / "ours", tmp_path / "reference"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("0.64212", "0.64213"),
        ("1e-26", "2.5e-26"),
        ("600", "600.0"),
        ("tiny,gradcam,600,0.64212,1e-26,\ntiny,saliency,600,0.5,0.25,blank", None),
    ],
    ids=["to 1e-4", "small numbers", "how a number is written", "the order of rows"],
)
def test_numbers_to_the_tolerance_are_the_same(folders, before, after):
    ours, reference = folders
    after = after or "\n".join(reversed(before.splitlines()))
    assert before in TABLE
    (ours / "methods.csv").write_text(TABLE.replace(before, after))
    assert differences(ours, reference) == []


@pytest.mark.parametrize(
    ("before", "after", "phrase"),
    [
        (
            "0.64212",
            "0.6424",
            'row "tiny, gradcam", column "AUC": 0.6424 instead of 0.64212',
        ),
        ("0.64212", "", 'row "tiny, gradcam", column "AUC": an empty cell instead of 0.64212'),
        ("0.64212", "nan", 'row "tiny, gradcam", column "AUC": nan instead of 0.64212'),
        ("blank", "", 'row "tiny, saliency", column "note": an empty cell instead of "blank"'),
        ("600,0.5", "601,0.5", 'row "tiny, saliency", column "faces": 601 instead of 600'),
        ("tiny,saliency,600,0.5,0.25,blank\n", "", 'row "tiny, saliency" is missing'),
        (",blank\n", ",blank\ntiny,lrp,1,1,1,\n", 'row "tiny, lrp" is not in the reference'),
        ("1e-26,", "1e-26,,9", 'column "unnamed 7" is not in the reference'),
        ("note", "remark", 'column "note" is missing'),
        (TABLE, "", 'column "model" is missing'),
    ],
)
def test_every_difference_is_named(folders, before, after, phrase):
    ours, reference = folders
    (ours / "methods.csv").write_text(TABLE.replace(before, after))
    assert f"methods.csv, {phrase}" in differences(ours, reference)


def test_whole_numbers_that_are_large_have_to_be_equal(folders):
    for folder, value in zip(folders, ("100000", "100001"), strict=True):
        (folder / "methods.csv").write_text(f"model,faces\ntiny,{value}\n")
    assert len(differences(*folders)) == 1


def test_rows_with_nothing_to_tell_them_apart_are_numbered(folders):
    for folder, value in zip(folders, ("0.2", "0.3"), strict=True):
        (folder / "methods.csv").write_text(f"a,b\n0.1,0.1\n0.1,{value}\n")
    assert differences(*folders) == ['methods.csv, row "2", column "b": 0.2 instead of 0.3']


def test_tables_that_only_one_run_has_are_differences(folders):
    ours, reference = folders
    (ours / "gate.csv").write_text("a\n1\n")
    (reference / "regions.csv").write_text("a\n1\n")
    assert differences(ours, reference) == [
        "regions.csv is missing",
        "gate.csv is not in the reference",
    ]


@pytest.fixture
def run(tmp_path):
    """A run ``study/run`` and its reference, with the same table."""
    for place in ("out", "reference"):
        (tmp_path / place / "study" / "run" / "tables").mkdir(parents=True)
        (tmp_path / place / "study" / "run" / "tables" / "methods.csv").write_text(TABLE)
    return tmp_path / "out" / "study" / "run"


def test_the_verdict_is_one_line(run, tmp_path):
    root = tmp_path / "reference"
    name = "reference/study/run"
    assert verdict(run, root=root).endswith(f"{name} (to 0.0001).")
    assert verdict(run, root=root).startswith("The numbers are those of the reference run ")
    rows = "".join(f"tiny,lrp{number},1,1,1,\n" for number in range(5))
    (run / "tables" / "methods.csv").write_text(TABLE + rows)
    found = verdict(run, root=root)
    assert found.startswith("The numbers differ from the reference run ")
    assert found.endswith('row "tiny, lrp2" is not in the reference; and 2 more.')
    assert "\n" not in found


def test_without_a_reference_nothing_is_said(run, tmp_path):
    assert verdict(run, root=tmp_path / "elsewhere") == ""
    assert verdict(run.with_name("other"), root=tmp_path / "reference") == ""
    itself = tmp_path / "reference" / "study" / "run"
    assert verdict(itself, root=tmp_path / "reference") == ""


class Study:
    """Study that has run already."""

    dry_run = False

    def run(self):
        return self.folder


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_last_line_of_a_study_compares_it(run, tmp_path, monkeypatch, capsys, dry_run):
    study = Study()
    study.folder, study.dry_run = run, dry_run
    monkeypatch.setattr(
        "studies.engine.reference_runs.verdict", lambda run: f"{run.name} compared."
    )
    monkeypatch.setattr("studies.run.STUDIES", {"planted_regions": Study})
    monkeypatch.setattr("studies.run.parsed", lambda *_, **__: study)
    assert main(["planted_regions"]) == 0
    assert capsys.readouterr().out == ("" if dry_run else "run compared.\n")


REFERENCES = sorted(REFERENCE.glob("*/*"))


@pytest.mark.parametrize("folder", REFERENCES, ids=lambda folder: folder.parent.name)
def test_reference_runs_are_whole(folder):
    assert folder.parent.name in STUDIES
    assert {"answer.txt", "manifest.json", "report.html", "tables"} <= {
        path.name for path in folder.iterdir()
    }
    assert differences(folder / "tables", folder / "tables") == []


def test_runs_of_ones_own_are_ignored_by_git(tmp_path):
    root = Path(__file__).parents[3]
    paths = {
        "results/gradcam_consistency/mine/report.html": True,
        "results/reference/gradcam_consistency/mine/report.html": False,
        "results/reference/gradcam_consistency/mine/maps/a.npz": True,
        "results/trainings/mine/card.json": False,
        "results/benchmarks/mine.md": False,
    }
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_bytes((root / ".gitignore").read_bytes())
    found = subprocess.run(
        ["git", "-C", str(tmp_path), "check-ignore", *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout.split() == [path for path, ignored in paths.items() if ignored]
