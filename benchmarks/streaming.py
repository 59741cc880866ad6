"""Faces streamed from files: against decoding alone, from the cache, and in how much memory.

``python -m benchmarks.streaming --faces 300000`` generates that many small files in a temporary
folder, which takes 7 GB with the cache, and prints times, rates and memory; each step runs in a
process of its own. With ``--out FOLDER`` the table is written there, too. ``python -m benchmarks --only streaming`` measures a small set in turns.
"""

from __future__ import annotations

import argparse
import datetime
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
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image
from tabulate import tabulate

from benchmarks.report import Row, Section, machine, machine_line
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
STEPS = {
    "index": "index, folders of emotions",
    "list": "index, a csv list",
    "pack": "index, AffectNet's pack: a label file a face",
    "table": "table of rows that are known",
    "bare": "decoding alone, in a loop",
    "first": "first pass, kept on disk",
    "second": "second pass, a new process",
    "again": "second pass, the same process",
}
"""Steps and what they measure."""


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


def list_and_pack(root: Path, place: Path) -> None:
    """A csv list of generated files, and AffectNet's pack of them by links and label files."""
    paths = [path.relative_to(root) for path in sorted(root.glob("*/*/*.jpg"))]
    rows = [f"{path.as_posix()},{path.parts[0]}" for path in paths]
    (root / "list.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    images, notes = (place / "train_set" / name for name in ("images", "annotations"))
    for folder in (images, notes):
        folder.mkdir(parents=True)
    codes = []
    for code in range(8):
        file = io.BytesIO()
        np.save(file, np.array(str(code)))
        codes.append(file.getvalue())
    for k, path in enumerate(paths):
        os.link(root / path, images / f"{k}.jpg")
        (notes / f"{k}_exp.npy").write_bytes(codes[k % 8])


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
    rows = [] if name in ("index", "list", "pack") else _rows(root)
    before = _memory()
    work: dict[str, Callable[[], int]] = {
        "index": lambda: len(load_dataset(f"folder:{root}")),
        "list": lambda: len(load_dataset(f"csv:{root / 'list.csv'}")),
        "pack": lambda: len(load_dataset(f"affectnet:{root.parent / 'pack'}", split="train")),
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
    parser.add_argument("--out", type=Path, help="folder that gets the table")
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
        if not (root.parent / "pack").exists():
            list_and_pack(root, root.parent / "pack")
        found: dict[str, dict[str, float]] = {}
        about = machine()
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
            found[name] = json.loads(done.stdout)
            print(tabulate([_cells(name, found[name])], tablefmt="plain"), flush=True)
        if args.out is not None:
            write(args.out, found, faces=args.faces, about=about)


def _cells(name: str, found: dict[str, float]) -> tuple[str, ...]:
    each = 1e6 * found["processor seconds"] / found["faces"]
    return (
        STEPS[name],
        f"{found['faces']:,}",
        f"{found['seconds']:.2f}",
        f"{found['faces'] / found['seconds']:,.0f}",
        f"{found['processor seconds']:.2f}",
        f"{each:.1f}",
        f"{found['MiB beyond the imports']:.0f}",
    )


def write(
    folder: Path, found: dict[str, dict[str, float]], *, faces: int, about: dict[str, Any]
) -> None:
    """The table as Markdown, and what it was made of as JSON, named for the day."""
    names = ("step", "faces", "s", "faces/s", "processor s", "µs a face", "MiB beyond imports")
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    text = [
        f"# Streaming {faces:,} faces, {day}",
        machine_line(about),
        f"Generated JPEG files of {SIDE} pixels a side, in {6 * FOLDERS} folders; each step in a process of "
        "its own, once. Seconds are of the wall clock and depend on what else the machine does; "
        "processor seconds are of all threads of the process. Decoding alone is Pillow in one thread. "
        "Written by `python -m benchmarks.streaming --out`.",
        tabulate(
            [_cells(name, one) for name, one in found.items()],
            headers=names,
            tablefmt="pipe",
            disable_numparse=True,
        ),
    ]
    file = folder / f"{day}-streaming-{faces}"
    folder.mkdir(parents=True, exist_ok=True)
    told = {"machine": about, "faces": faces, "steps": found}
    file.with_suffix(".json").write_text(json.dumps(told, indent=2) + "\n")
    file.with_suffix(".md").write_text("\n\n".join(text) + "\n")


if __name__ == "__main__":
    main()
