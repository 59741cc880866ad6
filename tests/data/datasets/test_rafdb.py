import pytest

from fer_xai.data import load_dataset
from fer_xai.emotions import SEVEN
from fer_xai.errors import InputError, UnknownNameError

LIST = """\
train_00001.jpg 5
train_00002.jpg 1
train_00003.jpg 2
train_00004.jpg 3
train_00005.jpg 4
train_00006.jpg 6
train_00007.jpg 7
test_0001.jpg 4
test_0002.jpg 7
"""
CODES = ["sadness", "surprise", "fear", "disgust", "happiness", "anger", "neutral"]


@pytest.fixture
def root(tmp_path, draw):
    (tmp_path / "EmoLabel").mkdir()
    (tmp_path / "EmoLabel" / "list_patition_label.txt").write_text(LIST)
    for number, line in enumerate(LIST.splitlines()):
        stem = line.split()[0].removesuffix(".jpg")
        draw(tmp_path / "Image" / "aligned" / f"{stem}_aligned.jpg", 20 * number, size=100)
    return tmp_path


def test_codes_are_mapped_by_name(root):
    faces = load_dataset(f"rafdb:{root}", split="train")
    assert list(faces.table["emotion"]) == CODES
    assert faces.emotions == SEVEN


def test_images_are_the_aligned_ones_in_the_order_of_the_list(root):
    faces = load_dataset("rafdb", root=root, split="test")
    assert faces.ids == ["test_0001_aligned.jpg", "test_0002_aligned.jpg"]
    assert faces.read(0).shape == (100, 100, 3)
    assert [int(faces.read(i).mean().round()) for i in range(2)] == pytest.approx([140, 160], abs=2)
    assert set(faces.table["source"]) == {"rafdb"}
    assert set(faces.table["split"]) == {"test"}


def test_the_folder_above_basic_will_do(root, tmp_path_factory):
    above = tmp_path_factory.mktemp("RAF-DB")
    (above / "basic").symlink_to(root)
    assert len(load_dataset(f"rafdb:{above}", split="train")) == 7


def test_emotions_and_limit_select(root):
    faces = load_dataset(f"rafdb:{root}", split="train", emotions=["Happy", "fear"])
    assert list(faces.table["emotion"]) == ["fear", "happiness"]
    faces = load_dataset(f"rafdb:{root}", split="train", emotions="gimefive")
    assert "neutral" not in faces.emotions
    assert len(faces) == 6
    assert load_dataset(f"rafdb:{root}", split="train", emotions="afraid").emotions == ("fear",)
    limited = load_dataset(f"rafdb:{root}", split="train", limit=3, seed=1)
    assert len(limited) == 3
    assert limited.ids == load_dataset(f"rafdb:{root}", split="train", limit=3, seed=1).ids


@pytest.mark.parametrize(
    "row", ["train_00008.jpg", "train_00008.jpg happy", "train_00008.jpg 5 6", "rain_00008.jpg 5"]
)
def test_a_bad_row_is_named(root, row):
    (root / "EmoLabel" / "list_patition_label.txt").write_text(LIST + row + "\n")
    with pytest.raises(
        InputError,
        match=(
            "Expected `name code` with a name train_… or test_… and a code 1–7 in "
            rf".*list_patition_label.txt, row 10, got '{row}'"
        ),
    ):
        load_dataset(f"rafdb:{root}", split="train")


def test_empty_lines_do_not_matter(root):
    (root / "EmoLabel" / "list_patition_label.txt").write_text("\n" + LIST + "\n\n")
    assert len(load_dataset(f"rafdb:{root}", split="train")) == 7


def test_there_is_no_validation_split(root):
    with pytest.raises(InputError, match="Expected split train or test for rafdb.*got 'valid'"):
        load_dataset(f"rafdb:{root}", split="valid")


