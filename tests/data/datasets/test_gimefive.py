import pytest

from fer_xai.data import load_dataset
from fer_xai.emotions import SIX
from fer_xai.errors import InputError

# (stem, source, value): the naming habits of the benchmark's sources, one face an emotion
NAMES = [
    ("test_0009_aligned", "rafdb"),
    ("PublicTest_10089743", "fer2013"),
    ("PrivateTest_11149326", "fer2013"),
    ("test_0185_aligned", "rafdb"),
    ("test_0007_aligned", "rafdb"),
    ("PrivateTest_11365666", "fer2013"),
]
FILES = [f"{stem}_{emotion}.jpg" for (stem, _), emotion in zip(NAMES, SIX, strict=True)]
SOURCES = [source for _, source in NAMES]
CSV = "".join(f"{name},{index}\n" for index, name in enumerate(FILES))


@pytest.fixture(params=["", "data"])
def flat(request, tmp_path, draw):
    base = tmp_path / request.param
    base.mkdir(exist_ok=True)
    (base / "test_labels.csv").write_text(CSV)
    for index, name in enumerate(FILES):
        draw(base / "test" / name, 40 * index, size=40 + index, kind="PNG" if index % 2 else None)
    return tmp_path


@pytest.fixture(params=["", "archive"])
def archive(request, tmp_path, draw):
    for folder, short, source in (("RAF-DB", "RAF", "rafdb"), ("FER2013", "FER", "fer2013")):
        base = tmp_path / request.param / folder
        lines = []
        for index, name in enumerate(FILES):
            if SOURCES[index] == source:
                draw(base / "test" / name, 40 * index)
                lines.append(f"{name},{index}\n")
        (base / f"test_{short}_labels.csv").write_text("".join(lines))
    return tmp_path


def test_the_first_image_is_not_lost_to_a_header(flat):
    faces = load_dataset(f"gimefive:{flat}", split="test")
    assert faces.ids == FILES
    assert list(faces.table["emotion"]) == list(SIX)
    assert list(faces.table["source"]) == SOURCES


def test_png_inside_jpg_and_mixed_sizes_are_read(flat):
    pixels = load_dataset(f"gimefive:{flat}", split="test").pixels(64)
    values = pixels.float().mean(dim=(1, 2, 3)).tolist()
    assert values == pytest.approx([40 * i for i in range(6)], abs=3)


def test_the_archive_layout_holds_the_same_faces(archive):
    faces = load_dataset(f"gimefive:{archive}", split="test")
    assert sorted(faces.ids) == sorted(FILES)
    for name, emotion, source in faces.table[["id", "emotion", "source"]].to_numpy():
        assert name.endswith(f"_{emotion}.jpg")
        assert source == SOURCES[FILES.index(name)]
    assert faces.pixels(32).shape == (6, 3, 32, 32)


def test_one_archive_alone_will_do(archive):
    for path in archive.rglob("test_FER_labels.csv"):
        path.unlink()
    assert set(load_dataset(f"gimefive:{archive}", split="test").table["source"]) == {"rafdb"}


@pytest.mark.parametrize("spelled", ["rafdb", "RAF-DB", "raf_db"])
def test_a_source_is_picked_however_it_is_spelled(flat, spelled):
    faces = load_dataset(f"gimefive:{flat}", split="test", source=spelled)
    assert faces.ids == [name for name in FILES if "aligned" in name]
    assert [int(v) for v in faces.pixels(40).float().mean(dim=(1, 2, 3))] == pytest.approx(
        [0, 120, 160], abs=3
    )


def test_an_unknown_source_suggests_the_close_one(flat):
    with pytest.raises(
        InputError, match=r"^Unknown source 'RAFBD' in gimefive: did you mean rafdb\?$"
    ):
        load_dataset(f"gimefive:{flat}", split="test", source="RAFBD")
    with pytest.raises(InputError, match=r"Unknown source 'xyz' .*there are fer2013, rafdb\."):
        load_dataset(f"gimefive:{flat}", split="test", source="xyz")


@pytest.mark.parametrize(
    ("name", "source", "person"),
    [
        ("train_00001_aligned_sadness.jpg", "rafdb", ("", "")),
        ("Training_10118481_anger.jpg", "fer2013", ("", "")),
        ("image0000005_fear.jpg", "affectnet", ("", "")),
        ("ffhq_12_happiness.jpg", "affectnet", ("", "")),
        ("S005_001_disgust.jpg", "ckplus", ("S005", "S005_001")),
        ("S005_001_00000011_disgust.jpg", "ckplus", ("S005", "S005_001")),
        ("f01_dfh_happiness.jpg", "tfeid", ("F01", "")),
        ("someone_happiness.jpg", "unknown", ("", "")),
    ],
)
def test_sources_and_persons_are_read_off_the_names(tmp_path, name, source, person):
    emotion = name.removesuffix(".jpg").rsplit("_", 1)[1]
    (tmp_path / "train_labels.csv").write_text(f"{name},{SIX.index(emotion)}\n")
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / name).touch()
    faces = load_dataset(f"gimefive:{tmp_path}", split="train")
    assert list(faces.table["source"]) == [source]
    assert (faces.table["subject"][0], faces.table["group"][0]) == person


@pytest.mark.parametrize("row", ["a_neutral.jpg,", "a_fear.jpg,fear", "a_fear.jpg", "a,5,x"])
def test_a_bad_row_is_named(flat, row):
    path = next(flat.rglob("test_labels.csv"))
    path.write_text(CSV + row + "\n")
    with pytest.raises(
        InputError,
        match=(f"Expected `name,label` with a label 0–5 in .*test_labels.csv, row 7, got '{row}'"),
    ):
        load_dataset(f"gimefive:{flat}", split="test")


def test_a_missing_layout_and_a_missing_split_say_what_was_sought(flat):
    with pytest.raises(
        InputError,
        match=(
            "Expected valid_labels.csv beside the folder valid/, or RAF-DB/ and FER2013/ with "
            "valid_RAF_labels.csv and valid_FER_labels.csv, under .*: found neither"
        ),
    ):
        load_dataset(f"gimefive:{flat}", split="valid")
    with pytest.raises(InputError, match="Expected split train, test or valid for gimefive, got"):
        load_dataset(f"gimefive:{flat}", split="dev")


def test_an_empty_split_says_so_with_and_without_a_source(flat):
    next(flat.rglob("test_labels.csv")).write_text("")
    for source in (None, "rafdb"):
        with pytest.raises(InputError, match="Expected faces in split test of gimefive.*none"):
            load_dataset(f"gimefive:{flat}", split="test", source=source)


def test_a_missing_image_is_named_or_skipped(flat):
    next(flat.rglob(FILES[2])).unlink()
    with pytest.raises(
        InputError, match=f"Expected an image at .*{FILES[2]}, found none, and so for 1 of 6 faces"
    ):
        load_dataset(f"gimefive:{flat}", split="test")
    faces = load_dataset(f"gimefive:{flat}", split="test", skip_bad=True)
    assert faces.ids == FILES[:2] + FILES[3:]
    assert len(faces.skipped) == 1
    assert FILES[2] in faces.skipped[0]
