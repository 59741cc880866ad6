"""Rows that cannot be used stop a run with their place, or are left out and listed."""

import pytest

from fer_xai.data import load_dataset
from fer_xai.errors import InputError


@pytest.fixture
def rafdb(tmp_path, draw):
    rows = ["test_0001.jpg 4", "test_0002.jpg x", "test_0003.jpg 6"]
    (tmp_path / "EmoLabel").mkdir()
    (tmp_path / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(rows))
    for number in (1, 2):
        draw(tmp_path / "Image" / "aligned" / f"test_000{number}_aligned.jpg")
    return f"rafdb:{tmp_path}", ["row 2, got 'test_0002.jpg x'", "test_0003_aligned.jpg"]


@pytest.fixture
def gimefive(tmp_path, draw):
    (tmp_path / "test_labels.csv").write_text("a.jpg,0\nb.jpg,six\nc.jpg,2\n")
    draw(tmp_path / "test" / "a.jpg")
    (tmp_path / "test" / "c.jpg").write_bytes(b"torn off")
    return f"gimefive:{tmp_path}", ["row 2, got 'b.jpg,six'", "c.jpg is damaged"]


@pytest.fixture
def fer2013(tmp_path):
    grey = " ".join(["7"] * 48 * 48)
    lines = [
        "emotion,pixels,Usage",
        f"3,{grey},PrivateTest",
        f"x,{grey},PrivateTest",
        "3,1 2 3,PrivateTest",
        f"3,{grey},Holiday",
    ]
    (tmp_path / "fer2013.csv").write_text("\n".join(lines))
    return f"fer2013:{tmp_path}", ["row 3, got 'x'", "row 4, got 3 values", "got 'Holiday'"]


@pytest.fixture
def folder(tmp_path, draw):
    draw(tmp_path / "happy" / "a.png")
    draw(tmp_path / "bored" / "b.png")
    return f"folder:{tmp_path}", ["got 'bored'"]


@pytest.mark.parametrize("name", ["rafdb", "gimefive", "fer2013", "folder"])
def test_bad_rows_raise_or_are_listed(name, request):
    spec, sentences = request.getfixturevalue(name)
    with pytest.raises(InputError, match="Expected"):
        _ = load_dataset(spec, split="test").pixels(16)
    faces = load_dataset(spec, split="test", skip_bad=True)
    assert len(faces) == 1
    assert faces.pixels(16).shape == (1, 3, 16, 16)
    assert list(faces.table["emotion"]) == ["happiness"]
    assert len(faces.skipped) == len(sentences)
    for sentence, found in zip(sentences, faces.skipped, strict=True):
        assert sentence in found
