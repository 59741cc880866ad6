"""How images and labels are spread: class balance, sizes, greys, brightness, blur."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.data.duplicates.prints import Prints
from fer_xai.emotions import EMOTIONS

_BLOCK = 1024


def balance_table(table: pd.DataFrame) -> pd.DataFrame:
    """Faces by set, split and emotion, and how many times the rarest the most frequent is.

    Examples
    --------
    >>> faces = pd.DataFrame({"set": "s", "split": "test", "emotion": ["fear", "fear", "anger"]})
    >>> balance_table(faces).astype(object).values.tolist()
    [['s', 'test', 3, 1, 2, 2.0]]
    """
    present = [name for name in EMOTIONS if (table["emotion"] == name).any()]
    rows = []
    for (name, split), own in table.groupby(["set", "split"], sort=False):
        counts = own["emotion"].value_counts()
        each = [int(counts.get(emotion, 0)) for emotion in present]
        ratio = float(counts.max() / counts.min())
        rows.append([name, split, len(own), *each, ratio])
    columns = ["set", "split", "faces", *present, "most over least frequent"]
    return pd.DataFrame(rows, columns=columns)


def measures(prints: Prints) -> pd.DataFrame:
    """Height, width and colour of each image; brightness, contrast and sharpness at 64×64 in grey.

    Brightness is the mean and contrast the standard deviation of greys from 0 to 255. Sharpness is
    the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000): low for a blurred image.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> from fer_xai.data.duplicates.prints import read_prints
    >>> measures(read_prints(synthetic_faces(2, size=32)))["height"].tolist()
    [32, 32]
    """
    parts = [
        _of_grey(prints.grey[start : start + _BLOCK])
        for start in range(0, len(prints.grey), _BLOCK)
    ]
    found = np.concatenate([np.zeros((0, 3)), *parts])
    return pd.DataFrame(
        {
            "height": prints.shapes[:, 0],
            "width": prints.shapes[:, 1],
            "colour": prints.colour,
            "brightness": found[:, 0],
            "contrast": found[:, 1],
            "sharpness": found[:, 2],
        }
    )


def _of_grey(sums: NDArray[np.uint16]) -> NDArray[np.float64]:
    grey = sums.astype(np.float32) / 3
    inner = grey[:, 1:-1, 1:-1]
    laplacian = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    laplacian -= 4 * inner
    axes = (1, 2)
    columns = [grey.mean(axis=axes), grey.std(axis=axes), laplacian.var(axis=axes)]
    return np.stack(columns, axis=1).astype(np.float64)


def images_table(table: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Images by set and emotion: medians of size, brightness, contrast and sharpness.

    Parameters
    ----------
    table
        A row a face: ``set`` and ``emotion``.
    measured
        What :func:`measures` found.

    Examples
    --------
    >>> faces = pd.DataFrame({"set": ["s"], "emotion": ["fear"]})
    >>> measured = pd.DataFrame({"height": [48], "width": [48], "colour": [False],
    ...                          "brightness": [120.0], "contrast": [50.0], "sharpness": [9.0]})
    >>> images_table(faces, measured).iloc[:, :5].astype(object).values.tolist()
    [['s', 'fear', 1, 48, 100.0]]
    """
    both = pd.concat([table[["set", "emotion"]].reset_index(drop=True), measured], axis=1)
    sides = np.minimum(both["height"], both["width"])
    both = both.assign(side=sides)
    rows = []
    for name in dict.fromkeys(both["set"]):
        for emotion in EMOTIONS:
            own = both[(both["set"] == name) & (both["emotion"] == emotion)]
            if not len(own):
                continue
            rows.append(
                {
                    "set": name,
                    "emotion": emotion,
                    "images": len(own),
                    "shorter side, median": int(own["side"].median()),
                    "grey, %": 100 * float((~own["colour"]).mean()),
                    "brightness": float(own["brightness"].median()),
                    "contrast": float(own["contrast"].median()),
                    "sharpness": float(own["sharpness"].median()),
                    "darkest tenth, at most": float(own["brightness"].quantile(0.1)),
                    "blurred tenth, at most": float(own["sharpness"].quantile(0.1)),
                }
            )
    return pd.DataFrame(rows)
