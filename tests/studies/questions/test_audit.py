"""The audit of models that are not ours."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from safetensors.torch import save_file

from fer_xai.data import load_dataset
from fer_xai.errors import InputError
from fer_xai.models import FERModel
from metrics.core.registry import METRICS
from studies import Audit, audit
from studies.run import main
from studies.scoreboard.thresholds import held
from tests.helpers import tiny_model

FACTORY = '''
import timm
import torch

def net():
    torch.manual_seed(0)
    return timm.create_model("resnet10t", num_classes=7, pretrained=False)

def number():
    return 3

def broken():
    raise RuntimeError("no\\nweights")

def tiny():
    from tests.helpers import tiny_model
    return tiny_model().net

def wrapped():
    from tests.helpers import tiny_model
    return tiny_model()

class Crashes(torch.nn.Module):
    """Once it has seen a few images."""

    def __init__(self):
        super().__init__()
        self.net = tiny()
        self.seen = 0

    def forward(self, x):
        self.seen += 1
        if self.seen > 4:
            raise RuntimeError("on the way")
        return self.net(x)

def probabilities():
    return torch.nn.Sequential(tiny(), torch.nn.Softmax(dim=1))

def one_channel():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 6, 64), torch.nn.Flatten())

here = tiny()
'''


SIX_OF_ITS = ["--emotions", "happiness,surprise,sadness,anger,disgust,fear"]


@pytest.fixture(scope="module")
def faces():
    return load_dataset("synthetic", limit=6)


@pytest.fixture(scope="module")
def report(faces) -> Audit:
    return audit(
        tiny_model(),
        faces,
        methods=["gradcam", "saliency"],
        metrics=["average_drop", "deletion", "naopc"],
        thresholds={"average_drop": 1.0, "gradcam:deletion": 0.0},
        anyway=True,
    )


def test_the_report_has_frame_tables_and_a_page(report, tmp_path):
    assert list(report.frame.columns) == [
        "id",
        "emotion",
        "target",
        "model",
        "method",
        "metric",
        "value",
        "blank",
        "undefined",
    ]
    assert set(report.frame["method"]) >= {"gradcam", "saliency", "centre", "random"}
    assert set(report.tables) == {
        "thresholds",
        "recall",
        "maps",
        "methods",
        "disagreement",
        "refused",
        "fills_shared",
    }
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
    assert str(failure).endswith(", expected at most 0")
    assert "1 of 3 thresholds were not reached" in report.answer
    table = report.tables["thresholds"].set_index(["method", "metric"])
    assert table["reached"].to_dict() == {
        ("gradcam", "average_drop"): True,
        ("saliency", "average_drop"): True,
        ("gradcam", "deletion"): False,
    }
    assert set(table["expected"]) == {"at most 1", "at most 0"}


@pytest.mark.parametrize(
    ("undefined", "sentence"),
    [
        (0.5, None),
        (0.6, "gradcam: insertion is undefined for 60% of faces, expected a mean of at least 0.2"),
    ],
)
def test_a_mean_over_a_minority_of_faces_reaches_nothing(undefined, sentence):
    table = pd.DataFrame(
        [{"method": "gradcam", "metric": "insertion", "mean": 0.9, "undefined": undefined}]
    )
    (found,) = held(table, {("gradcam", "insertion"): 0.2}, {"insertion": METRICS["insertion"]})
    assert found.reached == (sentence is None)
    assert sentence is None or str(found).startswith(sentence)


def test_the_manifest_says_what_was_asked(report):
    assert report.manifest["methods"] == ["gradcam", "saliency"]
    assert report.manifest["metrics"] == ["average_drop", "deletion", "naopc"]
    assert report.manifest["targets"] == "predicted"
    assert "centre" in report.manifest["controls"]
    assert report.manifest["thresholds"] == {"average_drop": 1.0, "gradcam:deletion": 0.0}


def test_a_refused_method_fails_its_threshold(faces):
    report = audit(
        tiny_model(),
        faces,
        methods=["gradcam", "attention_rollout"],
        metrics=["average_drop"],
        thresholds={"average_drop": 1.0},
        anyway=True,
    )
    assert [failure.method for failure in report.failures] == ["attention_rollout"]
    assert str(report.failures[0]) == (
        "attention_rollout: average_drop has no score, expected at most 1"
    )


def test_the_gate_stops_what_does_not_look_at_the_model(faces):
    report = audit(
        tiny_model(), faces, methods=["gradcam"], metrics=["average_drop"], gate=True, anyway=True
    )
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


@pytest.mark.parametrize("name", ["../../../x", "n" * 300, "m[/b]|<script>", "=1+1"])
def test_a_model_may_be_called_anything(name, faces, tmp_path, monkeypatch):
    """Its name is no path, no markup, no formula and no tag."""
    model = tiny_model()
    model.name = name
    found = audit(
        model,
        faces,
        methods=["gradcam", "saliency", "layercam"],
        metrics=["average_drop", "average_gain", "gini"],
        controls=["centre"],
        shards=tmp_path / "a" / "b" / "c" / "shards",
    )
    found.write(tmp_path / "a" / "b" / "c")
    everything = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert all((tmp_path / "a" / "b" / "c") in file.parents for file in everything)
    pictures = [file.name for file in everything if file.suffix == ".png"]
    assert len(pictures) >= 2
    assert all(
        set(picture) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-+=@") for picture in pictures
    )
    page, rows = (
        next(f.read_text() for f in everything if f.name == n)
        for n in ("report.html", "methods.md")
    )
    assert "<script" not in page + rows
    assert len({line.replace("\\|", "").count("|") for line in rows.splitlines()}) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"thresholds": {"insertion": 1}}, "Expected thresholds of deletion, each for all methods"),
        ({"thresholds": {"lrp:deletion": 1}}, "Expected thresholds of deletion, each for all meth"),
        ({"metrics": ["delet"]}, "Unknown metric"),
        ({"metrics": []}, "Expected at least one metric"),
        ({"primary": "aopc"}, "Expected the primary metric among deletion"),
        ({"seed": -1}, "Expected seed from 0, got -1"),
        ({"seed": 1.5}, "Expected seed as a whole number"),
        ({"methods": "gradcam"}, r"Expected a list of methods, .* pass \['gradcam'\]"),
        ({"thresholds": {"deletion": "a"}}, "Expected a number as threshold of deletion, got 'a'"),
    ],
)
def test_bad_input_is_one_sentence(faces, options, sentence):
    with pytest.raises(InputError, match=sentence):
        audit(tiny_model(), faces, **({"metrics": ["deletion"]} | options))


def test_what_is_no_model_and_what_are_no_faces_is_one_sentence(faces):
    with pytest.raises(InputError, match="Expected faces to audit"):
        audit(tiny_model(), faces.subset([]), metrics=["deletion"])
    with pytest.raises(InputError, match="Expected a FERModel, got Linear: load one"):
        audit(torch.nn.Linear(3, 6), faces)
    with pytest.raises(InputError, match="Expected Faces, which are labelled, got Tensor"):
        audit(tiny_model(), faces.images)


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
    return [
        "audit",
        "--model",
        "somebodys:net",
        "--emotions",
        "fer2013",
        "--limit",
        "4",
        "--methods",
        "gradcam",
        "saliency",
        "--metrics",
        "average_drop",
        "insertion",
        "--anyway",
        "--out",
        str(folder / "out"),
        "--no-progress",
        *more,
    ]


def runs(folder):
    """Folders of runs, the oldest first."""
    return sorted((folder / "out" / "audit").iterdir(), key=lambda run: run.stat().st_ctime_ns)


def test_a_network_of_somebody_elses_is_audited_and_its_threshold_sets_the_exit_status(
    module, capsys
):
    assert main(words(module, "--weights", str(module / "w.pt"))) == 0
    (first,) = runs(module)
    frame = pd.read_parquet(first / "scores.parquet")
    assert set(frame["model"]) == {"net"}
    assert (first / "report.html").stat().st_size > 10_000
    again = words(module, "--weights", str(module / "w.safetensors"))
    assert main([*again, "--fail-under", "average_drop=1", "gradcam:insertion=0.99"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("audit: gradcam: insertion")
    assert "expected at least 0.99" in said
    (second,) = set(runs(module)) - {first}  # another run, which overwrites none
    same = pd.read_parquet(second / "scores.parquet")
    assert np.allclose(frame["value"], same["value"], atol=1e-3, equal_nan=True)


def tiny(folder, *more):
    told = [w for w in words(folder, *more) if w not in ("--emotions", "fer2013")]
    told[told.index("somebodys:net")] = "somebodys:tiny"
    order = "happiness,surprise,sadness,anger,disgust,fear"
    return [*told, *([] if "somebodys:wrapped" in more else ["--emotions", order])]


def test_a_stopped_audit_goes_on_with_what_it_knows(module, capsys, monkeypatch):
    from studies.engine import targets as targets_module

    command = tiny(module, "--methods", "gradcam", "attention_rollout", "--limit", "20", "--gate")
    main(command)
    (run,) = runs(module)
    before = pd.read_parquet(run / "scores.parquet")
    shards = sorted((run / "shards").iterdir())
    assert [shard.name for shard in shards[:2]] == ["000000.parquet", "000016.parquet"]
    assert "gate-gradcam.npz" in [shard.name for shard in shards]
    shards[1].unlink()
    made = []
    explain = targets_module.explain
    monkeypatch.setattr(
        targets_module, "explain", lambda *a, **o: made.append(o["method"]) or explain(*a, **o)
    )
    main(command)
    assert runs(module) == [run]
    assert made == ["gradcam"]  # of the last chunk alone; what refused is not asked again
    pd.testing.assert_frame_equal(before, pd.read_parquet(run / "scores.parquet"))
    refused = pd.read_csv(run / "tables" / "refused.csv")
    assert list(refused["attribution"]) == ["attention_rollout"]


def test_options_of_a_bare_network_are_used(module):
    for more in (["--mean", "0", "0", "0", "--std", "1", "1", "1"], ["--size", "32"], []):
        main(tiny(module, *more))
    manifests = [json.loads((run / "manifest.json").read_text()) for run in runs(module)]
    assert len({str(manifest["inputs"]["answers"]) for manifest in manifests}) == 3


def test_a_crash_is_no_verdict(module, capsys):
    told = words(module, "--model", "somebodys:Crashes", *SIX_OF_ITS)
    assert main(told) == 3
    assert "RuntimeError: on the way" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--model", "somebodys:none"], "Expected --model package.module:factory, but somebodys:"),
        (["--model", "nobodys:net"], "Expected --model package.module:factory, but nobodys:net"),
        (["--model", "somebodys:number"], "to return a torch.nn.Module, got int"),
        (["--model", "gimefivee"], "Or name a factory of yours as"),
        (["--weights", "nowhere.pt"], "Expected a checkpoint file, found none at nowhere.pt"),
        (["--model", "somebodys:here"], "Expected somebodys:here to be a function without arg"),
        (["--model", "somebodys:broken"], "but it failed (RuntimeError: no weights)"),
        (["--model", "somebodys:wrapped"], "Expected --emotions for a bare network alone, but"),
        (["--model", "gimefive"], "Expected --emotions for a bare network alone, but gimefive"),
        (["--size", "0"], "Expected --size as a whole number of 1 or more, got 0"),
        (["--std", "1", "1", "0"], "Expected --std above 0, got 0.0"),
        (["--seed", "-1"], "Expected --seed from 0, got -1"),
        (["--limit", "0"], "Expected a positive number of faces to keep, got 0"),
        (["--batch-size", "0"], "Expected --batch-size as a whole number of 1 or more"),
        (["--controls", "center"], "Unknown control 'center'"),
        (["--primary", "aopc"], "Expected the primary metric among average_drop, insertion, got"),
        (["--fail-under", "insertion"], "Expected --fail-under [METHOD:]METRIC=VALUE"),
        (["--fail-under", "insertion=nan"], "Expected a number as threshold of insertion, got nan"),
        (["--fail-under", "insertion=1", "insertion=0"], "Expected each threshold once, got inse"),
        (["--model", "somebodys:one_channel", *SIX_OF_ITS], "to take images (B, 3, 64, 64), but"),
        (["--model", "somebodys:probabilities", *SIX_OF_ITS], "Expected logits from probabilities"),
        (["--limit", "1", "--gate"], "Expected two faces or more, on which the BatchNorms"),
        (["--fail-under", "lrp:insertion=1"], "Expected thresholds of average_drop, insertion"),
    ],
)
def test_options_that_cannot_be_used_are_one_sentence(module, capsys, more, sentence):
    assert main(words(module, *more)) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert not (module / "out").exists()


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


def test_the_answer_speaks_of_a_metric_that_is_held_against_the_centre(faces):
    found = audit(tiny_model(), faces, methods=["gradcam"], metrics=["gini", "average_drop"])
    assert found.manifest["primary"] == "average_drop"


def test_a_place_that_is_a_file_is_refused(module, capsys):
    (module / "file").write_text("")
    assert main(words(module, "--out", str(module / "file"))) == 2
    assert "Expected --out as a folder to write to" in capsys.readouterr().err


def test_the_command_exits_with_its_verdict(module):
    command = [
        sys.executable,
        "-m",
        "studies.run",
        *words(module, "--fail-under", "gradcam:insertion=0.999"),
    ]
    found = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**__import__("os").environ, "PYTHONPATH": str(module)},
    )
    assert found.returncode == 1
    assert "expected at least 0.999" in found.stderr
