"""A study of faces in a folder gives the same rows however their pixels come."""

import numpy as np
import pandas as pd
from PIL import Image

from fer_xai.emotions import SIX
from fer_xai.files import cache_folder
from fer_xai.types import file_digests, pixel_cache, reading
from studies.questions.faithfulness import Faithfulness


def test_rows_are_the_same_in_memory_and_from_the_cache(tmp_path, weights, monkeypatch):
    rng = np.random.default_rng(0)
    for k in range(12):
        place = tmp_path / "faces" / "test" / SIX[k % 6] / f"{k}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        cells = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(cells).resize((50 + k, 40)).save(place)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pixel_cache, "WORTH", 1)
    monkeypatch.setattr(file_digests, "SETTLED", -1)

    def run(name):
        study = Faithfulness(
            models=(f"tiny={weights}",),
            data=f"folder:{tmp_path / 'faces'}",
            methods=("gradcam", "saliency"),
            metrics=("deletion",),
            device="cpu",
            batch_size=4,
            progress=False,
            out=tmp_path / name,
        )
        folder = study.run()
        tables = sorted(folder.rglob("*.parquet"))
        return folder.name, {path.relative_to(folder): pd.read_parquet(path) for path in tables}

    monkeypatch.setenv("FER_XAI_CACHE_BYTES", "0")
    name, in_memory = run("memory")
    monkeypatch.setattr(reading, "KEPT", 0)
    monkeypatch.delenv("FER_XAI_CACHE_BYTES")
    found = {"cold, then warm": run("streamed")}  # each of its parts reads the faces
    assert list(cache_folder("faces").glob("*/*/*.pack"))
    assert len(in_memory) > 1
    for way, (other, tables) in found.items():
        assert (other, list(tables)) == (name, list(in_memory)), way
        for path, rows in tables.items():
            pd.testing.assert_frame_equal(rows, in_memory[path], check_exact=True)
