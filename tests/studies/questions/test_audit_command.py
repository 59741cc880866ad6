"""The audit from the command line: networks of somebody else's, its exit status, its refusals."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from safetensors.torch import save_file

from studies.questions.audit.study import AuditStudy
from studies.run import main

FACTORY = '''
import torch

def net():
    import timm
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
        "--controls",
        "centre",
        "--batch-size",
        "8",
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
    assert "has no interval" in said  # of four faces
    (second,) = set(runs(module)) - {first}  # another run, which overwrites none
    assert "judged by the worse bound" in (second / "answer.txt").read_text()
    same = pd.read_parquet(second / "scores.parquet")
    assert np.allclose(frame["value"], same["value"], atol=1e-3, equal_nan=True)


def tiny(folder, *more):
    told = [w for w in words(folder, *more) if w not in ("--emotions", "fer2013")]
    told[told.index("somebodys:net")] = "somebodys:tiny"
    order = "happiness,surprise,sadness,anger,disgust,fear"
    return [*told, *([] if "somebodys:wrapped" in more else ["--emotions", order])]


def test_a_stopped_audit_goes_on_with_what_it_knows(module, capsys, monkeypatch):
    from studies.engine import explained as targets_module

    monkeypatch.setattr("studies.scoreboard.gate.MODEL_FREE", ("centre",))
    command = tiny(module, "--methods", "gradcam", "attention_rollout", "--limit", "18", "--gate")
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
        (
            ["--weights", "nowhere.pt"],
            "Expected a checkpoint file, but nowhere.pt does not exist: give",
        ),
        (["--model", "somebodys:here"], "Expected somebodys:here to be a function without arg"),
        (["--model", "somebodys:broken"], "but it failed (RuntimeError: no weights)"),
        (
            ["--model", "somebodys:wrapped"],
            "Expected --emotions for a bare network or weights of your own alone, but somebodys:",
        ),
        (
            ["--model", "gimefive"],
            "Expected --emotions for a bare network or weights of your own alone, but gimefive",
        ),
        (["--size", "0"], "Expected --size as a whole number of 1 or more, got 0"),
        (["--std", "1", "1", "0"], "Expected --std above 0, got 0.0"),
        (["--seed", "-1"], "Expected --seed from 0, got -1"),
        (["--limit", "0"], "Expected --limit as a whole number of 1 or more, got 0"),
        (["--margin", "0"], "Expected --margin above 0, got 0.0"),
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


def test_a_margin_is_part_of_a_runs_identity_where_it_is_declared():
    assert "margin" not in AuditStudy().config()  # runs of before it keep their names
    assert AuditStudy(margin=0.02).config()["margin"] == 0.02


def test_a_bare_network_needs_its_label_order(module, capsys):
    told = [w for w in words(module) if w not in ("--emotions", "fer2013")]
    assert main(told) == 2
    assert "Expected --emotions for the bare network of somebodys:net" in capsys.readouterr().err


def test_a_place_that_is_a_file_is_refused(module, capsys):
    (module / "file").write_text("")
    assert main(words(module, "--out", str(module / "file"))) == 2
    assert "Expected --out as a folder to write to" in capsys.readouterr().err


def test_the_command_exits_with_its_verdict(module):
    command = [
        sys.executable,
        "-m",
        "studies.run",
        *tiny(module, "--fail-under", "gradcam:insertion=0.999"),
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
