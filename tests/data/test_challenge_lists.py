"""Lists of occluded and turned faces, in the formats in which they were published."""

import pandas as pd
import pytest

from fer_xai.data.challenge_lists import read_challenge_list
from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.errors import InputError

HASH = "3c028208c27c0be5fbe6a52738bebcbfb6c64f3220f523a84b267203"
FORMATS = {
    "test_0003_aligned 3 4": ("test_0003", "happiness", "4"),
    "3/test_0025_aligned.jpg": ("test_0025", "happiness", ""),
    "4/fer0032239.jpg": ("fer0032239", "anger", ""),
    "7_fer0032220.png 8 3": ("fer0032220", "contempt", "3"),
    f"7/{HASH}/8.jpg": (HASH, "contempt", ""),
    f"0/{HASH}.jpg": (HASH, "neutral", ""),
    f"val/6/{HASH}/": (HASH, "anger", ""),
}


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "list.txt"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def named(ids, emotions):
    """Built-in faces with other names and labels."""
    faces = synthetic_faces(len(ids))
    table = pd.DataFrame(faces.table).assign(id=ids, emotion=emotions, subject="", group="")
    return type(faces)(table=table, reader=faces.reader, name="rafdb")


@pytest.mark.parametrize("row", FORMATS)
def test_rows_of_every_format_are_read(row, written):
    name, emotion, kind = FORMATS[row]
    found = read_challenge_list(written(f"{row}\r\n"))
    assert dict(found.emotions) == {name: emotion}
    assert dict(found.kinds) == {name: kind}
    assert (len(found), found.duplicates, found.empty) == (1, 0, 0)


def test_duplicates_and_empty_rows_are_counted(written):
    rows = "\n\ntest_2464_aligned 6 2\n  \ntest_2464_aligned 6 2\ntest_0034_aligned 0 1\n"
    found = read_challenge_list(written(rows))
    assert (len(found), found.duplicates, found.empty) == (2, 1, 3)


def test_it_chooses_faces_in_their_own_order(written):
    listed = read_challenge_list(
        written("test_0003_aligned 3 4\ntest_0034_aligned 0 1\ntest_2464_aligned 6 2\n")
    )
    ids = ["test_0034_aligned_surprise.jpg", "test_00034", "test_0003_aligned.jpg"]
    faces = named(ids, ["surprise", "fear", "happiness"])
    assert listed.subset(faces).ids == [ids[0], ids[2]]
    assert listed.kinds_of(faces) == ["1", "", "4"]


def test_faces_of_another_labelling_are_refused(written):
    listed = read_challenge_list(written("test_0003_aligned 3 4\ntest_0034_aligned 0 1\n"))
    with pytest.raises(
        InputError, match="got others for 1 of 2 faces, first sadness in place of h"
    ):
        listed.subset(named(["test_0003", "test_0034"], ["sadness", "surprise"]))
    with pytest.raises(InputError, match="such as test_0003, got none among 2"):
        listed.subset(named(["a", "b"], ["sadness", "surprise"]))
    with pytest.raises(InputError, match="got test_0003 2 times"):
        listed.subset(named(["test_0003", "test_0003_aligned"], ["happiness", "happiness"]))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "Expected rows in .*, got none"),
        ("test_0003.jpg\n", "row 1, got 'test_0003.jpg'"),
        ("\ntest_0003_aligned 3\n", "row 2, got 'test_0003_aligned 3'"),
        ("test_0003_aligned 7 1\n", "Expected labels 0 to 6 of rafdb in .*, got 7 in row 1"),
        ("test_0003_aligned 3 1\n4/fer0032239.jpg\n", r"got rafdb and ferplus \(row 2\)"),
        ("test_0003_aligned 3 1\ntest_0003_aligned 4 1\n", "rows of test_0003 that agree"),
    ],
)
def test_what_is_no_such_list_is_refused(written, text, match):
    with pytest.raises(InputError, match=match):
        read_challenge_list(written(text))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="Expected a list of faces, but .* cannot be read"):
        read_challenge_list(tmp_path / "none.txt")
