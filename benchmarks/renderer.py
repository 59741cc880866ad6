"""Built-in faces a second."""

from __future__ import annotations

from benchmarks.report import Row, Section, Target, shown
from benchmarks.timing import Spread, alternate
from fer_xai.data.synthetic import RenderedFaces, render, sample

N_FACES, SIZE, STYLE = 500, 64, "wild"
TARGET = Target(bound=100, at_least=True, unit=" faces/s")


def measure(*, rounds: int) -> Section:
    """Faces a second, parameters drawn and pixels, landmarks and parts rendered."""
    seconds = alternate({"ours": _faces}, rounds=rounds)
    rate = Spread.of([N_FACES / value for value in seconds["ours"]])
    return Section(
        rows=[
            Row(
                name=f"Renderer: {N_FACES} '{STYLE}' faces of {SIZE}×{SIZE}",
                ours=f"{shown(rate, 0)} faces/s",
                value=rate.median,
                target=TARGET,
            )
        ],
        seconds={STYLE: seconds},
        notes=["Renderer: sampling, images, landmarks and parts; 300 faces/s are hoped for."],
        settings={"faces": N_FACES, "size": SIZE, "style": STYLE},
    )


def _faces() -> RenderedFaces:
    params, _, _ = sample(N_FACES, style=STYLE, split="test")
    return render(params, size=SIZE)
