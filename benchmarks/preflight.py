"""``python -m benchmarks.preflight``: mis-wirings that are planted, and alarms that are false.

Plants: each model is wired wrongly on purpose, one way or two at a time, and looked at on all faces.
False alarms: right models are looked at again and again on draws of a few hundred faces; logits are
computed once for each way of feeding, so that thousands of draws take minutes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from fer_xai import load_dataset, load_model, preflight
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.types import Faces
from fer_xai.wiring.labelled import FacesScoring, labelled_findings

CHECKS = (
    "order of the outputs",
    "colour order",
    "range and normalisation",
    "greyscale",
    "size",
    "crop",
    "upright faces",
)


def plants(model: FERModel) -> Iterator[tuple[str, set[str], dict[str, Any]]]:
    """Name, checks that must fail, and changes of the wiring, of each planted fault."""
    names = model.emotions
    order = "order of the outputs"
    for a, b in itertools.combinations(range(len(names)), 2):
        swapped = list(names)
        swapped[a], swapped[b] = swapped[b], swapped[a]
        yield f"{names[a]} and {names[b]} swapped", {order}, {"emotions": tuple(swapped)}
    for native, known in NATIVE_ORDERS.items():
        other = tuple(name for name in known if name in names)
        if len(other) == len(names) and other != names:
            yield f"order of {native}", {order}, {"emotions": other}
    feeding: list[tuple[str, str, dict[str, Any]]] = []
    wiring = model.wiring
    for name in ("raw", "half", "none", "imagenet"):
        if name != wiring["normalisation"]:
            changes = {"normalisation": name, "mean": None, "std": None}
            feeding.append((f"normalisation {name}", "range and normalisation", changes))
    if not wiring["greyscale"] and wiring["channels"] == 3:
        feeding.append(("BGR", "colour order", {"colour_order": "bgr"}))
        feeding.append(("grey", "greyscale", {"greyscale": True}))
    feeding.append(("crops 20 % wider", "crop", {"crop": -0.1}))
    feeding.append(("half the pixels", "size", {"size": wiring["size"] // 2}))
    for name, check, changes in feeding:
        yield name, {check}, changes
    swapped = (names[1], names[0], *names[2:])
    for name, check, changes in feeding:
        both = {"emotions": swapped} | changes
        yield f"{name}; {names[0]} and {names[1]} swapped", {check, order}, both


def planted(model: FERModel, faces: Faces) -> pd.DataFrame:
    """A row for each plant: which checks failed, and what the repair recognises."""
    rows = []
    right = Predictor(model, device="auto")
    truth = torch.tensor([model.emotions.index(e) for e in faces.table["emotion"]])
    clean = float((right.logits(faces).argmax(dim=1) == truth).double().mean())
    for name, wanted, changes in plants(model):
        started = time.perf_counter()
        try:
            found = preflight(model.rewired(**changes), faces)
        except (RuntimeError, ValueError) as error:
            rows.append({"plant": name, "found": f"refused: {str(error)[:80]}"})
            continue
        failed = {one.check for one in found.findings if one.verdict == "fail"}
        repaired = model.rewired(**(changes | dict(found.suggestion)))
        rows.append(
            {
                "plant": name,
                "found": "yes" if wanted <= failed else "in part" if wanted & failed else "no",
                "failed": ", ".join(sorted(failed)),
                "suggestion": json.dumps(found.suggestion, default=str),
                "recognised": clean,
                "as planted": _share(model.rewired(**changes), faces),
                "repaired": _share(repaired, faces),
                "seconds": round(time.perf_counter() - started, 1),
            }
        )
        print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def _share(model: FERModel, faces: Faces) -> float:
    truth = torch.tensor([model.emotions.index(e) for e in faces.table["emotion"]])
    logits = Predictor(model, device="auto").logits(faces)
    return float((logits.argmax(dim=1) == truth).double().mean())


class Draw:
    """Some of the faces of a pool whose logits are kept."""

    def __init__(self, pool: FacesScoring, rows: np.ndarray) -> None:
        self.pool, self.rows = pool, rows
        self.predictor = pool.predictor
        self.everyone = np.arange(len(pool.images), dtype=np.int64)

    def __call__(self, changes: Any, rows: np.ndarray) -> np.ndarray:
        return self.pool(changes, self.everyone)[self.rows[rows]]


def false_alarms(
    model: FERModel, faces: Faces, *, draws: int, size: int, seed: int = 0
) -> dict[str, Any]:
    """How many draws end in an alarm, by check."""
    pool = FacesScoring(Predictor(model, device="auto"), faces)
    truth = np.array([model.emotions.index(e) for e in faces.table["emotion"]], dtype=np.int64)
    source = np.random.default_rng(seed)
    alarms: Counter[str] = Counter()
    undecided: Counter[str] = Counter()
    for _ in range(draws):
        rows = np.sort(source.choice(len(faces), min(size, len(faces)), replace=False))
        found = labelled_findings(
            Draw(pool, rows),
            faces.subset(rows),
            known=np.arange(len(rows), dtype=np.int64),
            truth=truth[rows],
            seed=0,
            suggestion={},
            progress=None,
        ).findings
        alarms.update(one.check for one in found if one.verdict == "fail")
        undecided.update(one.check for one in found if one.verdict == "undecided")
    return {
        "draws": draws,
        "faces a draw": min(size, len(faces)),
        **{check: alarms[check] for check in CHECKS},
        "undecided": {check: undecided[check] for check in CHECKS},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["gimefive=synthetic"])
    parser.add_argument("--data", nargs="+", default=["synthetic"])
    parser.add_argument("--limit", type=int, default=None, help="faces of each data set")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--plant", action="store_true", help="plant faults instead")
    parser.add_argument("--out", type=Path, required=True, help="file of the rows, .jsonl")
    given = parser.parse_args()
    done = set()
    if given.out.exists():
        lines = [json.loads(line) for line in given.out.read_text().splitlines()]
        done = {(line["model"], line["data"]) for line in lines}
    for name, where in itertools.product(given.models, given.data):
        architecture, _, weights = name.partition("=")
        location, _, source = where.partition("@")
        label = f"{location.partition(':')[0]}{'@' + source if source else ''}"
        if location.startswith("synthetic"):
            label = location
        if (name, label) in done:
            continue
        model = load_model(architecture, weights=weights or None)
        faces = load_dataset(location, source=source or None, split="test", limit=given.limit)
        keep = [at for at, e in enumerate(faces.table["emotion"]) if e in model.emotions]
        faces = faces.subset(np.array(keep))
        if given.plant:
            found: Any = planted(model, faces).to_dict("records")
        else:
            found = [false_alarms(model, faces, draws=given.draws, size=given.size)]
        with given.out.open("a") as file:
            for row in found:
                file.write(json.dumps({"model": name, "data": label, **row}) + "\n")
        print(name, label, found if not given.plant else len(found), flush=True)


if __name__ == "__main__":
    main()
