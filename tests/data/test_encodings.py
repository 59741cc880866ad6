"""Lists written by any editor are read; what is no text is answered by one sentence."""

import gzip

import numpy as np
import pytest

from fer_xai.data import DATASETS, load_dataset
from fer_xai.data.landmark_csv import POINTS, read_landmarks
from fer_xai.data.registry import Problems
from fer_xai.data.text import cells, text_lines, whole_number
from fer_xai.errors import InputError

GREY = " ".join(["7"] * 48 * 48)
LISTS = {  # file, its text, and the emotions that it means
    "rafdb": (
        "EmoLabel/list_patition_label.txt",
        "test_0001.jpg 4\ntest_0002.jpg 1\ntest_0003.jpg 7\n",
        ["happiness", "surprise", "neutral"],
    ),
    "gimefive": (
        "test_labels.csv",
        "a.jpg,0\nb.jpg,1\nc.jpg,5\n",
        ["happiness", "surprise", "fear"],
    ),
    "fer2013": (
        "fer2013.csv",
        "emotion,pixels,Usage\n" + "".join(f"{code},{GREY},PrivateTest\n" for code in (3, 5, 6)),
        ["happiness", "surprise", "neutral"],
    ),
}
WRITTEN = {
    "as it is": str.encode,
    "mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, other end first": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "Windows": lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
    "old Macintosh": lambda text: text.replace("\n", "\r").encode(),
    "trailing spaces": lambda text: text.replace("\n", " \t\n").encode(),
    "leading spaces": lambda text: ("  " + text.replace("\n", "\n  ")).encode(),
    "blank lines": lambda text: ("\n \n" + text.replace("\n", "\n\n") + "\n").encode(),
    "no last line end": lambda text: text.rstrip("\n").encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
}


def _read(name, root, data):
    path = root / LISTS[name][0]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return DATASETS[name](root, split="test", problems=Problems(skip=False))


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("written", WRITTEN)
def test_every_face_is_read_however_the_list_was_written(tmp_path, name, written):
    faces = _read(name, tmp_path, WRITTEN[written](LISTS[name][1]))
    assert list(faces.table["emotion"]) == LISTS[name][2]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: data[:-9] + b"\xff" + data[-9:], "no utf-8 text after row .* save it as UTF"),
        (lambda data: data[:-9] + b"\0" + data[-9:], "row [234] holds NUL characters"),
        (lambda data: data.decode().encode("utf-16-le"), "row 1 holds NUL characters, as damaged"),
        (lambda data: data.decode().encode("utf-16")[:-1], "no utf-16-le text after row"),
        (lambda data: gzip.compress(data)[:-9], "cannot be read .Compressed file ended"),
        (lambda data: gzip.compress(data)[:-8] + bytes(8), "cannot be read .CRC check failed"),
    ],
    ids=["byte", "NUL", "UTF-16 unmarked", "UTF-16 cut", "gzip cut", "gzip damaged"],
)
def test_what_is_no_text_is_one_sentence(tmp_path, name, damage, sentence):
    with pytest.raises(InputError, match=f"^Expected a .*{sentence}"):
        _read(name, tmp_path, damage(LISTS[name][1].encode()))


def test_a_folder_in_the_place_of_a_list_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"^Expected x, but .* cannot be read \(Is a directory\)"):
        list(text_lines(tmp_path, what="x"))


def test_a_name_in_any_script_is_read(tmp_path):
    faces = _read("gimefive", tmp_path, "张_1.jpg,0\né b.jpg,5\n".encode("utf-16"))
    assert faces.ids == ["张_1.jpg", "é b.jpg"]


class TestLandmarks:
    @pytest.fixture
    def faces(self, tmp_path, draw):
        draw(tmp_path / "faces" / "fear" / "a.png")
        return load_dataset(f"folder:{tmp_path / 'faces'}")

    @pytest.fixture
    def text(self):
        row = ",".join(str(value / 2) for value in range(136))
        return f"{','.join(['image', *POINTS])}\na.png,{row}\n"

    @pytest.mark.parametrize("written", WRITTEN)
    def test_points_are_read_however_they_were_written(self, tmp_path, faces, text, written):
        (tmp_path / "points.csv").write_bytes(WRITTEN[written](text))
        points = read_landmarks(tmp_path / "points.csv", faces)
        assert np.array_equal(points, np.arange(136, dtype=np.float32).reshape(1, 68, 2) / 2)

    def test_one_byte_that_is_not_utf8_is_one_sentence(self, tmp_path, faces, text):
        (tmp_path / "points.csv").write_bytes(text.encode().replace(b"67.5", b"67.\xe9"))
        with pytest.raises(InputError, match="Expected a CSV of landmarks, but .* no utf-8 text"):
            read_landmarks(tmp_path / "points.csv", faces)


def test_cells_and_numbers_are_taken_literally():
    assert cells('a b, 3 ,"x,y"') == ["a b", "3", "x,y"]
    assert cells('a,"b') is None
    assert cells('"a"b,c') is None
    assert [whole_number(t) for t in ("٣", "3.0", "1_0", "", "0x1", "9" * 20)] == [None] * 6
    assert [whole_number(t) for t in ("007", "+3", "-2")] == [7, 3, -2]