@pytest.mark.parametrize("spec", ["rafdb", "folder", "gimefive", "fer2013"])
def test_a_wrong_root_is_named(tmp_path, spec):
    with pytest.raises(InputError, match=f"Expected the folder of {spec}, as {spec}:ROOT or root="):
        load_dataset(spec)
    with pytest.raises(
        InputError, match="Expected the data set .* in a folder or file, but .* does not exist"
    ):
        load_dataset(f"{spec}:{tmp_path / 'nowhere'}")
    with pytest.raises(InputError, match=r"Expected .*(under|found none)"):
        load_dataset(f"{spec}:{tmp_path}")


def test_an_unknown_dataset_suggests_the_close_one():
    with pytest.raises(
        UnknownNameError, match=r"^Unknown dataset 'raf-db': did you mean rafdb( or \w+)*\?$"
    ):
        load_dataset("raf-db:/data")


def test_an_empty_selection_says_so(root):
    (root / "EmoLabel" / "list_patition_label.txt").write_text("train_00001.jpg 5\n")
    sentence = "Expected faces in split test of rafdb:.*, found none: check the root, the split"
    with pytest.raises(InputError, match=sentence):
        load_dataset(f"rafdb:{root}", split="test")
    with pytest.raises(InputError, match=r"Expected faces in split test .* from rafdb, found none"):
        load_dataset(f"rafdb:{root}", split="test", source="rafdb")
    with pytest.raises(InputError, match="Expected faces in split train"):
        load_dataset(f"rafdb:{root}", split="train", emotions=["contempt"])


class TestBadImages:
    @pytest.fixture
    def broken(self, root):
        """The first image is missing, the fourth torn off, the last no image at all."""
        aligned = root / "Image" / "aligned"
        (aligned / "train_00001_aligned.jpg").unlink()
        whole = (aligned / "train_00004_aligned.jpg").read_bytes()
        (aligned / "train_00004_aligned.jpg").write_bytes(whole[: len(whole) // 2])
        (aligned / "train_00007_aligned.jpg").write_text("<html>404</html>")
        return root

    def test_are_named_when_they_are_read(self, broken):
        with pytest.raises(
            InputError, match=r"Expected an image at .*train_00001_aligned.jpg, .* for 1 of 7 faces"
        ):
            load_dataset(f"rafdb:{broken}", split="train")
        faces = load_dataset(f"rafdb:{broken}", split="train", emotions=CODES[1:])
        with pytest.raises(
            InputError, match=r"Expected a readable image, but .*_00004_aligned.jpg"
        ):
            faces.read(2)
        with pytest.raises(InputError, match=r"_00007_aligned.jpg is damaged .*pass skip_bad"):
            faces.read(5)
        with pytest.raises(InputError, match="skip_bad"):
            faces.pixels(64)

    def test_can_be_left_out_and_are_listed(self, broken):
        faces = load_dataset(f"rafdb:{broken}", split="train", skip_bad=True)
        assert faces.ids == [f"train_{i:05d}_aligned.jpg" for i in (2, 3, 5, 6)]
        assert list(faces.table["emotion"]) == [CODES[i] for i in (1, 2, 4, 5)]
        values = faces.pixels(64).float().mean(dim=(1, 2, 3)).tolist()
        assert values == pytest.approx([20, 40, 80, 100], abs=3)
        assert len(faces.skipped) == 3
        for number, text in zip((1, 4, 7), faces.skipped, strict=True):
            assert f"train_{number:05d}_aligned.jpg" in text

    def test_good_folders_skip_nothing(self, root):
        faces = load_dataset(f"rafdb:{root}", split="train", skip_bad=True)
        assert len(faces) == 7
        assert faces.skipped == ()

    def test_all_of_them_are_an_error(self, root):
        for path in (root / "Image" / "aligned").iterdir():
            path.unlink()
        with pytest.raises(InputError, match="Expected readable faces in rafdb, but all are bad: "):
            load_dataset(f"rafdb:{root}", split="test", skip_bad=True)
