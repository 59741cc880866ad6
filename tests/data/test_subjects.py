"""Persons and moments are read from the names of well-known data sets, or by a user's pattern."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from fer_xai.data import load_dataset
from fer_xai.data.splits import face_groups
from fer_xai.data.subjects import NAME_PATTERNS, NEARLY_ALL, check_subject_pattern, read_names
from fer_xai.errors import InputError

KINDS = {"tiff": "TIFF", "jpg": "JPEG", "jpeg": "JPEG", "png": "PNG"}


@pytest.fixture
def people(tmp_path, draw):
    """Draw files of 8 pixels; returns the faces, and subject and group of each file's name."""

    def read(paths, **options):
        for index, path in enumerate(paths):
            kind = KINDS[path.rpartition(".")[2].lower()]
            draw(tmp_path / path, 5 * index, size=8, kind=kind)
        faces = load_dataset(f"folder:{tmp_path}", **options)
        pairs = zip(faces.table["subject"], faces.table["group"], strict=True)
        return faces, dict(zip(faces.ids, pairs, strict=True))

    return read


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (
            {
                "happy/S010_004_00000016.png": ("S010", "S010_004"),
                "happy/S010_004_00000017.png": ("S010", "S010_004"),
                "fear/S010_002_00000014.png": ("S010", "S010_002"),
                "fear/S999_001_00000018.png": ("S999", "S999_001"),
            },
            (2, 3),
        ),
        (
            {
                "anger/KA.AN1.39.tiff": ("KA", ""),
                "anger/KA.AN2.40.tiff": ("KA", ""),
                "happiness/KA.HA1.29.tiff": ("KA", ""),
                "neutral/NA.NE2.206.tiff": ("NA", ""),  # NA is a person
            },
            (2, 3),
        ),
        (
            {
                "afraid/AF01AFS.JPG": ("F01", "AF01AF"),
                "afraid/AF01AFHL.JPG": ("F01", "AF01AF"),
                "anger/AF01ANS.JPG": ("F01", "AF01AN"),
                "anger/BF01ANS.JPG": ("F01", "BF01AN"),  # the same person's other session
                "surprise/AM01SUFR.JPG": ("M01", "AM01SU"),
            },
            (2, 4),
        ),
        (
            {
                "happy/Rafd045_02_Kid_female_happy_left.jpg": ("02", ""),
                "happy/Rafd090_01_Caucasian_female_happy_frontal.jpg": ("01", ""),
                "happy/Rafd135_01_Caucasian_female_happy_left.jpg": ("01", ""),
                "sad/Rafd090_01_Caucasian_female_sad_frontal.jpg": ("01", ""),
            },
            (2, 3),
        ),
        (
            {
                "NI/Weak/P001/Happiness/000.jpeg": ("P001", ""),
                "VL/Strong/P001/Happiness/000.jpeg": ("P001", ""),
                "VL/Strong/P001/Happiness/001.jpeg": ("P001", ""),
                "VL/Strong/P001/Anger/000.jpeg": ("P001", ""),
                "VL/Strong/P080/Anger/000.jpeg": ("P080", ""),
            },
            (2, 3),
        ),
        (
            {
                "P001/Happiness/000.jpeg": ("P001", ""),
                "P001/Happiness/001.jpeg": ("P001", ""),
            },
            (1, 1),
        ),
        (
            {
                "happiness/f01_dfh_happiness.jpg": ("F01", ""),
                "fear/f01_dfh_fear.jpg": ("F01", ""),
                "fear/m01_dfh_fear.jpg": ("M01", ""),
            },
            (2, 3),
        ),
    ],
    ids=["CK+48", "JAFFE", "KDEF", "RaFD", "Oulu-CASIA", "Oulu-CASIA's inner folders", "TFEID"],
)
def test_known_names_fill_persons_and_moments(people, paths, expected):
    faces, found = people(paths)
    assert found == paths
    assert (len(set(faces.persons)), len(set(faces.moments))) == expected
    assert len(set(face_groups(faces))) == expected[0]


def test_each_pattern_reads_its_example_and_no_other():
    for name, pattern in NAME_PATTERNS.items():
        readers = [other for other, one in NAME_PATTERNS.items() if one.read(pattern.example)]
        assert readers == [name]


