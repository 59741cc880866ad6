"""Codes of another order, copies, names that disagree and names that leave their folder."""

import re

import pytest

from fer_xai.data import DATASETS
from fer_xai.data.registry import Problems
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError

FILES = {
    "rafdb": "EmoLabel/list_patition_label.txt",
    "gimefive": "test_labels.csv",
    "fer2013": "fer2013.csv",
}
FIRST = {"rafdb": 1, "gimefive": 0, "fer2013": 0}
GREY = " ".join(["7"] * 48 * 48)


@pytest.fixture
def read(tmp_path):
    def read(name, rows, *, skip=False, split="test"):
        path = tmp_path / FILES[name]
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(rows))
        problems = Problems(skip)
        faces = DATASETS[name](tmp_path, split=split, problems=problems)
        return list(zip(faces.ids, faces.table["emotion"], strict=True)), problems.found

    return read


def _rows(name, codes):
    if name == "rafdb":
        return [f"test_{i:04d}.jpg {code}" for i, code in enumerate(codes)]
    if name == "gimefive":
        return [f"{i}.jpg,{code}" for i, code in enumerate(codes)]
    return ["emotion,pixels,Usage", *(f"{code},{GREY},PrivateTest" for code in codes)]


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("name", FILES)
def test_codes_of_another_order_stop_the_reading(read, name, by, skip):
    first, order = FIRST[name], NATIVE_ORDERS[name]
    last = first + len(order) - 1
    codes = list(range(first + by, last + by + 1))
    sentence = f"Expected codes {first}–{last} .*but codes {codes[0]} to {codes[-1]} were found .*"
    with pytest.raises(InputError, match=sentence + "is it another order"):
        read(name, _rows(name, codes), skip=skip)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("code", [-1, 9, 12345678])
@pytest.mark.parametrize("name", FILES)
def test_one_code_out_of_range_is_enough_and_is_named(read, name, code, skip):
    rows = _rows(name, [2, 3, code, 4, code])
    row = rows.index(next(row for row in rows if str(code) in re.split("[ ,]", row))) + 1
    with pytest.raises(InputError, match=rf"\({code} first in row {row}\): is it another order"):
        read(name, rows, skip=skip)


def test_a_code_of_the_other_split_tells_it_too(read):
    rows = ["train_00001.jpg 0", "test_0001.jpg 4"]
    with pytest.raises(InputError, match="codes 0 to 4 were found .0 first in row 1"):
        read("rafdb", rows)
    rows = ["emotion,pixels,Usage", f"3,{GREY},PrivateTest", f"7,{GREY},Training"]
    with pytest.raises(InputError, match="codes 3 to 7 were found .7 first in row 3"):
        read("fer2013", rows)


@pytest.mark.parametrize("name", FILES)
def test_codes_that_do_not_occur_prove_nothing(read, name):
    first, order = FIRST[name], NATIVE_ORDERS[name]
    found, _ = read(name, _rows(name, range(first + 1, first + len(order) - 1)))
    assert [emotion for _, emotion in found] == list(order[1:-1])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("word", ["x", "3.5", "", "²", "1e0"])
def test_what_is_no_number_is_a_damaged_row(read, name, word):
    rows = _rows(name, [1, word, 2])
    with pytest.raises(InputError, match=rf"^Expected .*row {len(rows) - 1}"):
        read(name, rows)
    found, skipped = read(name, rows, skip=True)
    order = NATIVE_ORDERS[name]
    assert [emotion for _, emotion in found] == [order[1 - FIRST[name]], order[2 - FIRST[name]]]
    assert len(skipped) == 1
    assert f"row {len(rows) - 1}" in skipped[0]


class TestNamesThatSpeak:
    def test_one_against_its_label_is_a_bad_row(self, read):
        rows = ["a_happiness.jpg,3", "b_happiness.jpg,0", "c.jpg,4", "d_Angry.jpg,3"]
        with pytest.raises(
            InputError,
            match=(
                "^Expected a label that agrees with its file name in .*test_labels.csv, row 1, got "
                "anger for 'a_happiness.jpg': mend the label, or rename the file"
            ),
        ):
            read("gimefive", rows)
        found, skipped = read("gimefive", rows, skip=True)
        assert found == [
            ("b_happiness.jpg", "happiness"),
            ("c.jpg", "disgust"),
            ("d_Angry.jpg", "anger"),
        ]
        assert len(skipped) == 1

    @pytest.mark.parametrize("skip", [False, True])
    def test_many_mean_another_order(self, read, skip):
        """The six coded by their alphabet, each code in range."""
        alphabet = sorted(NATIVE_ORDERS["gimefive"])
        rows = [f"{i}_{word}.jpg,{code}" for code, word in enumerate(alphabet) for i in range(3)]
        with pytest.raises(
            InputError,
            match=(
                "Expected labels that agree with the file names in .*test_labels.csv, but 3 names of "
                "the label happiness speak of anger .'0_anger.jpg' in row 1.: is it another order"
            ),
        ):
            read("gimefive", rows, skip=skip)


