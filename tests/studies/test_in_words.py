"""``--in-words``: a table of sentences on request, which changes no row and no run's identity."""

import pytest

from fer_xai.errors import InputError
from studies.engine import untrained
from studies.questions.faithfulness import Faithfulness
from studies.questions.gradcam_consistency.study import GradcamConsistency
from studies.questions.landmark_alignment import study as alignment
from studies.questions.landmark_alignment.study import LandmarkAlignment
from tests.studies.run_study import sparing
from tests.studies.words import check_words_are_added

# that of occlusion stands with its tests, which have a finished run
STUDIES = {
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


@pytest.mark.parametrize("name", STUDIES)
def test_a_finished_run_gets_the_table_in_words_and_keeps_its_rows(
    name, weights, tmp_path, monkeypatch
):
    for module in (alignment, untrained):
        monkeypatch.setattr(module, "CALIBRATION", 12)  # faces are slow to draw
    of = {"models": (f"tiny={weights}",), "device": "cpu", "batch_size": 8, "progress": False}
    of |= {"out": tmp_path}
    with sparing():
        study = STUDIES[name](**of)
        check_words_are_added(study, study.run())


@pytest.mark.parametrize("study", [GradcamConsistency, Faithfulness])
def test_a_multiverse_run_has_no_table_in_words(study):
    with pytest.raises(InputError, match="Expected --in-words to be left out of a multiverse run"):
        study(multiverse=True, in_words=True).check()