def test_the_page_on_data_lists_them():
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    assert [name for name, one in NAME_PATTERNS.items() if f"`{one.example}`" not in page] == []
    assert f"{NEARLY_ALL:.0%}".replace("%", " %") in page


@pytest.mark.parametrize(
    "name",
    [
        "S010_004_17.png",
        "S10_004_00000018.png",
        "AF36AFS.JPG",  # KDEF has 35 women and 35 men
        "CF01AFS.JPG",
        "KA.XX1.39.tiff",
        "Training_1234.jpg",  # FER2013
        "test_0001_aligned.jpg",  # RAF-DB
        "Happiness/000.jpeg",
        "f01.jpg",
    ],
)
def test_what_only_resembles_is_not_read(name):
    assert [one for one, pattern in NAME_PATTERNS.items() if pattern.read(name)] == []


def test_no_names_are_of_no_pattern():
    assert (read_names([]).taken, read_names([]).remark) == ([], "")
    assert read_names(["a.png"]).remark == ""


class TestPartOfAFolder:
    def test_below_nearly_all_nothing_is_read_and_it_is_said(self, people):
        names = ["happy/S010_004_00000016.png", "happy/S010_004_00000017.png", "happy/me.png"]
        with pytest.warns(UserWarning, match=r"Persons stay unknown: 2 of 3 file names are of CK"):
            faces, found = people(names)
        assert set(found.values()) == {("", "")}
        assert len(set(faces.persons)) == 3

    def test_of_nearly_all_the_rest_is_independent(self):
        names = [f"S{i:03d}_001_00000011.png" for i in range(19)]
        read = read_names([*names, "me.png"])
        assert [one.subject for one in read.taken] == [name[:4] for name in names] + [""]
        assert read.remark == (
            "1 of 20 file names are not of CK+'s pattern (S005_001_00000011.png), for instance "
            "'me.png': these faces count as independent persons."
        )
        assert read_names([*names[1:], "me.png"]).taken[0].subject == ""  # 18 of 19 are too few

    def test_two_data_sets_in_one_folder_are_not_guessed(self, people):
        with pytest.warns(UserWarning, match="1 of 2 file names"):
            _, found = people(["fear/AF01AFS.JPG", "fear/KA.FE1.45.tiff"])
        assert set(found.values()) == {("", "")}

    def test_a_pattern_of_the_user_ends_the_warning(self, people):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            faces, _ = people(
                ["fear/S010_004_00000016.png", "fear/x_me.png"], subject_pattern=r"/(?P<subject>\w)"
            )
        assert faces.persons == ["S", "x"]


@pytest.mark.parametrize(
    ("name", "emotion"), [("AF01HAS.JPG", "happiness"), ("KA.HA1.29.tiff", "happiness")]
)
def test_a_posed_emotion_against_its_folder_is_named(people, name, emotion):
    with pytest.raises(InputError, match=f"but 'anger/{name}' speaks of {emotion}: move or rena"):
        people([f"anger/{name}"])


class TestFoldersAboveEmotions:
    def test_images_beside_them_are_named(self, people):
        with pytest.raises(InputError, match="images in folders named for emotions under .*P001"):
            people(["P001/Anger/000.jpeg", "P001/001.jpeg"])

    def test_splits_below_them_are_refused(self, people):
        with pytest.raises(InputError, match="Expected split folders right under the root"):
            people(["VL/train/P001/Anger/000.jpeg"])

    def test_folders_without_emotions_are_named(self, people):
        with pytest.raises(InputError, match="Expected folders named for emotions .*, got 'extra'"):
            people(["P001/Anger/000.jpeg", "extra/000.jpeg"])

    def test_folders_of_another_kind_are_refused(self, people):
        with pytest.raises(InputError, match="Expected folders named for emotions .*, got 'faces'"):
            people(["faces/Anger/000.jpeg"])

    def test_beside_emotions_they_are_refused(self, people):
        with pytest.raises(InputError, match="Expected folders named for emotions .*, got 'P001'"):
            people(["P001/Anger/000.jpeg", "Anger/000.jpeg"])


