"""The files that faces are listed in, small and whole, and how each is read."""

import numpy as np
import pandas as pd

from fer_xai.data import DATASETS
from fer_xai.data.landmark_csv import POINTS, read_landmarks
from fer_xai.emotions import EMOTIONS
from fer_xai.types import COLUMNS, Faces


def _labels(faces):
    return dict(zip(faces.ids, faces.table["emotion"], strict=True))


class Rafdb:
    """``train_00001.jpg 5``; both splits are read."""

    path, separator, header, codes = "EmoLabel/list_patition_label.txt", " ", 0, range(1, 8)
    rows = (
        *(f"train_{i:05d}.jpg {1 + i % 7}" for i in range(1, 9)),
        *(f"test_{i:04d}.jpg {1 + 3 * i % 7}" for i in range(1, 5)),
    )

    @staticmethod
    def read(root, problems):
        loaded = [DATASETS["rafdb"](root, split=s, problems=problems) for s in ("train", "test")]
        return _labels(loaded[0]) | _labels(loaded[1])


class GiMeFive:
    """``name_emotion.jpg,3``; every third name has no emotion."""

    path, separator, header, codes = "test_labels.csv", ",", 0, range(6)
    rows = tuple(
        f"image{i:07d}{'' if i % 3 == 0 else '_' + EMOTIONS[i % 6]}.jpg,{i % 6}" for i in range(12)
    )

    @staticmethod
    def read(root, problems):
        return _labels(DATASETS["gimefive"](root, split="test", problems=problems))


NOISE = np.random.default_rng(0).integers(0, 10, (6, 48 * 48))
POINT = np.random.default_rng(1).integers(40, 400, (4, 136)) / 4 + 0.125


class Fer2013:
    """Faces are known by their pixels, since rows have no names."""

    path, separator, header, codes = "fer2013.csv", ",", 1, range(7)
    rows = (
        "emotion,pixels,Usage",
        *(f"{i * 2 % 7},{' '.join(map(str, row))},PrivateTest" for i, row in enumerate(NOISE)),
    )

    @staticmethod
    def read(root, problems):
        faces = DATASETS["fer2013"](root, split="test", problems=problems)
        found = {}
        for index, emotion in enumerate(faces.table["emotion"]):
            same = (faces.read(index)[:, :, 0].ravel() == NOISE).mean(axis=1)
            assert same.max() > 0.9, "pixels of no face"
            face = f"face {same.argmax()}"
            assert found.setdefault(face, emotion) == emotion  # a doubled row is the same face
        return found


class Landmarks:
    """Faces without a row are unknown, and not among what is read."""

    path, separator, header, codes = "landmarks.csv", ",", 1, None
    rows = (
        ",".join(["image", *POINTS]),
        *(f"face{i}.png,{','.join(map(str, row))}" for i, row in enumerate(POINT)),
    )

    @staticmethod
    def read(root, problems):
        table = pd.DataFrame(
            [(f"face{i}.png", f"face{i}.png", "fear", "test", "", "", "") for i in range(4)],
            columns=list(COLUMNS),
        )
        faces = Faces(table=table, reader=lambda row: np.zeros((9, 9, 3), np.uint8), name="x")
        points = read_landmarks(root / "landmarks.csv", faces).reshape(4, 136)
        return {
            name: tuple(values)
            for name, values in zip(faces.ids, points, strict=True)
            if not np.isnan(values).all()
        }


FORMATS = [Rafdb, GiMeFive, Fer2013, Landmarks]
