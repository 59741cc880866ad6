"""``--in-words``: a table of sentences on request, which changes no row and no run's identity."""

import pandas as pd
import pytest

from fer_xai.errors import InputError
from studies.engine import untrained
from studies.questions.faithfulness import Faithfulness
from studies.questions.gradcam_consistency.study import GradcamConsistency
from studies.questions.landmark_alignment import study as alignment
from studies.questions.landmark_alignment.study import LandmarkAlignment
from studies.questions.occlusion_robustness.study import OcclusionRobustness

STUDIES = {
    "occlusion": lambda **of: OcclusionRobustness(methods=("gradcam",), limit=2, **of),
    "alignment": lambda **of: LandmarkAlignment(
        methods=("gradcam",), untrained=2, causes=0, limit=5, **of
    ),
    "consistency": lambda **of: GradcamConsistency(
        methods=("gradcam",), untrained=2, limit=24, moved=0, **of
    ),
    "faithfulness": lambda **of: Faithfulness(
        methods=("gradcam",), metrics=("average_drop",), limit=6, **of
    ),
}


def rows_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


@pytest.mark.parametrize("name", STUDIES)
def test_a_finished_run_gets_the_table_in_words_and_keeps_its_rows(
    name, weights, tmp_path, monkeypatch
):
    for module in (alignment, untrained):
        monkeypatch.setattr(module, "CALIBRATION", 12)  # faces are slow to draw
    of = {"models": (f"tiny={weights}",), "device": "cpu", "batch_size": 8, "progress": False}
    of |= {"out": tmp_path}
    folder = STUDIES[name](**of).run()
    before = rows_of(folder)
    assert before
    assert not (folder / "tables" / "in_words.csv").exists()
    assert STUDIES[name](in_words=True, **of).run() == folder
    assert rows_of(folder) == before
    table = pd.read_csv(folder / "tables" / "in_words.csv")
    assert set(table["model"]) == {"tiny"}
    assert table["emotion"].is_unique
    assert table["in words"].str.contains("map for").all()
    assert "Single faces are illustrations" in (folder / "report.html").read_text()


@pytest.mark.parametrize("study", [GradcamConsistency, Faithfulness])
def test_a_multiverse_run_has_no_table_in_words(study):
    with pytest.raises(InputError, match="Expected --in-words to be left out of a multiverse run"):
        study(multiverse=True, in_words=True).check()