class TestCopies:
    @pytest.mark.parametrize(
        ("name", "rows", "id_"),
        [
            ("rafdb", ["test_0001.jpg 4", "test_0002.jpg 1", "test_0001.jpg 4"], "test_0001"),
            ("gimefive", ["test_0001.jpg,0", "b.jpg,1", "./test_0001.jpg,0"], "test_0001"),
        ],
    )
    def test_that_agree_are_named_or_the_first_is_kept(self, read, name, rows, id_):
        sentence = f"^Expected each image once, got '.*{id_}.jpg' in row 1 and again in .*, row 3"
        with pytest.raises(InputError, match=sentence + ": delete one"):
            read(name, rows)
        found, skipped = read(name, rows, skip=True)
        assert [emotion for _, emotion in found] == ["happiness", "surprise"]
        assert len(skipped) == 1

    @pytest.mark.parametrize(
        ("name", "rows"),
        [
            ("rafdb", ["test_0001.jpg 4", "test_0002.jpg 1", "test_0001.jpg 5", "test_0001.jpg 4"]),
            ("gimefive", ["a.jpg,0", "b.jpg,1", "a.jpg,2", "a.jpg,0"]),
        ],
    )
    def test_that_contradict_one_another_are_all_left_out(self, read, name, rows):
        with pytest.raises(InputError, match="in row 1 and again in .*3, as happiness and sadness"):
            read(name, rows)
        found, skipped = read(name, rows, skip=True)
        assert [emotion for _, emotion in found] == ["surprise"]
        assert len(skipped) == 2

    def test_are_found_across_the_lists_of_the_archive(self, tmp_path):
        for folder, short in (("RAF-DB", "RAF"), ("FER2013", "FER")):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / f"test_{short}_labels.csv").write_text("a.jpg,0\n")
        with pytest.raises(
            InputError,
            match=r"got 'a.jpg' in .*RAF_labels.csv, row 1 and again in .*FER.*csv, row 1",
        ):
            DATASETS["gimefive"](tmp_path, split="test", problems=Problems(skip=False))


@pytest.mark.parametrize(
    "name", ["../../../x.png", "/etc/x.png", "a/../../x.png", "..\\x.png", "C:\\x.png", "C:x.png"]
)
def test_names_stay_under_their_folder(read, name):
    with pytest.raises(
        InputError,
        match=(
            "Expected the name of a file under its folder in .*, row 1, got a path that leaves its "
            "folder: '"
        ),
    ):
        read("gimefive", [f"{name},0", "b/c.jpg,1"])
    found, skipped = read("gimefive", [f"{name},0", "b/c.jpg,1"], skip=True)
    assert found == [("b/c.jpg", "surprise")]
    assert len(skipped) == 1
    with pytest.raises(InputError, match="leaves its folder"):
        read("rafdb", ["test_/../../../x.jpg 1"])


def test_odd_names_are_bad_rows(read):
    with pytest.raises(InputError, match=r"got characters that cannot be printed: 'a\\x07.jpg'"):
        read("gimefive", ["a\x07.jpg,0"])
    with pytest.raises(InputError, match="row 1, got no file name"):
        read("gimefive", [",0"])


@pytest.mark.parametrize("name", FILES)
def test_messages_quote_at_most_eighty_characters(read, name):
    rows = _rows(name, [3, 4])
    long = "x" * 5000
    rows[-1] = {
        "rafdb": f"test_{long} y",
        "gimefive": f"{long},y",
        "fer2013": f"{long},1,PrivateTest",
    }[name]
    with pytest.raises(InputError, match="Expected") as raised:
        read(name, rows)
    quotes = re.findall("'([^']*)'", str(raised.value))
    assert [len(quote) for quote in quotes] == [80]
    assert len(str(raised.value)) < 400
