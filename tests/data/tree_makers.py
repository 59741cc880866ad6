"""Makers of small copies of the data sets in their true layouts, quirks included."""

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from fer_xai.data.datasets.ferplus import ORDER

PIXELS = " ".join(["9"] * 48 * 48)


def image(path: Path, *, kind: str | None = None, mode: str = "RGB", size=(20, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    value = zlib.crc32(path.stem.encode()) % 256  # files of different names differ
    Image.new(mode, size, value if mode == "L" else (value,) * 3).save(path, format=kind)


def text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def rafdb(root):
    text(
        root / "EmoLabel/list_patition_label.txt",  # the typo is real
        *("train_00001.jpg 5", "train_00002.jpg 1", "test_0001.jpg 4", "test_0002.jpg 7"),
    )
    for stem in ("train_00001", "train_00002", "test_0001", "test_0002"):
        image(root / f"Image/aligned/{stem}_aligned.jpg", size=(100, 100))
        places = "\t\n".join(f"{i}.5\t{i + 10}.25" for i in range(5))
        text(root / f"Annotation/manual/{stem}_manu_attri.txt", places, "1", "2", "3")
        text(root / f"Annotation/auto/{stem}_auto_attri.txt", *(f"{i}\t{i + 1}" for i in range(37)))


def rafdb_compound(root):
    rows = ("train_0001.jpg 11", "test_0001.jpg 1", "test_0002.jpg 4", "test_0003.jpg 2")
    text(root / "compound/EmoLabel/list_patition_label.txt", *rows)
    for row in rows:
        image(root / f"compound/Image/aligned/{row.split('.')[0]}_aligned.jpg")


def rafce(root):
    text(root / "RAFCE_emolabel.txt", "0001.jpg 0", "0002.jpg 13", "0003.jpg 8")
    text(root / "RAFCE_partition.txt", "0001.jpg 1", "0002.jpg 1", "0003.jpg 0")
    text(root / "RAFCE_AUlabel.txt", "0001.jpg 1+2+12", "0002.jpg null", "0003.jpg 4")
    for stem in ("0001", "0002", "0003"):
        image(root / f"aligned/{stem}_aligned.jpg")


def rafau(root):
    text(root / "RAFAU_label.txt", "0001.jpg 6+12", "0002.jpg null", "0003.jpg L14+4")
    text(root / "mine.txt", "0001.jpg happiness", "0003.jpg anger")
    for stem in ("0001", "0002", "0003"):
        image(root / f"aligned/{stem}_aligned.jpg")


def fer2013(root):
    text(
        root / "fer2013/icml_face_data.csv",  # as torchvision has it; its header has spaces
        "emotion, Usage, pixels",
        *(f"0,Training,{PIXELS}", f"3,PrivateTest,{PIXELS}", f"6,PrivateTest,{PIXELS}"),
    )


VOTES = (
    ("PrivateTest", "fer0000000.png", "1,0,0,0,8,1,0,0,0,0"),  # anger
    ("PrivateTest", "fer0000001.png", "4,4,0,0,0,0,0,0,2,0"),  # no clear label
    ("PrivateTest", "", "0,0,0,0,0,0,0,0,0,10"),  # no face: FER+ has no name for it
    ("Training", "fer0000003.png", "0,9,0,0,0,0,0,1,0,0"),
    ("PrivateTest", "fer0000004.png", "0,1,1,1,1,1,5,0,0,0"),  # fear, by half of ten votes
)


def ferplus(root):
    rows = [f"{usage},{name},{votes}" for usage, name, votes in VOTES]
    text(root / "fer2013new.csv", "Usage,Image name," + ",".join(ORDER), *rows)
    rows = [f"0,{PIXELS},{usage}" for usage, _, _ in VOTES]
    text(root / "fer2013.csv", "emotion,pixels,Usage", *rows)


def ckplus(root):
    for person, sequence, frames, code in (
        ("S005", "001", 11, 3),
        ("S010", "002", 6, 7),
        ("S010", "004", 5, 2),
        ("S011", "001", 4, None),  # no file means no label
    ):
        folder = root / "cohn-kanade-images" / person / sequence
        for frame in range(1, frames + 1):
            image(folder / f"{person}_{sequence}_{frame:08d}.png", mode="L")
        labels = root / "Emotion" / person / sequence
        labels.mkdir(parents=True)
        if code is not None:
            name = f"{person}_{sequence}_{frames:08d}_emotion.txt"
            text(labels / name, f"   {code}.0000000e+00")  # with its leading spaces


def ck48(root):
    for name in (
        "anger/S010_004_00000017",
        "happy/S010_006_00000015",
        "contempt/S138_008_00000007",
    ):
        image(root / f"{name}.png", mode="L", size=(48, 48))


HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,"
    "valence,arousal"
)
LANDMARKS = ";".join(["10.5;11.5"] * 68)


def affectnet(root):
    rows = [
        f"1/{name}.jpg,2,3,10,12,{LANDMARKS},{code},{mood}"
        for name, code, mood in (
            *(("a", 6, "-.6,.7"), ("b", 1, ".8,.1"), ("c", 8, "-2,-2"), ("d", 9, "-2,-2")),
            *(("e", 10, "-2,-2"), ("f", 7, "-.2,.2")),
        )
    ]
    text(root / "training.csv", HEADER, *rows[:1])
    text(root / "validation.csv", *rows[1:])  # without a header
    for name in "abcdef":
        image(root / f"Manually_Annotated_Images/1/{name}.jpg", size=(30, 40))


def affectnet_pack(root):
    for part, faces in (("train_set", {"0": 6, "10": 1, "2": 3}), ("val_set", {"7": 7, "8": 0})):
        for name, code in faces.items():
            image(root / part / "images" / f"{name}.jpg")
            notes = root / part / "annotations"
            notes.mkdir(exist_ok=True)
            np.save(notes / f"{name}_exp.npy", np.array(str(code)))
            np.save(notes / f"{name}_val.npy", np.array("-0.5"))
            np.save(notes / f"{name}_aro.npy", np.array(".25"))


def jaffe(root):
    for name in ("KA.AN1.39.tiff", "KA.HA2.30.tiff", "YM.SU3.60.tiff"):
        image(root / "jaffe" / name, mode="L", size=(256, 256))
    text(root / "jaffe/README", "a note")


def kdef(root):
    for name in ("AF01/AF01AFS", "AF01/AF01AFFL", "BF01/BF01ANS", "AM35/AM35NEHR"):
        image(root / f"{name}.JPG")  # in capitals


def expw(root):
    text(
        root / "data/label/label.lst",
        *("angry_1.jpg 0 2 4 12 16 90.5 0", "angry_1.jpg 1 0 0 5 5 20.1 3", "b.jpg 0 1 1 9 9 60 6"),
    )
    for name in ("angry_1.jpg", "b.jpg"):
        image(root / "data/image/origin" / name, size=(30, 20))


def sfew(root):
    for name in (
        *(
            "Train/Train_Aligned_Faces/Angry/A_000447040_00000001",
            "Train/Angry/A_000447040_00000001",
        ),
        *("Val/Val_Aligned_Faces_new/Happy/B_000447040_00000001", "Val/Happy/B_1"),
    ):
        image(root / f"{name}.png")


def tfeid(root):
    for name in ("anger/f01_dfh_ag", "f02_dfh_pg", "m03_dfh_happiness", "f04_dfs_hg"):
        image(root / f"{name}.jpg")


def csv(root):
    text(root / "lists/mine.csv", "image,emotion,age", "a/1.jpg,Happy,20", "./a/2.jpg,angry,30")
    for name in ("1", "2"):
        image(root / f"lists/a/{name}.jpg")


def folder(root):
    for name in ("test/Angry/1", "test/happy/deeper/2", "train/Angry/3"):
        image(root / f"{name}.jpg")


def huggingface(root):
    text(root / "test/metadata.csv", "file_name,label", "1.jpg,happy", "sub/2.jpg,fear")
    text(root / "train/metadata.jsonl", '{"file_name": "3.jpg", "label": "sad"}')
    for name in ("test/1", "test/sub/2", "train/3"):
        image(root / f"{name}.jpg")
