"""The audit of models that are not ours."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from safetensors.torch import save_file

from fer_xai.data import load_dataset
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.models import FERModel
from studies import Audit, audit
from studies.run import main
from tests.conftest import tiny_model

FACTORY = '''
import timm
import torch

def net():
    torch.manual_seed(0)
    return timm.create_model("resnet10t", num_classes=7, pretrained=False)

def number():
    return 3
'''  # fmt: skip


@pytest.fixture(scope="module")
def faces():
    return load_dataset("synthetic", limit=6)


@pytest.fixture(scope="module")
def report(faces) -> Audit:
    return audit(tiny_model(), faces, methods=["gradcam", "saliency"],
                 metrics=["average_drop", "deletion", "naopc"],
                 thresholds={"average_drop": 1.0, "gradcam:deletion": 0.0})  # fmt: skip


def test_the_report_has_frame_tables_and_a_page(report, tmp_path):
    assert list(report.frame.columns) == [
        "id", "emotion", "target", "model", "method", "metric", "value",
    ]  # fmt: skip
    assert set(report.frame["method"]) >= {"gradcam", "saliency", "centre", "random"}
    assert set(report.tables) == {"methods", "disagreement", "refused", "fills_shared"}
    page = report.to_html(tmp_path / "deep" / "report.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert "tiny" in page
    assert "gradcam" in page
    assert report.to_html(tmp_path / "again.html").stat().st_size > 10_000


def test_thresholds_fail_where_the_mean_is_worse(report):
    assert not report.passed
    (failure,) = report.failures
    assert (failure.method, failure.metric, failure.limit) == ("gradcam", "deletion", 0.0)
    mean = report.frame.query("method == 'gradcam' and metric == 'deletion'")["value"].mean()
    assert failure.value == pytest.approx(mean)
    assert "gradcam: deletion" in str(failure)
    assert "1 of 3 thresholds were not reached" in report.answer


def test_a_refused_method_fails_its_threshold(faces):
    report = audit(
        tiny_model(), faces, methods=["gradcam", "attention_rollout"], metrics=["average_drop"],
        thresholds={"average_drop": 1.0},
    )  # fmt: skip
    assert [failure.method for failure in report.failures] == ["attention_rollout"]
    assert np.isnan(report.failures[0].value)


def test_the_gate_stops_what_does_not_look_at_the_model(faces):
    report = audit(tiny_model(), faces, methods=["gradcam"], metrics=["average_drop"], gate=True)
    assert "pass the randomisation gate" in report.answer
    gate = report.tables["gate"].set_index("method")
    assert gate.loc["edges", "gate"] == "fails"
    assert report.passed == (gate.loc["gradcam", "gate"] == "passes")


def test_names_are_escaped(faces, tmp_path):
    model = tiny_model()
    model.name = "<b>net</b>"
    page = audit(model, faces, methods=["gradcam"], metrics=["average_drop"]).to_html(
        tmp_path / "r.html"
    )
    assert "<b>net</b>" not in page.read_text()


def test_bad_input_is_one_sentence(faces):
    model = tiny_model()
    with pytest.raises(InputError, match="Expected thresholds of deletion, each for all methods"):
        audit(model, faces, metrics=["deletion"], thresholds={"insertion": 1})
    with pytest.raises(InputError, match="Expected thresholds of deletion, each for all methods"):
        audit(model, faces, metrics=["deletion"], thresholds={"lrp:deletion": 1})
    with pytest.raises(UnknownNameError, match="Unknown metric"):
        audit(model, faces, metrics=["delet"])
    with pytest.raises(InputError, match="Expected at least one metric"):
        audit(model, faces, metrics=[])
    with pytest.raises(InputError, match="Expected the primary metric among deletion"):
        audit(model, faces, metrics=["deletion"], primary="aopc")
    with pytest.raises(InputError, match="Expected faces to audit"):
        audit(model, faces.subset([]), metrics=["deletion"])


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "somebodys.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    torch.manual_seed(1)
    net = timm.create_model("resnet10t", num_classes=7, pretrained=False)
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    torch.save({"state_dict": net.state_dict()}, tmp_path / "w.pt")
    yield tmp_path
    sys.modules.pop("somebodys", None)


def words(folder, *more):
    return ["audit", "--model", "somebodys:net", "--emotions", "fer2013", "--limit", "4",
            "--methods", "gradcam", "saliency", "--metrics", "average_drop", "insertion",
            "--out", str(folder / "audit"), "--no-progress", *more]  # fmt: skip


def test_a_network_of_somebody_elses_is_audited_and_its_threshold_sets_the_exit_status(
    module, capsys
):
    assert main(words(module, "--weights", str(module / "w.pt"))) == 0
    frame = pd.read_parquet(module / "audit" / "scores.parquet")
    assert set(frame["model"]) == {"net"}
    assert (module / "audit" / "report.html").stat().st_size > 10_000
    again = words(module, "--weights", str(module / "w.safetensors"))
    assert main([*again, "--fail-under", "average_drop=1", "gradcam:insertion=0.99"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("audit: gradcam: insertion")
    assert "expected 0.99 or better" in said
    same = pd.read_parquet(module / "audit" / "scores.parquet")
    assert np.allclose(frame["value"], same["value"], atol=1e-3, equal_nan=True)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--model", "somebodys:none"], "Expected --model package.module:factory, but somebodys:"),
        (["--model", "nobodys:net"], "Expected --model package.module:factory, but nobodys:net"),
        (["--model", "somebodys:number"], "to return a torch.nn.Module, got int"),
        (["--model", "gimefivee"], "Or name a factory of yours as"),
        (["--weights", "nowhere.pt"], "Expected a checkpoint file, found none at nowhere.pt"),
        (["--fail-under", "insertion"], "Expected --fail-under [METHOD:]METRIC=VALUE"),
        (["--fail-under", "lrp:insertion=1"], "Expected thresholds of average_drop, insertion"),
    ],
)
def test_options_that_cannot_be_used_are_one_sentence(module, capsys, more, sentence):
    assert main(words(module, *more)) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert not (module / "audit").exists()


def test_a_bare_network_needs_its_label_order(module, capsys):
    told = [w for w in words(module) if w not in ("--emotions", "fer2013")]
    assert main(told) == 2
    assert "Expected --emotions for the bare network of somebodys:net" in capsys.readouterr().err


def test_a_network_with_an_order_of_its_own_is_read_by_name(faces):
    """The columns of a network turned round, told so, give the same scores."""
    one = tiny_model()
    turned = tiny_model()
    with torch.no_grad():
        turned.net.fc.weight.copy_(one.net.fc.weight.flip(0))
        turned.net.fc.bias.copy_(one.net.fc.bias.flip(0))
    other = FERModel(turned.net, emotions=one.emotions[::-1], size=64, cam_layer="relu2").eval()
    scores = [
        audit(model, faces, methods=["gradcam"], metrics=["insertion"]).frame["value"]
        for model in (one, other)
    ]
    assert np.allclose(*scores, atol=1e-5, equal_nan=True)


def test_the_command_exits_with_its_verdict(module):
    command = [sys.executable, "-m", "studies.run", *words(module, "--fail-under",
               "gradcam:insertion=0.999")]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, check=False,
                           env={**__import__("os").environ, "PYTHONPATH": str(module)})  # fmt: skip
    assert found.returncode == 1
    assert "expected 0.999 or better" in found.stderr
