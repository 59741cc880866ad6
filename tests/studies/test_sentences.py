"""Sentences of reports: none says what is not so."""

import numpy as np
import pandas as pd
import pytest

from fer_xai.attributions import CONTROLS
from fer_xai.models.checkpoints import save_weights
from fer_xai.models.registry import MODELS, Architecture
from metrics.core.registry import METRICS
from metrics.statistics.permuting import permutation_p_value
from studies.questions.ablation import report as ablation_report
from studies.questions.gradcam_consistency import report as consistency_report
from studies.questions.gradcam_consistency.study import GradcamConsistency
from studies.questions.paper_table import report as paper_report
from studies.questions.paper_table import tables as paper_tables
from studies.reporting.formatting import counted, signed, signed_bounds
from studies.run import main
from studies.scoreboard.report import answer, common_caveats
from tests.helpers import TinyNet
from tests.studies.run_study import sparing


class BlankNet(TinyNet):
    """No emotion has a positive weight, so that every Grad-CAM map is zero everywhere."""

    def forward(self, x):
        x = self.pool(self.relu1(self.bn1(self.conv1(x))))
        x = self.relu2(self.bn2(self.conv2(x))).mean(dim=(2, 3))
        return x @ -self.fc.weight.abs().T + self.fc.bias


@pytest.fixture
def blank_weights(tmp_path):
    if "blank" not in MODELS:
        MODELS.register("blank")(
            Architecture(build=BlankNet, cam_layer="relu2", paper_layer="conv2")
        )
    save_weights(
        BlankNet(), tmp_path / "blank.safetensors", settings={"model": "blank"}, half=False
    )
    return tmp_path / "blank.safetensors"


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_a_network_whose_maps_are_all_blank_is_one_sentence(blank_weights, tmp_path, capsys):
    with sparing():
        folder = GradcamConsistency(
            models=(f"blank={blank_weights}",),
            methods=("gradcam",),
            limit=14,
            untrained=2,
            moved=2,
            batch_size=8,
            device="cpu",
            progress=False,
            out=tmp_path / "out",
        ).run()
    said = (folder / "answer.txt").read_text()
    assert said == ("For blank this could not be measured: too few faces have a map to compare.\n")
    shown = capsys.readouterr().out
    assert "nan" not in shown.replace("untrained", "")
    table = pd.read_csv(folder / "tables" / "methods.csv").set_index(["network", "method"])
    assert table.loc[("blank", "gradcam"), "note"] == "too few faces have a map to compare"
    assert table.loc[("blank", "centre"), "note"] == "one map for every face: no test exists"
    assert np.isnan(table.loc[("blank", "gradcam"), "permutation p*"])
    page = (folder / "report.html").read_text()
    assert "Landmarks are not missing at random" not in page  # none is missing
    assert "The paper&#39;s layer gives maps" not in page  # nor was it asked for


def test_an_undefined_statistic_has_no_p_value():
    assert np.isnan(permutation_p_value(np.nan, [0.1, 0.2]))
    assert np.isnan(permutation_p_value(0.1, [np.nan, 0.2]))
    assert permutation_p_value(0.3, [0.1, 0.2]) == pytest.approx(1 / 3)


def test_one_face_an_emotion_asks_for_more_faces(capsys, tmp_path):
    assert main(["gradcam_consistency", "--limit", "6", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "got 6 of 6 emotions: take more faces (--limit)" in said
    assert "--landmarks" not in said


def primary(**values):
    row = {
        "model": "net",
        "primary": True,
        "excess": 0.1,
        "low": 0.01,
        "high": 0.2,
        "AUC trained": 0.6,
        "AUC untrained": 0.5,
        "p (Holm)": 0.01,
    }
    return pd.DataFrame([row | values])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "are more consistent"),
        ({"p (Holm)": 0.07}, "are not shown to be more or less consistent"),  # though low > 0
        ({"excess": -0.1, "low": -0.2, "high": -0.01}, "are less consistent"),
        ({"low": np.nan, "high": np.nan, "p (Holm)": np.nan}, "not shown to be more or less"),
    ],
)
def test_the_verdict_is_that_of_the_corrected_p(values, words):
    said = consistency_report.answer(primary(**values), ["net"])
    assert words in said
    assert "nan" not in said


def test_numbers_that_are_undefined_are_called_so():
    assert signed(np.nan) == "undefined"
    assert signed_bounds(0.1, np.nan) == ""
    assert (counted(1, "training"), counted(2, "training")) == ("1 training", "2 trainings")


def test_names_of_variants_stay_as_they_are():
    table = pd.DataFrame(
        [
            {"variant": "depth-04", "accuracy": 80.0, "excess": -0.05},
            {"variant": "b", "accuracy": 81.0, "excess": np.nan},
        ]
    )
    said = ablation_report.answer(table, pd.DataFrame())
    assert "depth-04 80.0 % and −0.050; b 81.0 % and undefined" in said


def test_one_training_is_one_training():
    table = pd.DataFrame(
        columns=["data", "model", "seeds", "ours", "ours low", "paper (best epoch on test)"]
    )
    said = paper_tables.answer(table, pd.DataFrame({"optimism": [1.0]}))
    assert said.endswith("1.0 points on average (1 training).")


def test_bounds_of_a_percentage_stay_within_it():
    found = paper_tables.percent_interval(pd.Series([20.0, 80.0, 20.0, 80.0, 50.0]))
    assert (found.low, found.estimate, found.high) == pytest.approx((12.74, 50, 87.26), abs=0.02)
    wide = paper_tables.percent_interval(pd.Series([1.0, 99.0, 1.0, 99.0, 50.0]))
    assert (wide.low, wide.high) == (0, 100)
    few = paper_tables.percent_interval(pd.Series([20.0, 80.0]))
    assert np.isnan(few.low)
    assert few.dots == (20.0, 80.0)


def test_caveats_are_those_of_the_run():
    assert len(common_caveats([METRICS["gini"]])) == 1  # no pixel is removed
    assert len(common_caveats([METRICS["gini"], METRICS["deletion"]])) == 2
    assert not any("paper" in line for line in paper_report._caveats(["synthetic"]))
    assert any("paper" in line for line in paper_report._caveats(["rafdb"]))


def test_a_method_without_scores_of_most_faces_takes_no_part_in_the_answer():
    row = {
        "model": "net",
        "metric": "insertion",
        "control": False,
        "units": 40.0,
        "mean": 0.5,
        "over centre": 0.1,
        "over centre low": 0.05,
        "over centre high": 0.15,
        "p (max-T)": 0.001,
    }
    table = pd.DataFrame(
        [row | {"method": "saliency", "undefined": 0.0}, row | {"method": "lrp", "undefined": 0.6}]
    )
    said = answer(table, METRICS["insertion"])
    assert "1 of 1 methods beat the centre control (saliency +0.100 [+0.050, +0.150])" in said
    assert said.endswith("lrp took no part: most faces have no score.")
    assert "centre" in CONTROLS
