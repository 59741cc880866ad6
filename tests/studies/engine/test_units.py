"""A report and the command line say how faces are counted: persons where they are known."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_xai.data import load_dataset
from fer_xai.errors import InputError
from studies import audit
from studies.engine.options import Data
from studies.engine.recognised_share import wilson_interval
from studies.engine.study import face_table
from studies.engine.units import unit_name, units_of
from studies.run import main
from tests.helpers import tiny_model

NONE = "counted as independent (persons are unknown: see --subject-pattern)"


def _table(*rows):
    table = pd.DataFrame(rows, columns=["subject", "group", "emotion"])
    return table.assign(id=[str(i) for i in range(len(rows))], cluster=range(len(rows)))


def test_faces_of_nobody():
    assert units_of(_table(*[("", "", "fear")] * 3)) == f"3 faces {NONE}"
    assert units_of(_table(("", "", "fear"))) == f"1 face {NONE}"
    grouped = _table(("", "g", "fear"), ("", "g", "fear"), ("", "", "fear"))
    assert units_of(grouped.assign(cluster=[0, 0, 1])) == f"2 groups of 3 faces {NONE}"


def test_faces_of_persons():
    table = _table(("S1", "a", "fear"), ("S1", "a", "fear"), ("S1", "", "joy"), ("S2", "", "joy"))
    assert units_of(table.assign(cluster=[0, 0, 0, 1])) == "4 faces of 2 persons (3 moments)"
    assert units_of(table[3:]) == "1 face of 1 person (1 moment)"


def test_persons_known_in_part_and_identical_images():
    table = _table(("S1", "", "fear"), ("S1", "", "fear"), ("", "", "fear"))
    assert units_of(table.assign(cluster=[0, 0, 1])) == (
        "2 faces of 1 person (1 moment), and 1 face of unknown persons counted as independent"
    )
    assert units_of(table.assign(subject="", cluster=[0, 1, 1])) == (
        f"3 faces {NONE}; identical images are joined, which leaves 2 units"
    )


def test_the_units_of_ckplus_are_persons_as_in_its_intervals(tmp_path):
    """3 frames of a sequence, 2 sequences of a person: 4 persons and not 24 faces."""
    rng = np.random.default_rng(0)
    for index in range(24):
        person, sequence, frame = index // 6, index // 3 % 2, index % 3
        place = tmp_path / ("fear", "happy")[sequence]
        place.mkdir(exist_ok=True)
        name = f"S{person + 10:03d}_{sequence + 1:03d}_{frame + 12:08d}.png"
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(place / name)
    faces = load_dataset(f"folder:{tmp_path}")
    assert units_of(face_table(faces)) == "24 faces of 4 persons (8 moments)"
    report = audit(
        tiny_model(),
        faces,
        methods=["saliency"],
        metrics=["gini"],
        controls=["centre"],
        anyway=True,
    )
    _, *lines = report.answer.splitlines()  # the preflight's answer comes first
    assert "Wilson's interval over the effective number of faces, by person)" in lines[0]
    assert lines[1] == "Units: 24 faces of 4 persons (8 moments)."
    assert report.facts["units"] == "24 faces of 4 persons (8 moments)"
    named = tiny_model()(faces.pixels(64).float() / 255).argmax(dim=1)
    right = (named == faces.labels).numpy()
    by_person = wilson_interval(right, faces.table["subject"].tolist(), unit="person")
    assert (report.recognised.low, report.recognised.high) == pytest.approx(by_person[:2])
    assert [len(set(faces.persons)), len(set(faces.moments))] == [4, 8]


def test_unit_name_follows_persons():
    assert unit_name(_table(("", "g", "fear"))) == "cluster"
    assert unit_name(_table(("S1", "", "fear"), ("", "", "fear"))) == "person"


class TestCommand:
    @pytest.fixture
    def words(self, tmp_path):
        some = load_dataset("synthetic", limit=6)
        for index, emotion in enumerate(some.table["emotion"]):
            place = tmp_path / "faces" / emotion
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(some.read(index)).save(place / f"p{index // 3}-{index}.png")
        return [
            *("audit", "--data", f"folder:{tmp_path / 'faces'}", "--weights", "synthetic"),
            *("--methods", "saliency", "--metrics", "gini", "--controls", "centre", "--anyway"),
            *("--batch-size", "8", "--no-progress", "--out", str(tmp_path / "out")),
        ]

    def test_both_say_how_faces_are_counted(self, words, tmp_path, capsys):
        main(words)
        assert f"Units: 6 faces {NONE}." in capsys.readouterr().out
        main([*words, "--subject-pattern", r"(?P<subject>p\d)-"])
        assert "Units: 6 faces of 2 persons (6 moments)." in capsys.readouterr().out
        pages = [page.read_text() for page in (tmp_path / "out").rglob("report.html")]
        assert sum(f"6 faces {NONE}" in page for page in pages) == 1
        assert sum("6 faces of 2 persons (6 moments)" in page for page in pages) == 1

    @pytest.mark.parametrize(
        ("pattern", "sentence"),
        [
            ("(", "Expected a regular expression as subject pattern, got '(': "),
            ("p", "Expected a named group (?P<subject>…), (?P<sequence>…) or both"),
            ("(?P<subject>p1)", "3 of 6 do not match, for instance "),
        ],
    )
    def test_a_pattern_that_cannot_be_used_is_one_sentence(self, words, capsys, pattern, sentence):
        assert main([*words, "--subject-pattern", pattern]) == 2
        said = capsys.readouterr().err
        assert sentence in said
        assert said.count("\n") == 1


def test_the_pattern_belongs_to_a_runs_identity_where_it_is_given():
    assert "subject_pattern" not in Data().config()
    pattern = "(?P<subject>.)"
    assert Data(subject_pattern=pattern).config()["subject_pattern"] == pattern
    with pytest.raises(InputError, match="Expected a named group"):
        Data(subject_pattern="x").check()
