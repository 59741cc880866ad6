"""Models of the user's own by name, convention and number of emotions, in studies and the audit."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from fer_xai.data import load_dataset
from fer_xai.emotions import SEVEN
from fer_xai.errors import InputError
from studies.engine.classes import asked_for, known_to_all
from studies.engine.networks import Network, networks
from studies.engine.specs import DataSpec, ModelSpec
from studies.questions.audit.study import AuditStudy
from studies.questions.gradcam_consistency.study import GradcamConsistency
from studies.run import main
from tests.helpers import TinyNet
from tests.studies import run_study


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Faces of seven emotions in folders, and a net of seven outputs in RAF-DB's order."""
    root = tmp_path_factory.mktemp("seven")
    random = np.random.default_rng(0)
    for emotion in SEVEN:
        (root / "faces" / "test" / emotion).mkdir(parents=True)
        for number in range(4):
            pixels = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(
                root / "faces" / "test" / emotion / f"{emotion}{number}.png"
            )
    torch.manual_seed(0)
    torch.save({"state_dict": TinyNet(7).state_dict()}, root / "w.pth")
    (root / "mine.toml").write_text('emotions = "rafdb"\nsize = 64\nnormalisation = "half"\n')
    return root


def words(place, *more):
    return [
        *("--data", f"folder:{place / 'faces'}", "--device", "cpu", "--no-progress"),
        *("--batch-size", "8", "--out", str(place / "out"), *more),
    ]


SCORED = ("--methods", "gradcam", "--metrics", "average_drop")


def test_seven_emotions_in_a_scored_study(place, tmp_path):
    told = ["--models", f"tiny={place / 'w.pth'}", "--convention", str(place / "mine.toml")]
    out = ["--out", str(tmp_path)]
    with run_study.sparing():
        told = words(place, *told, *SCORED, "--classes", "seven", *out)
        assert main(["faithfulness", *told]) == 0
    (folder,) = (tmp_path / "faithfulness").iterdir()
    faces = pd.read_parquet(folder / "faces.parquet")
    assert faces["emotion"].value_counts().to_dict() == dict.fromkeys(SEVEN, 4)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "left out" not in manifest
    assert manifest["config"]["classes"] == "seven"


def test_what_is_left_out_is_said(place, tmp_path):
    told = ["--models", f"tiny={place / 'w.pth'}#{place / 'mine.toml'}", *SCORED]
    with run_study.sparing():
        assert main(["faithfulness", *words(place, *told, "--out", str(tmp_path / "six"))]) == 0
    (folder,) = (tmp_path / "six" / "faithfulness").iterdir()
    said = "Left out: 4 faces of neutral, which --classes does not ask for."
    assert said in (folder / "answer.txt").read_text()
    assert "classes" not in json.loads((folder / "manifest.json").read_text())["config"]
    both = [*told[:2], "baseline4=untrained"]
    assert main(["faithfulness", *words(place, *both)]) == 2  # untrained ones stand beside anyway


def test_emotions_that_a_model_lacks_are_left_out_and_counted(place):
    spec = ModelSpec("tiny", str(place / "w.pth"), str(place / "mine.toml"))
    found = networks([spec, ModelSpec("gimefive", "rafdb")], data=DataSpec("folder"), untrained=1)
    assert known_to_all(SEVEN, found) == SEVEN[:6]
    with pytest.raises(InputError, match="Expected two emotions or more that all models know"):
        known_to_all(("neutral", "fear"), found)
    one = Network(name="a", architecture="tiny", weights=spec.weights, convention=spec.convention)
    assert known_to_all(SEVEN, [one]) == SEVEN
    assert one.built().wiring["normalisation"] == "half"


def test_loading_counts_faces_of_other_emotions(place):
    faces = load_dataset(f"folder:{place / 'faces'}", split="test", emotions=["fear", "anger"])
    others = {"happiness": 4, "surprise": 4, "sadness": 4, "disgust": 4, "neutral": 4}
    assert faces.left_out == others
    assert faces[:2].left_out == others
    assert load_dataset(f"folder:{place / 'faces'}", split="test").left_out == {}


def test_seven_emotions_in_the_consistency_study(place, tmp_path):
    with run_study.sparing():
        folder = GradcamConsistency(
            models=(f"tiny={place / 'w.pth'}",),
            convention=str(place / "mine.toml"),
            data=f"folder:{place / 'faces'}",
            classes="seven",
            registration="none",
            untrained=2,
            moved=4,
            batch_size=8,
            device="cpu",
            progress=False,
            out=tmp_path,
        ).run()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["emotions"] == list(SEVEN)
    rows = pd.read_parquet(folder / "sets.parquet")
    assert "fixed:neutral" in set(rows["target"])


def audit(place, out, *more):
    told = ["--methods", "gradcam", "--metrics", "average_drop", "--controls", "centre", "--anyway"]
    return main(["audit", *words(place, *told, *more, "--out", str(out))])


@pytest.mark.parametrize(
    "more",
    [
        ["--emotions", "rafdb"],
        ["--convention", "dan-rafdb", "--size", "64"],
        ["--emotions", "Su,Fe,Di,Ha,Sa,An,Ne", "--cam-layer", "relu1", "--mean", "0", "0", "0"],
    ],
)
def test_an_audit_of_weights_of_ones_own(place, tmp_path, capsys, more):
    weights = ["--model", "tiny", "--weights", str(place / "w.pth")]
    if "--convention" in more:  # whose answer is a triple: the sentence says what came instead
        assert audit(place, tmp_path, *weights, *more) == 2
        assert "Expected a part '0' in the answer of tiny" in capsys.readouterr().err
        return
    assert audit(place, tmp_path, *weights, *more) == 0
    (folder,) = (tmp_path / "audit").iterdir()
    assert len(pd.read_parquet(folder / "scores.parquet")["id"].unique()) == 28  # neutral, too


def test_an_audit_says_how_to_go_on(place, tmp_path, capsys):
    weights = ["--model", "tiny", "--weights", str(place / "w.pth")]
    assert audit(place, tmp_path, *weights) == 2
    assert "name the emotions of its 7 outputs in order" in capsys.readouterr().err
    assert audit(place, tmp_path, "--model", "torchvision/resnet18", "--emotions", "rafdb") == 2
    assert "Expected weights of torchvision/resnet18" in capsys.readouterr().err
    assert audit(place, tmp_path, "--model", "torchvision/resnet-18") == 2
    assert "Unknown torchvision model" in capsys.readouterr().err
    shipped = ["--model", "gimefive", "--weights", "rafdb", "--convention", "rmn"]
    assert audit(place, tmp_path, *shipped) == 2
    assert "Expected --convention for a bare network or weights" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["landmark_alignment", "occlusion_robustness"])
def test_studies_of_the_six_alone_refuse_others(place, capsys, name):
    assert main([name, *words(place, "--classes", "seven")]) == 2
    assert "in this study, got seven" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, SEVEN[:6]),
        ("eight", (*SEVEN, "contempt")),
        ("fer2013", SEVEN),
        ("neutral, fear", ("fear", "neutral")),
    ],
)
def test_classes_in_words(text, found):
    assert asked_for(text) == found


def test_classes_that_are_none_are_refused():
    with pytest.raises(InputError, match="Expected --classes six, seven, eight, a label order"):
        asked_for("nine")
    assert "classes" not in AuditStudy().config()
    assert "convention" not in AuditStudy(convention="rmn").config()
