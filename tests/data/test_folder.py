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
        "anger", "contempt", "happiness", "sadness", "surprise",
    ]  # fmt: skip
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
    with pytest.raises(InputError, match=r"face.bmp is damaged \(Image size"):
        read_image(tmp_path / "face.bmp")
