import numpy as np
import pytest

from fer_xai.data import load_dataset
from fer_xai.errors import InputError

ORDER = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
USAGES = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}


def _grey(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 48))


def _words(seed):
    return " ".join(str(value) for value in _grey(seed).ravel())


# seven training faces, one an emotion; then two for each of the other splits
ROWS = [(code, "Training") for code in range(7)] + [
    (3, "PublicTest"),
    (0, "PrivateTest"),
    (6, "PublicTest"),
    (5, "PrivateTest"),
]


@pytest.fixture(params=["fer2013.csv", "icml_face_data.csv"])
def path(request, tmp_path):
    if request.param == "fer2013.csv":
        lines = ["emotion,pixels,Usage"]
        lines += [f"{code},{_words(i)},{usage}" for i, (code, usage) in enumerate(ROWS)]
    else:  # its header has leading spaces, and its columns another order
        lines = ["emotion, Usage, pixels"]
        lines += [f"{code},{usage},{_words(i)}" for i, (code, usage) in enumerate(ROWS)]
    (tmp_path / request.param).write_text("\n".join(lines) + "\n")
    return tmp_path / request.param


@pytest.mark.parametrize("split", USAGES)
def test_usage_is_the_split_and_codes_are_mapped_by_name(path, split):
    faces = load_dataset(f"fer2013:{path}", split=split)
    chosen = [i for i, (_, usage) in enumerate(ROWS) if usage == USAGES[split]]
    assert list(faces.table["emotion"]) == [ORDER[ROWS[i][0]] for i in chosen]
    assert faces.ids == [f"{path.name}:{i + 2}" for i in chosen]
    for index, row in enumerate(chosen):
        image = faces.read(index)
        assert image.dtype == np.uint8
        assert np.array_equal(image, np.repeat(_grey(row)[:, :, None], 3, axis=2))


def test_the_folder_that_holds_the_csv_will_do(path):
    by_folder = load_dataset("fer2013", root=path.parent, split="test")
    by_file = load_dataset("fer2013", root=path, split="test")
    assert by_folder.ids == by_file.ids
    assert by_folder.fingerprint(48) == by_file.fingerprint(48)


def test_pixels_stay_with_their_rows_after_a_selection(path):
    faces = load_dataset(f"fer2013:{path}", split="train", emotions=["surprise", "fear"], limit=2)
    assert faces.ids == [f"{path.name}:4", f"{path.name}:7"]
    assert [faces.read(i)[0, 0, 0] for i in range(2)] == [_grey(2)[0, 0], _grey(5)[0, 0]]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            f"7,{_words(0)},Training",
            "Expected codes 0–6 .*codes 3 to 7 were found .7 first in row 3",
        ),
        (f"happy,{_words(0)},Training", "Expected an emotion 0–6 in .*, row 3, got 'happy'"),
        ("3,1 2 3,Training", r"Expected 2304 pixels 0–255 in .*, row 3, got 3 values\."),
        (f"3,{_words(0)} 0,Training", r"Expected 2304 pixels 0–255 in .*, row 3, got 2305 values"),
        ("3," + "7 " * 2303 + "256,Training", "got 2304 values, '256' among them"),
        ("3," + "7 " * 2303 + "-1,Training", "row 3, got 2304 values, '-1' among them"),
        ("3," + "7 " * 2303 + "x,Training", "row 3, got 2304 values, 'x' among them"),
        ("3,,Training", "row 3, got 0 values"),
        ("3", "Expected Usage Training, PublicTest, PrivateTest in .*, row 3, got ''"),
        (f"3,{_words(0)},Test", "Expected Usage .* in .*fer2013.csv, row 3, got 'Test'"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, sentence):
    text = f"emotion,pixels,Usage\n3,{_words(1)},Training\n{row}\n"
    (tmp_path / "fer2013.csv").write_text(text)
    with pytest.raises(InputError, match=sentence):
        load_dataset(f"fer2013:{tmp_path}", split="train")


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        ("emotion,pixels", "Usage is"),
        ("label,pixels,Usage", "emotion is"),
        ("", "emotion, pixels, Usage are"),
    ],
)
def test_missing_columns_are_named(tmp_path, header, missing):
    (tmp_path / "fer2013.csv").write_text(header)
    with pytest.raises(InputError, match=f"Expected columns .* in .*, but {missing} missing"):
        load_dataset(f"fer2013:{tmp_path}", split="train")


def test_other_splits_and_empty_splits_say_so(tmp_path):
    (tmp_path / "fer2013.csv").write_text(f"emotion,pixels,Usage\n3,{_words(1)},Training\n")
    with pytest.raises(InputError, match="Expected split train, valid or test for fer2013, got"):
        load_dataset(f"fer2013:{tmp_path}", split="dev")
    with pytest.raises(InputError, match="Expected faces in split valid of fer2013.*found none"):
        load_dataset(f"fer2013:{tmp_path}", split="valid")


def test_folder_copies_with_their_synonyms(tmp_path, draw):
    words = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    for split in ("train", "test"):
        for index, word in enumerate(words):
            draw(tmp_path / split / word / f"{split}_{index}.png", 30 * index, size=48)
    faces = load_dataset(f"fer2013:{tmp_path}", split="test")
    assert sorted(faces.table["emotion"]) == sorted(ORDER)
    for word, emotion in zip(words, ORDER, strict=True):
        index = faces.ids.index(f"{word}/test_{words.index(word)}.png")
        assert faces.table["emotion"][index] == emotion
        assert faces.read(index)[0, 0, 0] == 30 * words.index(word)
    assert faces.name == "fer2013"
    assert set(faces.table["source"]) == {"fer2013"}
    assert len(load_dataset(f"fer2013:{tmp_path}", split="test", source="FER-2013")) == 7
