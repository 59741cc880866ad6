"""Trees of drawn faces with planted copies and labels, in the layout of the published benchmark."""

import csv
from pathlib import Path

from PIL import Image, ImageEnhance

from fer_xai.data import load_dataset
from fer_xai.emotions import NATIVE_ORDERS

CODES = {name: code for code, name in enumerate(NATIVE_ORDERS["gimefive"])}
EDITS = {
    "jpeg": lambda image: image,  # the writing does it
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "smaller": lambda image: image.resize((48, 48)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
}


NAMES = {
    "rafdb": "{split}_{number:05d}_aligned_{emotion}.jpg",
    "fer2013": "{usage}_{number}_{emotion}.jpg",
}
USAGE = {"train": "Training", "test": "PublicTest"}
FOLDERS = {"rafdb": ("RAF-DB", "RAF"), "fer2013": ("FER2013", "FER")}


class Benchmark:
    """Writes images and lists: ``bench.add("train", "rafdb", 3, "fear", image)``."""

    def __init__(self, root: Path) -> None:
        self.root, self.rows = root, {}
        for split in ("train", "test"):
            for source in FOLDERS:
                self._list(split, source)

    def _list(self, split, source):
        folder, short = FOLDERS[source]
        return self.rows.setdefault(
            self.root / folder / f"{split}_{short}_labels.csv", (self.root / folder / split, [])
        )

    def add(self, split, source, number, emotion, image, *, content=None, quality=90):
        folder, rows = self._list(split, source)
        name = NAMES[source].format(split=split, usage=USAGE[split], number=number, emotion=emotion)
        folder.mkdir(parents=True, exist_ok=True)
        if content is None:
            image.save(folder / name, quality=quality)
        else:
            (folder / name).write_bytes(content)
        rows.append((name, CODES[emotion]))
        return folder / name

    def write(self):
        for file, (folder, rows) in self.rows.items():
            folder.mkdir(parents=True, exist_ok=True)
            with file.open("w", newline="") as stream:
                csv.writer(stream).writerows(rows)
        return f"gimefive:{self.root}"


def drawn(count, *, style="wild", split="train"):
    """Built-in faces as images, and their emotions."""
    faces = load_dataset(f"synthetic:{style}", split=split, limit=count)
    images = [Image.fromarray(faces.read(index)) for index in range(count)]
    return images, faces.table["emotion"].tolist()


def planted_benchmark(root: Path) -> str:
    """24 training and 12 test faces a source; then copies, whose places tests name.

    Leaked: the test faces 900 of fer2013 (the bytes of training face 0), 901 (its pixels, as PNG),
    902 to 905 (an edit each of training faces 1 to 4), 906 of rafdb (of fer2013's training face 5).
    Conflicts: training faces 910 and 911 of fer2013 are test face 912's bytes (fear, fear, anger).
    """
    bench = Benchmark(root)
    images, emotions = drawn(72)
    at = iter(range(72))
    for source in ("fer2013", "rafdb"):
        for split, count in (("train", 24), ("test", 12)):
            for number in range(count):
                index = next(at)
                bench.add(split, source, number, emotions[index], images[index])
    first = bench.root / "FER2013" / "train" / f"Training_0_{emotions[0]}.jpg"
    bench.add("test", "fer2013", 900, emotions[0], None, content=first.read_bytes())
    png = root / "again.png"
    Image.open(first).convert("RGB").save(png)
    bench.add("test", "fer2013", 901, emotions[0], None, content=png.read_bytes())
    png.unlink()
    for number, edit in enumerate(EDITS.values(), start=1):
        bench.add(
            "test", "fer2013", 901 + number, emotions[number], edit(images[number]), quality=60
        )
    bench.add("test", "rafdb", 906, emotions[5], images[5], quality=70)
    extra = drawn(1, split="valid")[0][0]
    path = bench.add("train", "fer2013", 910, "fear", extra)
    for split, number, label in (("train", 911, "fear"), ("test", 912, "anger")):
        bench.add(split, "fer2013", number, label, None, content=path.read_bytes())
    return bench.write()