class TestSubjectPattern:
    PATHS = ("fear/ann-1-a.png", "fear/ann-1-b.png", "fear/ann-2-a.png", "fear/bob-1-a.png")

    def test_persons_and_their_sequences(self, people):
        faces, found = people(
            self.PATHS, subject_pattern=r"(?P<subject>[a-z]+)-(?P<sequence>\d)-.\.png$"
        )
        assert list(found.values()) == [
            ("ann", "ann_1"),
            ("ann", "ann_1"),
            ("ann", "ann_2"),
            ("bob", "bob_1"),  # another 1 than ann's
        ]
        assert faces.persons == ["ann", "ann", "ann", "bob"]
        assert [len(set(faces.moments)), len(set(face_groups(faces)))] == [3, 2]

    def test_sequences_alone(self, people):
        faces, _ = people(self.PATHS, subject_pattern=r"/(?P<group>[a-z]+-\d)")
        assert set(faces.table["subject"]) == {""}
        assert faces.persons == ["group ann-1", "group ann-1", "group ann-2", "group bob-1"]

    def test_the_whole_path_below_the_root_is_searched(self, people):
        faces, _ = people(
            ["test/fear/ann/1.png", "test/fear/bob/1.png"],
            subject_pattern=r"^test/fear/(?P<subject>\w+)/",
        )
        assert faces.persons == ["ann", "bob"]

    def test_it_goes_before_a_known_pattern(self, people):
        faces, _ = people(
            ["fear/S010_004_00000016.png"], subject_pattern=r"(?P<subject>\d{3})_\d{3}_"
        )
        assert (faces.persons, faces.moments) == (["010"], ["010 / fear"])

    def test_a_group_that_matches_nothing_is_unknown(self, people):
        faces, _ = people(
            ["fear/S1_a.png", "fear/a.png"], subject_pattern=r"/(?:(?P<subject>S\d)_)?a"
        )
        assert list(faces.table["subject"]) == ["S1", ""]

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (
                "(?P<subject>",
                "Expected a regular expression as subject pattern, got '(?P<subject>'",
            ),
            (r"S\d+", r"Expected a named group (?P<subject>…), (?P<sequence>…) or both in the"),
            ("(?P<person>.)", "Expected a named group (?P<subject>…)"),
            ("(?P<subject>.)(?P<view>.)", "Expected the named groups subject and one of sequence"),
            ("(?P<group>.)(?P<sequence>.)", "got group, sequence."),
            ("(?P<subject>ann)", "to match every file of "),
        ],
    )
    def test_what_cannot_be_used_is_one_sentence(self, people, text, sentence):
        with pytest.raises(InputError, match=re.escape(sentence)) as error:
            people(self.PATHS, subject_pattern=text)
        assert "\n" not in str(error.value)

    def test_files_that_do_not_match_are_counted(self, people):
        with pytest.raises(InputError, match=r"1 of 4 do not match, for instance 'fear/bob-1-a.p"):
            people(self.PATHS, subject_pattern="(?P<subject>ann)")

    def test_faces_without_files_are_refused(self, tmp_path):
        with pytest.raises(InputError, match="Expected no subject pattern for built-in faces"):
            load_dataset("synthetic", subject_pattern="(?P<subject>.)")
        pixels = " ".join(["0"] * 48**2)
        (tmp_path / "fer2013.csv").write_text(f"emotion,pixels,Usage\n3,{pixels},PrivateTest\n")
        for root in (tmp_path, tmp_path / "fer2013.csv"):
            with pytest.raises(InputError, match="Expected faces with files of their own under"):
                load_dataset(f"fer2013:{root}", subject_pattern=r"(?P<subject>\d)")

    def test_a_compiled_pattern_is_handed_back(self):
        assert check_subject_pattern("(?P<subject>.)").search("ab")["subject"] == "a"


def test_persons_survive_subsets_and_limits(people):
    faces, _ = people(["fear/S010_004_00000016.png", "fear/S011_004_00000016.png"])
    assert faces.subset([1]).persons == ["S011"]
    assert np.array_equal(faces.limit(1).persons, faces.limit(1).table["subject"])
