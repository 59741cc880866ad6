"""The study ``preflight``: exit status, tables, figures and answer."""

import json

import pandas as pd

from fer_xai import preflight
from fer_xai.command import DONE, REFUSED
from fer_xai.emotions import SIX
from studies.questions import preflight as study
from studies.questions.preflight import PreflightStudy, write_report
from tests.wiring.conftest import pattern_faces, wired


def test_a_shipped_model_passes(tmp_path, capsys):
    status = PreflightStudy(limit=12, progress=False, device="cpu", out=tmp_path).run()
    assert status == DONE
    (folder,) = (tmp_path / "preflight").iterdir()
    assert json.loads((folder / "manifest.json").read_text())["status"] == "complete"
    checks = pd.read_csv(folder / "tables" / "checks.csv")
    assert {"order of the outputs", "colour order", "chance"} <= set(checks["check"])
    assert "Wiring as declared" in (folder / "report.html").read_text()
    assert "No check found gimefive wired otherwise than declared" in capsys.readouterr().out


def test_a_wrong_one_does_not_and_the_report_shows_the_evidence(tmp_path, monkeypatch):
    wrong = preflight(
        wired(colour_order="bgr", emotions=(SIX[1], SIX[0], *SIX[2:])), pattern_faces()
    )
    monkeypatch.setattr(study, "preflight", lambda *_, **__: wrong)
    status = PreflightStudy(limit=12, progress=False, device="cpu", out=tmp_path / "run").run()
    assert status == REFUSED
    write_report(tmp_path, wrong, facts={}, manifest={})
    feeding = pd.read_csv(tmp_path / "tables" / "feeding.csv")
    assert feeding.loc[feeding["fed with"] == "RGB", "low"].item() > 0
    assert len(pd.read_csv(tmp_path / "tables" / "pairs.csv")) == 15
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "feeding.png",
        "pairs.png",
    ]
    assert "colour_order=" in (tmp_path / "answer.txt").read_text()
