"""Small copies of the data sets in their true layouts, and what they hold."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.data.tree_makers import (
    affectnet,
    affectnet_pack,
    ck48,
    ckplus,
    csv,
    expw,
    fer2013,
    ferplus,
    folder,
    huggingface,
    jaffe,
    kdef,
    rafau,
    rafce,
    rafdb,
    rafdb_compound,
    sfew,
    tfeid,
)


@dataclass(frozen=True)
class Tree:
    """A tree, how it is loaded, and the faces that are in one split of it."""

    name: str
    make: Callable[[Path], None]
    faces: dict[str, str]
    split: str = "test"
    place: str = ""
    options: str = ""
    left_out: dict[str, int] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    """Lists that say what there is, so that other line ends and marks must not matter."""
    files: bool = True
    """Whether each face is listed and has a file, so that a missing one is noticed."""

    def spec(self, root) -> str:
        place = root / self.place if self.place else root
        return f"{self.name}:{place}" + (f"#{self.options}" if self.options else "")


PAIRS = "1=surprise,sadly angry=anger"
TREES = {
    "rafdb": Tree(
        "rafdb",
        rafdb,
        {"test_0001_aligned.jpg": "happiness", "test_0002_aligned.jpg": "neutral"},
        texts=("EmoLabel/list_patition_label.txt",),
    ),
    "rafdb_compound": Tree(
        "rafdb_compound",
        rafdb_compound,
        {"test_0001_aligned.jpg": "surprise", "test_0002_aligned.jpg": "anger"},
        options=PAIRS,
        left_out={"happily disgusted": 1},
        texts=("compound/EmoLabel/list_patition_label.txt",),
    ),
    "rafce": Tree(
        "rafce",
        rafce,
        {"0001.jpg": "surprise"},
        options="0=surprise",
        left_out={"happily sad": 1},
        texts=("RAFCE_emolabel.txt", "RAFCE_partition.txt", "RAFCE_AUlabel.txt"),
    ),
    "rafau": Tree(
        "rafau",
        rafau,
        {"0001.jpg": "happiness", "0003.jpg": "anger"},
        options="emotions=mine.txt",
        left_out={"no emotion in the list": 1},
        texts=("RAFAU_label.txt", "mine.txt"),
    ),
    "fer2013": Tree(
        "fer2013",
        fer2013,
        {"icml_face_data.csv:3": "happiness", "icml_face_data.csv:4": "neutral"},
        texts=("fer2013/icml_face_data.csv",),
        files=False,
    ),
    "ferplus": Tree(
        "ferplus",
        ferplus,
        {"fer0000000.png": "anger", "fer0000004.png": "fear"},
        left_out={"no clear label": 1, "most votes for no face": 1},
        texts=("fer2013new.csv", "fer2013.csv"),
        files=False,
    ),
    "ckplus": Tree(
        "ckplus",
        ckplus,
        {
            "S005_001_00000011.png": "disgust",
            "S010_002_00000006.png": "surprise",
            "S010_004_00000005.png": "contempt",
        },
        left_out={"no label": 1},
        texts=("Emotion/S005/001/S005_001_00000011_emotion.txt",),
    ),
    "ck48": Tree(
        "ck48",
        ck48,
        {
            "anger/S010_004_00000017.png": "anger",
            "contempt/S138_008_00000007.png": "contempt",
            "happy/S010_006_00000015.png": "happiness",
        },
        files=False,
    ),
    "affectnet": Tree(
        "affectnet",
        affectnet,
        {"1/b.jpg": "happiness", "1/f.jpg": "contempt"},
        split="valid",
        left_out={"None (8)": 1, "Uncertain (9)": 1, "No-face (10)": 1},
        texts=("training.csv", "validation.csv"),
    ),
    "affectnet_pack": Tree(
        "affectnet",
        affectnet_pack,
        {"0.jpg": "anger", "2.jpg": "surprise", "10.jpg": "happiness"},
        split="train",
        files=False,
    ),
    "jaffe": Tree(
        "jaffe",
        jaffe,
        {
            "jaffe/KA.AN1.39.tiff": "anger",
            "jaffe/KA.HA2.30.tiff": "happiness",
            "jaffe/YM.SU3.60.tiff": "surprise",
        },
        files=False,
    ),
    "kdef": Tree(
        "kdef",
        kdef,
        {
            "AF01/AF01AFFL.JPG": "fear",
            "AF01/AF01AFS.JPG": "fear",
            "AM35/AM35NEHR.JPG": "neutral",
            "BF01/BF01ANS.JPG": "anger",
        },
        files=False,
    ),
    "expw": Tree(
        "expw",
        expw,
        {"angry_1.jpg#0": "anger", "angry_1.jpg#1": "happiness", "b.jpg#0": "neutral"},
        texts=("data/label/label.lst",),
    ),
    "sfew": Tree(
        "sfew", sfew, {"Happy/B_000447040_00000001.png": "happiness"}, split="valid", files=False
    ),
    "tfeid": Tree(
        "tfeid",
        tfeid,
        {
            "anger/f01_dfh_ag.jpg": "anger",
            "f02_dfh_pg.jpg": "surprise",
            "f04_dfs_hg.jpg": "happiness",
            "m03_dfh_happiness.jpg": "happiness",
        },
        files=False,
    ),
    "csv": Tree(
        "csv",
        csv,
        {"a/1.jpg": "happiness", "a/2.jpg": "anger"},
        place="lists/mine.csv",
        texts=("lists/mine.csv",),
    ),
    "folder": Tree(
        "folder", folder, {"Angry/1.jpg": "anger", "happy/deeper/2.jpg": "happiness"}, files=False
    ),
    "huggingface": Tree(
        "huggingface",
        huggingface,
        {"1.jpg": "happiness", "sub/2.jpg": "fear"},
        texts=("test/metadata.csv", "train/metadata.jsonl"),
    ),
}
"""A tree of each data set that is read from files."""
