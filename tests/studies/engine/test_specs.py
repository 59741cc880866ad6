"""Models and data by name, parsed once."""

import pytest

from fer_xai.errors import InputError, UnknownNameError
from studies.engine.specs import DataSpec, ModelSpec
from studies.questions.audit.study import AuditStudy
from studies.questions.faithfulness import Faithfulness
from studies.run import main


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("synthetic", DataSpec("synthetic")),
        ("synthetic:lab", DataSpec("synthetic", "lab")),
        ("gimefive:/bench@rafdb", DataSpec("gimefive", "/bench", "rafdb")),
        ("gimefive@rafdb", DataSpec("gimefive", "", "rafdb")),
        ("folder:/my@home/faces", DataSpec("folder", "/my@home/faces")),
        ("rafdb:C:/data", DataSpec("rafdb", "C:/data")),
    ],
)
def test_data_is_written_in_one_way(text, expected):
    assert DataSpec.parse(text) == expected


def test_a_path_that_is_there_keeps_its_at_sign(tmp_path):
    place = tmp_path / "faces@rafdb"
    place.mkdir()
    assert DataSpec.parse(f"gimefive:{place}") == DataSpec("gimefive", str(place))


def test_source_is_another_way_to_name_the_source():
    """Both ways name one run."""
    written = Faithfulness(data="gimefive:/bench@rafdb", device="cpu").config()
    given = Faithfulness(data="gimefive:/bench", source="rafdb", device="cpu").config()
    assert written == given
    assert (written["data"], written["source"]) == ("gimefive", "rafdb")
    assert DataSpec.parse("gimefive:/bench@rafdb", source="rafdb").source == "rafdb"
    with pytest.raises(InputError, match="one source of faces, got rafdb in --data .* and fer2013"):
        DataSpec.parse("gimefive:/bench@rafdb", source="fer2013")


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("synthetic:lab", "synthetic"),
        ("rafdb:/data", "rafdb"),
        ("gimefive:/bench@RAF-DB", "rafdb"),
        ("fer2013:/data", "fer2013"),
    ],
)
def test_weights_follow_the_data(text, weights):
    assert ModelSpec.parse("gimefive").weights_for(DataSpec.parse(text), option="") == weights


@pytest.mark.parametrize("text", ["gimefive:/bench", "folder:/data/rafdb", "gimefive@fer"])
def test_weights_of_other_data_are_never_taken_in_silence(text):
    with pytest.raises(InputError, match="but none are shipped .those for fer2013, rafdb, synth"):
        ModelSpec("gimefive").weights_for(DataSpec.parse(text), option="--weights PATH")


def test_weights_that_are_named_are_taken():
    spec = ModelSpec.parse("gimefive=runs/a=b.pt")
    assert spec == ModelSpec("gimefive", "runs/a=b.pt")
    assert spec.weights_for(DataSpec("gimefive"), option="") == "runs/a=b.pt"
    with pytest.raises(UnknownNameError, match="did you mean gimefive"):
        ModelSpec("gimefife").weights_for(DataSpec("synthetic"), option="")


@pytest.mark.parametrize("study", ["audit", "faithfulness", "gradcam_consistency"])
def test_two_sources_are_one_sentence_and_leave_nothing(study, tmp_path, capsys):
    words = ["--data", f"gimefive:{tmp_path}@rafdb", "--source", "fer2013"]
    assert main([study, *words, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "Expected one source of faces, got rafdb" in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_audits_weights_follow_the_data_or_are_refused(tmp_path):
    """Faces of a benchmark are not audited with weights of built-in faces."""
    told = {"device": "cpu", "out": tmp_path}
    assert AuditStudy(data="gimefive:/bench@rafdb", **told)._weights() == "rafdb"
    assert AuditStudy(**told)._weights() == "synthetic"
    with pytest.raises(InputError, match="Expected weights of gimefive for gimefive, but none"):
        AuditStudy(data="gimefive:/bench", **told).run()
    assert AuditStudy(data="gimefive:/bench", model="gimefive=rafdb", **told)._weights() == "rafdb"
    with pytest.raises(InputError, match="once, got rafdb in --model and fer2013 in --weights"):
        AuditStudy(model="gimefive=rafdb", weights="fer2013", **told).run()
    assert not list(tmp_path.iterdir())
