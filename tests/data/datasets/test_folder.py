import numpy as np
import pytest
from PIL import Image

from fer_xai.data import load_dataset
from fer_xai.data.images import read_image
from fer_xai.errors import InputError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (12, 16), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8)


def _thrice(grey):
    return np.repeat(np.asarray(grey)[:, :, None], 3, axis=2)


def test_synonyms_are_folders_of_emotions(tmp_path, draw):
    for value, word in enumerate(["angry", "Happy", "SADNESS", "su", "contempt"]):
        draw(tmp_path / word / "a.png", 10 * value)
    faces = load_dataset(f"folder:{tmp_path}")
    assert sorted(faces.table["emotion"]) == [
        "anger",
        "contempt",
        "happiness",
        "sadness",
        "surprise",
    ]
    values = {faces.table["emotion"][i]: int(faces.read(i)[0, 0, 0]) for i in range(5)}
    expected = {"anger": 0, "happiness": 10, "sadness": 20, "surprise": 30, "contempt": 40}
    assert values == expected
    assert faces.name == tmp_path.name
    assert set(faces.table["source"]) == {tmp_path.name}


def test_without_split_folders_every_image_is_in_the_split_asked_for(tmp_path, draw):
    draw(tmp_path / "fear" / "a.png")
    draw(tmp_path / "anger" / "b.jpeg")
    for split in ("train", "valid", "test"):
        faces = load_dataset(f"folder:{tmp_path}", split=split)
        assert len(faces) == 2
        assert set(faces.table["split"]) == {split}


@pytest.mark.parametrize("word", ["valid", "val", "validation"])
def test_split_folders_are_kept_apart(tmp_path, draw, word):
    for split, count in (("train", 3), (word, 2), ("testing", 1)):
        for index in range(count):
            draw(tmp_path / split / "happy" / f"{index}.png")
    counts = {s: len(load_dataset(f"folder:{tmp_path}", split=s)) for s in ("train", "valid")}
    assert counts == {"train": 3, "valid": 2}
    faces = load_dataset(f"folder:{tmp_path}", split="test")
    assert len(faces) == 1
    assert faces.ids == ["happy/0.png"]
    assert set(faces.table["source"]) == {tmp_path.name}


def test_the_folder_one_stands_in_has_a_name(tmp_path, draw, monkeypatch):
    draw(tmp_path / "fear" / "a.png")
    monkeypatch.chdir(tmp_path)
    assert load_dataset("folder:.").name == tmp_path.name


def test_other_files_are_not_images(tmp_path, draw):
    draw(tmp_path / "fear" / "a.PNG")
    (tmp_path / "fear" / "notes.txt").write_text("x")
    (tmp_path / "readme.md").write_text("x")
    assert load_dataset(f"folder:{tmp_path}").ids == ["fear/a.PNG"]


def test_wrong_folders_are_named(tmp_path, draw):
    image = draw(tmp_path / "faces" / "fear" / "a.png")
    with pytest.raises(
        InputError, match="Expected a folder of emotion folders, got the file .*a.p"
    ):
        load_dataset(f"folder:{image}")
    with pytest.raises(InputError, match="Expected folders named for emotions .*, got 'faces'"):
        load_dataset(f"folder:{tmp_path}")
    draw(tmp_path / "train" / "fear" / "a.png")
    with pytest.raises(InputError, match="Expected a folder for split valid under .*, found none"):
        load_dataset(f"folder:{tmp_path}", split="valid")
    (tmp_path / "test" / "fear").mkdir(parents=True)
    with pytest.raises(InputError, match="Expected faces in split test of folder:.*, found none"):
        load_dataset(f"folder:{tmp_path}", split="test")


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])  # the suffix is not trusted
@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(COLOUR), COLOUR),
        (Image.fromarray(GREY), _thrice(GREY)),
        (Image.fromarray(GREY > 127), _thrice(255 * (GREY > 127))),
        (Image.fromarray(GREY.astype(np.uint16) * 257), _thrice(GREY)),
        (Image.fromarray(COLOUR[:, :, :1].repeat(3, 2)).quantize(256), _thrice(COLOUR[:, :, 0])),
    ],
    ids=["colour", "grey", "1 bit", "16 bit", "palette"],
)
def test_every_mode_becomes_rgb(tmp_path, name, image, expected):
    image.save(tmp_path / name, format="PNG")
    read = read_image(tmp_path / name)
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_over_black(tmp_path, mode):
    """Left half opaque, right half see-through, whatever colour is stored there."""
    image = Image.new("RGBA", (8, 4), (200, 200, 200, 255))
    image.paste((250, 250, 250, 0), (4, 0, 8, 4))
    if mode == "P":
        image = image.quantize(4)
    elif mode == "LA":
        image = image.convert("LA")
    image.save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert (read[:, :4] == 200).all()
    assert (read[:, 4:] == 0).all()


