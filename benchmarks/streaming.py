"""Faces streamed from files: against decoding alone, from the cache, and in how much memory.

``python -m benchmarks.streaming --faces 300000`` generates that many small files in a temporary
folder, which takes 5 GB with the cache, and prints times, rates and memory; each step runs in a
process of its own. ``python -m benchmarks --only streaming`` measures a small set in turns.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from benchmarks.report import Row, Section
from benchmarks.timing import Spread, alternate, ratio
from fer_xai.data import load_dataset
from fer_xai.data.images import faces_from_files, read_image
from fer_xai.emotions import SIX
from fer_xai.types import Faces, reading
from fer_xai.types.pixel_packs import BOUND

SIDE = 64
N_FACES = 3_000
FOLDERS = 10
"""Folders an emotion."""
STEPS = ("index", "table", "bare", "first", "second", "again")


def generate(root: Path, n: int) -> None:
    """Small JPEG files in folders of folders, of 500 images; a number behind each tells it apart."""
    coarse = np.random.default_rng(0).integers(0, 256, (500, 12, 12, 3), dtype=np.uint8)
    files = []
    for cells in coarse:
        file = io.BytesIO()
        image = Image.fromarray(cells).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        image.save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    for k in range(n):
        part = root / SIX[k % 6] / f"{k // 6 % FOLDERS:02d}"
        if k < 6 * FOLDERS:
            part.mkdir(parents=True)
        (part / f"{k:06d}.jpg").write_bytes(files[k % 500] + k.to_bytes(8, "little"))


def measure(*, rounds: int) -> Section:
    """Rows of a small set: the first pass against decoding alone, and the second one."""
    with tempfile.TemporaryDirectory() as place, _cache(Path(place) / "cache"):
        root = Path(place) / "faces"
        generate(root, N_FACES)
        rows = _rows(root)
        paths = [row[1] for row in rows]

        def first(**environment: str) -> None:
            shutil.rmtree(Path(place) / "cache", ignore_errors=True)
            with mock.patch.dict(os.environ, environment):
                _passed(faces_from_files(rows, name="small"))

        whole = alternate(
            {
                "first": first,
                "uncached": partial(first, **{BOUND: "0"}),
                "bare": lambda: [read_image(path) for path in paths],
            },
            rounds=rounds,
        )
        first()
        kept = alternate({"second": lambda: _passed(_fresh(rows))}, rounds=rounds)
        seconds = whole | kept
        same = all(
            np.array_equal(pixels.permute(1, 2, 0).numpy(), read_image(path))
            for pixels, path in zip(_fresh(rows)[:64].pixels(SIDE), paths[:64], strict=True)
        )
    bare = f"{_rate(seconds['bare'])} decoded in a loop"
    return Section(
        rows=[
            Row(
                name=f"Faces, {label}: decoding alone / batches",
                ours=_rate(seconds[key]),
                peer=bare,
                ratio=ratio(seconds, "bare", key),
                agreement="the same pixels" if same else "OTHER PIXELS",
            )
            for key, label in (
                ("first", "first pass, kept on disk"),
                ("uncached", "first pass, not kept"),
                ("second", "second pass"),
            )
        ],
        seconds={"streaming": seconds},
        notes=[
            f"Faces: {N_FACES} generated JPEG files of {SIDE} pixels a side, in batches of 64; decoding "
            "alone is Pillow in one thread, without resizing or batches. The second pass is that of a "
            "new reader, whose files are looked up by path, size and times.",
        ],
    )


def _rate(seconds: list[float]) -> str:
    return f"{N_FACES / Spread.of(seconds).median:,.0f} faces/s"


@contextmanager
def _cache(folder: Path) -> Iterator[None]:
    """A cache of its own; small sets are streamed like large ones."""
    with (
        mock.patch.dict(os.environ, XDG_CACHE_HOME=str(folder)),
        mock.patch.object(reading, "KEPT", 0),
    ):
        yield


def _rows(root: Path) -> list[tuple[str, ...]]:
    return [
        (path.relative_to(root).as_posix(), str(path), path.parts[-3], "test", "", "small", "")
        for path in sorted(root.glob("*/*/*.jpg"))
    ]


def _fresh(rows: list[tuple[str, ...]]) -> Faces:
    return faces_from_files(rows, name="small")


def _passed(faces: Faces) -> int:
    return sum(len(batch.pixels) for batch in faces.batches(size=SIDE))


def step(name: str, root: Path) -> dict[str, float]:
    """One step in this process: seconds, faces, and memory beyond that of the imports."""
    rows = _rows(root) if name != "index" else []
    before = _memory()
    work: dict[str, Callable[[], int]] = {
        "index": lambda: len(load_dataset(f"folder:{root}")),
        "table": lambda: len(_fresh(rows)),
        "bare": lambda: len([read_image(row[1]).shape for row in rows[:20_000]]),
    }
    if name in ("first", "second", "again"):
        faces = _fresh(rows)
        if name == "again":
            _passed(faces)
        work[name] = lambda: _passed(faces)
    begun, spent = time.perf_counter(), time.process_time()
    count = work[name]()
    return {
        "seconds": time.perf_counter() - begun,
        "processor seconds": time.process_time() - spent,
        "faces": count,
        "MiB beyond the imports": _memory() - before,
    }


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Generate files, and run each step in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__)
    parser.add_argument("--faces", type=int, default=20_000, help="files to generate")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        with mock.patch.object(reading, "KEPT", 0):
            print(json.dumps(step(args.step, args.root)))
        return
    with tempfile.TemporaryDirectory() as place:
        root = args.root or Path(place) / "faces"
        if not root.exists():
            generate(root, args.faces)
        environment = os.environ | {"XDG_CACHE_HOME": str(Path(place) / "cache")}
        for name in STEPS:
            command = [
                sys.executable,
                "-m",
                "benchmarks.streaming",
                "--step",
                name,
                "--root",
                str(root),
            ]
            done = subprocess.run(
                command, env=environment, check=True, capture_output=True, text=True
            )
            found = json.loads(done.stdout)
            rate = found["faces"] / found["seconds"]
            print(
                f"{name:8} {found['faces']:>9,} faces  {found['seconds']:8.2f} s  {rate:>11,.0f} faces/s  "
                f"{found['processor seconds']:8.2f} s of processors  "
                f"{found['MiB beyond the imports']:7.0f} MiB beyond the imports",
                flush=True,
            )


if __name__ == "__main__":
    main()
