"""Files of pieces: whether they are there, and how they are made."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.calibration.pieces import Piece, made_of, pieces


def kept(path: Path, piece: Piece) -> bool:
    """Whether a piece is there, by today's code and with as many repeats."""
    if not path.exists():
        return False
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return bool(found["made of"] == made_of(piece) and found["repeats"] == piece.repeats)


def count(name: str, repeats: int, folder: Path) -> tuple[str, float]:
    """Run a piece, write its file, and return its name and its processor time in seconds."""
    torch.set_num_threads(1)
    start = time.process_time()
    piece = pieces()[name]
    code = made_of(piece)
    rows = [dataclasses.asdict(row) for row in piece.make(repeats)]
    spent = time.process_time() - start
    head = {"piece": name, "repeats": repeats, "made of": code, "seconds": round(spent, 1)}
    lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in rows)
    text = json.dumps(head, ensure_ascii=False)[:-1] + f', "rows": [\n  {lines}\n]}}\n'
    made = folder / f".{name}.{os.getpid()}"
    made.write_text(text.replace("NaN", "null"), "utf-8")
    made.replace(folder / f"{name}.json")
    return name, spent