def test_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(COLOUR).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png"), np.rot90(COLOUR, -1))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow says so before it gives up
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_whatever_is_wrong_with_a_file_it_is_named(tmp_path, kind):
    path = tmp_path / "face.png"
    Image.fromarray(COLOUR).save(path, format=kind)
    whole = path.read_bytes()
    for broken in (b"", b"no image", whole[:20], whole[: len(whole) * 2 // 3]):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"Expected a readable image, but .*face.png is damag"):
            read_image(path)


def test_an_absurd_size_is_damage(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "face.bmp")
    data = bytearray((tmp_path / "face.bmp").read_bytes())
    data[18:26] = (60_000).to_bytes(4, "little") * 2  # width and height in its header
    (tmp_path / "face.bmp").write_bytes(data)
    with pytest.raises(InputError, match=r"face.bmp claims more \(Image size"):
        read_image(tmp_path / "face.bmp")


class TestWhatIsPassedOver:
    def test_hidden_files_and_folders(self, tmp_path, draw):
        draw(tmp_path / "fear" / "a.png")
        draw(tmp_path / "fear" / "_MG_1.png")  # cameras name files so
        for name in ("._a.png", ".hidden.png"):
            (tmp_path / "fear" / name).write_bytes(b"no image")
        (tmp_path / "fear" / ".cache").mkdir()
        (tmp_path / "fear" / ".cache" / "a.png").write_bytes(b"no image")
        (tmp_path / "__MACOSX").mkdir()
        faces = load_dataset(f"folder:{tmp_path}")
        assert faces.ids == ["fear/_MG_1.png", "fear/a.png"]
        assert len(faces.pixels(8)) == 2

    def test_nested_folders_are_read(self, tmp_path, draw):
        draw(tmp_path / "fear" / "S010" / "004" / "a.png", 40)
        draw(tmp_path / "fear" / "a.png", 80)
        faces = load_dataset(f"folder:{tmp_path}")
        assert faces.ids == ["fear/S010/004/a.png", "fear/a.png"]
        assert [int(faces.read(i)[0, 0, 0]) for i in range(2)] == [40, 80]

    @pytest.mark.parametrize(
        "name", ["a.gif", "a.jfif", "a.ppm", "a.PGM", "a.jpe", "a.JPG", "a.tiff", "a.webp"]
    )
    def test_formats_that_are_read(self, tmp_path, draw, name):
        kind = {"jfif": "JPEG", "jpe": "JPEG"}.get(name[2:])
        draw(tmp_path / "fear" / name, 90, kind=kind)
        faces = load_dataset(f"folder:{tmp_path}")
        assert faces.ids == [f"fear/{name}"]
        assert int(faces.read(0).mean()) == pytest.approx(90, abs=3)

    @pytest.mark.parametrize("name", ["a.heic", "a.AVIF", "a.npy", "a.svg"])
    def test_formats_that_are_not_are_said(self, tmp_path, draw, name):
        draw(tmp_path / "fear" / "b.png")
        (tmp_path / "fear" / name).write_bytes(b"x")
        with pytest.raises(
            InputError, match=f"Expected images as .jpg, .*{name}: convert it to PN"
        ):
            load_dataset(f"folder:{tmp_path}")
        faces = load_dataset(f"folder:{tmp_path}", skip_bad=True)
        assert (faces.ids, len(faces.skipped)) == (["fear/b.png"], 1)

    def test_images_in_no_emotions_folder_are_said(self, tmp_path, draw):
        for name in ("fear/a.png", "b.png", "c.PNG", ".d.png"):
            draw(tmp_path / name)
        with pytest.raises(InputError, match="under .*, got 'b.png' and 1 more beside them: move"):
            load_dataset(f"folder:{tmp_path}")
        assert load_dataset(f"folder:{tmp_path}", skip_bad=True).ids == ["fear/a.png"]


class TestSplitFolders:
    def test_capitals_do_not_matter(self, tmp_path, draw):
        for split, count in (("Train", 3), ("TEST", 2), ("Validation", 1)):
            for index in range(count):
                draw(tmp_path / split / "Happy" / f"{index}.png", 10 * index)
        counts = {
            split: len(load_dataset(f"folder:{tmp_path}", split=split))
            for split in ("train", "test", "valid")
        }
        assert counts == {"train": 3, "test": 2, "valid": 1}

    def test_one_split_in_two_folders_is_refused(self, tmp_path, draw):
        for split in ("val", "valid", "Train"):
            draw(tmp_path / split / "fear" / "a.png")
        with pytest.raises(
            InputError, match="Expected one folder for split valid .*val, valid: le"
        ):
            load_dataset(f"folder:{tmp_path}", split="valid")
        assert len(load_dataset(f"folder:{tmp_path}", split="train")) == 1

    def test_emotions_beside_splits_are_said(self, tmp_path, draw):
        for folder in ("test/fear", "train/fear", "anger"):
            draw(tmp_path / folder / "a.png")
        with pytest.raises(InputError, match="inside the split folders, got 'anger' beside them"):
            load_dataset(f"folder:{tmp_path}")
        assert load_dataset(f"folder:{tmp_path}", skip_bad=True).ids == ["fear/a.png"]

    def test_splits_below_emotions_are_refused(self, tmp_path, draw):
        for folder in ("fear/test", "fear/train"):
            draw(tmp_path / folder / "a.png")
        with pytest.raises(InputError, match="Expected split folders above the emotion folders"):
            load_dataset(f"folder:{tmp_path}", skip_bad=True)


class TestContradictions:
    @pytest.mark.parametrize("name", ["a_sad.png", "Sadness_12.png", "sad12.PNG"])
    def test_a_name_against_its_folder_is_named(self, tmp_path, draw, name):
        draw(tmp_path / "fear" / name)
        draw(tmp_path / "fear" / "a_Fearful.png", 10)
        with pytest.raises(
            InputError,
            match=(
                f"Expected file names that agree with their folder under .*, but 'fear/{name}' speaks "
                "of sadness: move or rename it"
            ),
        ):
            load_dataset(f"folder:{tmp_path}")
        faces = load_dataset(f"folder:{tmp_path}", skip_bad=True)
        assert (faces.ids, len(faces.skipped)) == (["fear/a_Fearful.png"], 1)

    def test_an_emotion_inside_another_is_named(self, tmp_path, draw):
        draw(tmp_path / "fear" / "happy" / "a.png")
        draw(tmp_path / "fear" / "fear" / "b.png")
        with pytest.raises(
            InputError, match="Expected folders of one emotion .*'happy' with 'a.png"
        ):
            load_dataset(f"folder:{tmp_path}")
        assert load_dataset(f"folder:{tmp_path}", skip_bad=True).ids == ["fear/fear/b.png"]

    def test_one_image_in_two_emotions_is_reported(self, tmp_path, draw):
        for place in ("fear/a.png", "happy/b.png", "happy/c.png"):
            draw(tmp_path / place, 77)
        draw(tmp_path / "anger" / "d.png", 78)
        with pytest.warns(
            UserWarning,
            match=(
                "1 image of .* stands for two emotions or more, for instance 'fear/a.png' and "
                "'happy/b.png': their labels cannot all be right"
            ),
        ):
            faces = load_dataset(f"folder:{tmp_path}")
        assert len(faces) == 4
        assert len(load_dataset(f"folder:{tmp_path}", emotions=["happy", "anger"])) == 3
