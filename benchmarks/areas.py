"""Masks of facial areas and maps of action units, for 10,000 faces."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.report import Row, Section, Target, shown
from benchmarks.timing import Spread, alternate
from fer_xai.data.synthetic import sample
from fer_xai.data.synthetic.render import face_landmarks
from fer_xai.landmarks import AREAS, EDITIONS, au_maps, emotion_areas, face_areas, face_regions

SIZE = 64
N_FACES, N_TIMED = 10_000, 2_000
TARGET = Target(bound=20, at_least=False, unit=" s")


def measure(*, rounds: int) -> Section:
    """Seconds for 10,000 faces, five times those of 2,000: every face costs the same."""
    params, _, _ = sample(N_TIMED, style="wild", split="test")
    points = face_landmarks(params, size=SIZE)
    contenders = {
        "areas": partial(face_areas, points, size=SIZE),
        **{name: partial(au_maps, points, size=SIZE, edition=name) for name in EDITIONS},
        "emotions": partial(emotion_areas, points, size=SIZE),
        "regions": partial(face_regions, points, size=SIZE),
    }
    seconds = {
        name: [value * N_FACES / N_TIMED for value in values]
        for name, values in alternate(contenders, rounds=rounds).items()
    }
    both = np.add(seconds["areas"], seconds["fer_xai"]).tolist()
    what = f"of {N_FACES:,} faces, {SIZE}×{SIZE}"
    rows = [
        Row(
            name=f"Areas and action units: {len(AREAS)} masks and our maps {what}",
            ours=f"{shown(Spread.of(both))} s",
            value=Spread.of(both).median,
            target=TARGET,
        )
    ]
    titles = {
        "areas": f"{len(AREAS)} overlapping areas {what}",
        **{name: f"Action units, edition {name}, {what}" for name in EDITIONS},
        "emotions": f"Areas of six emotions {what}",
        "regions": f"Eight regions {what}",
    }
    rows += [
        Row(name=title, ours=f"{shown(Spread.of(seconds[name]))} s")
        for name, title in titles.items()
    ]
    return Section(
        rows=rows,
        seconds={f"{N_FACES} faces": seconds},
        notes=[
            f"Areas: timed on {N_TIMED:,} built-in faces and multiplied by {N_FACES // N_TIMED}.",
        ],
        settings={"size": SIZE, "faces": N_FACES, "timed": N_TIMED},
    )
