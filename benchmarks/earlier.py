"""``python -m benchmarks.earlier COMMIT``: time of each attribution, over its time at that commit.

``--methods logits`` times logits in bulk; ``--busy 2`` does it beside two processes that are busy.

The two versions run in two processes, one of them in a temporary work tree, and take turns: a
machine's moods meet both alike. Each method has a pair of processes of its own, since what ran
before in a process changes what comes after it.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.timing import Seconds, ratio

ROOT = Path(__file__).resolve().parents[1]
TARGET = report.Target(bound=1.05, at_least=False)
FEW = {
    "scorecam",
    "ablationcam",
    "rise",
    "lime",
    "kernel_shap",
    "extremal_perturbation",
    "occlusion",
    "region_shapley",
}
"""Methods of many passes a face, timed on an eighth of the faces."""
ROLLOUTS = ("attention_rollout", "gradient_rollout")
LOGITS = "logits"
"""In place of a method: logits alone."""
ONE_PASS_LESS = ("integrated_gradients", "integrated_gradients_blur", "gradient_shap")
"""Methods that take more passes where a map misses its sum, which is turned off here."""


def main() -> None:
    """Time the chosen methods at both commits and keep the table."""
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.earlier", description=__doc__)
    parser.add_argument("commit", help="earlier commit, by any name that git knows")
    parser.add_argument(
        "--methods", nargs="+", metavar="NAME", help=f"attributions, or {LOGITS} (all)"
    )
    parser.add_argument("--models", nargs="+", default=["gimefive"], metavar="NAME")
    parser.add_argument("--faces", type=int, default=16, help="built-in faces a call")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--clock",
        choices=("cpu", "wall"),
        default="cpu",
        help="cpu: processor time of one thread; wall: time of two threads",
    )
    parser.add_argument("--busy", type=int, default=0, help="busy processes beside (0)")
    parser.add_argument("--out", type=Path, default=Path(f"results/benchmarks/{date}-earlier.md"))
    args = parser.parse_args()
    methods = args.methods or _all_methods()
    section = report.Section(
        rows=[],
        seconds={},
        notes=[
            f"Time of `fer_xai.explain` of {args.faces} built-in faces ({max(args.faces // 8, 1)} for "
            f"methods of many passes) at this commit over its time at {args.commit}; "
            f"{'processor' if args.clock == 'cpu' else 'wall'} time, "
            f"{'one thread' if args.clock == 'cpu' else 'two threads'}"
            f"{f', beside {args.busy} busy processes' if args.busy else ''}. "
            f"`{LOGITS}`: `Predictor.logits` of these faces. Integrated gradients and "
            "GradientShap take as many points in both, whatever the gap.",
        ],
    )
    about = report.machine()
    with work_tree(args.commit) as before, _busy(args.busy):
        for model in args.models:
            for method in methods:
                if (method in ROLLOUTS) is not _has_tokens(model):
                    continue
                name = f"{model}, {method}: now / {args.commit}"
                print(f"measuring {name} …", file=sys.stderr, flush=True)
                order = f"{model} {method} {args.faces} {args.clock}"
                seconds = _take_turns(order, before=before, rounds=args.rounds)
                section.seconds[name] = seconds
                spread = ratio(seconds, "now", "before")
                faces = max(args.faces // 8, 1) if method in FEW else args.faces
                now, then = (
                    f"{min(seconds[key]) / faces * 1000:.1f} ms/face" for key in ("now", "before")
                )
                section.rows.append(
                    report.Row(name=name, ours=now, peer=then, ratio=spread, target=TARGET)
                )
                write(args.out, section, about=about, date=date, rounds=args.rounds)
    print(args.out.read_text(encoding="utf-8"))


def _all_methods() -> list[str]:
    from fer_xai.attributions import ATTRIBUTIONS

    return [LOGITS, *ATTRIBUTIONS]


def _has_tokens(model: str) -> bool:
    return any(word in model for word in ("vit", "deit", "swin"))


def write(
    out: Path,
    section: report.Section,
    *,
    about: dict[str, Any],
    date: str,
    rounds: int,
    command: str = "python -m benchmarks.earlier",
) -> None:
    """Keep the table, and every timing beside it."""
    page = report.markdown(
        [section],
        about=about,
        date=date,
        rounds=rounds,
        processes="a process each",
        command=command,
    )
    raw = report.as_json({"earlier": section}, about=about, rounds=rounds)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")
    out.with_suffix(".json").write_text(f"{json.dumps(raw, indent=1)}\n", encoding="utf-8")


@contextmanager
def work_tree(commit: str) -> Iterator[Path]:
    """Temporary work tree of a commit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(path), commit], check=True)
        try:
            yield path
        finally:
            subprocess.run([*git, "remove", "--force", str(path)], check=True)


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """Processes that take all of the processor time that they can get."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _take_turns(order: str, *, before: Path, rounds: int) -> Seconds:
    """Seconds of both versions, a round each in turn, after a call that warms up."""
    workers = {"now": _start(ROOT, order), "before": _start(before, order)}
    seconds: Seconds = {name: [] for name in workers}
    try:
        for number in range(rounds + 1):
            for name, worker in workers.items():
                value = ask(worker)
                if number:
                    seconds[name].append(value)
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
    return seconds


def _start(folder: Path, order: str) -> subprocess.Popen[str]:
    # the folder's own fer_xai, and this file's worker: an earlier commit may have none
    command = [sys.executable, "-P", __file__, "--worker", *order.split()]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(worker: subprocess.Popen[str]) -> float:
    """Let a worker do its work once; returns the seconds."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write("\n")
    worker.stdin.flush()
    return float(worker.stdout.readline())


def _work(model: str, method: str, count: str, clock: str) -> None:
    """Explain the faces once for each line that comes in, and answer with the seconds."""
    import dataclasses
    import warnings

    import torch

    import fer_xai
    from fer_xai.attributions import ATTRIBUTIONS
    from fer_xai.landmarks import face_regions

    warnings.simplefilter("ignore")
    torch.set_num_threads(1 if clock == "cpu" else 2)
    now = time.process_time if clock == "cpu" else time.perf_counter
    faces = fer_xai.load_dataset("synthetic", split="test", limit=int(count))
    if method in FEW:
        faces = faces.subset(range(max(len(faces) // 8, 1)))
    weights = "synthetic" if model in ("gimefive", "resnet18") else None
    predictor = getattr(fer_xai, "Predictor", None) or fer_xai.Probe
    ready = predictor(fer_xai.load_model(model, weights=weights), device="cpu")
    chosen = None if method == LOGITS else ATTRIBUTIONS[method]
    if method in ONE_PASS_LESS and "most" in {field.name for field in dataclasses.fields(chosen)}:
        chosen = dataclasses.replace(chosen, most=1)
    regions = None
    if method.startswith("region_"):
        regions = face_regions(faces.landmarks_at(64), size=64)
    gc.disable()
    for _ in sys.stdin:
        gc.collect()
        started = now()
        if chosen is None:
            ready.logits(faces)
        else:
            fer_xai.explain(ready, faces, method=chosen, targets=faces.labels, regions=regions)
        print(now() - started, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _work(*sys.argv[2:])
    else:
        main()
