"""Action units drawn on a face: ``python -m fer_xai.data.synthetic.action_unit_sheet``."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_xai.command import run_command
from fer_xai.data.synthetic import RenderedFaces, render, sample
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.files import write_bytes
from fer_xai.landmarks import EMFACS, au_maps, units_without_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS = {
    "fer_xai": "fer-xai's own\n(fer_xai)",
    "belharbi": "Belharbi et al. 2024,\nas published (belharbi)",
    "pyfeat": "Py-Feat's region map\n(pyfeat)",
}
"""Editions that are drawn, and what is written beside them."""

COLOURS = {
    "AU1": "#ffb000",
    "AU2": "#00a6d6",
    "AU4": "#d62728",
    "AU5": "#2ca02c",
    "AU6": "#ff7f0e",
    "AU7": "#9467bd",
    "AU9": "#1f77b4",
    "AU12": "#0b8a6a",
    "AU15": "#e377c2",
    "AU16": "#17becf",
    "AU20": "#8c2d8c",
    "AU23": "#c44e00",
    "AU26": "#3b5bdb",
}
"""Colour of each unit in EMFACS's six emotions."""

_PANEL = 1.9  # inches
_SEED = 7


def action_unit_sheet(*, size: int = 256, emotions: Sequence[str] = SIX) -> Figure:
    """Three editions (rows) × emotions (columns), with the units that EMFACS gives each.

    Parameters
    ----------
    size
        Side of the faces in pixels.
    emotions
        Emotions that are drawn, of the six.

    Examples
    --------
    >>> figure = action_unit_sheet(size=64, emotions=["happiness"])
    >>> len(figure.axes)
    3
    """
    from matplotlib.figure import Figure

    params, labels, _ = sample(len(SIX), style="studio", seed=_SEED)  # one person, six emotions
    faces = render(params[np.argsort(labels)], size=size)
    figure = Figure(
        figsize=(_PANEL * len(emotions) + 0.8, _PANEL * len(ROWS) + 0.7), facecolor="white"
    )
    grid = figure.add_gridspec(
        len(ROWS),
        len(emotions),
        left=0.065,
        right=0.998,
        bottom=0.004,
        top=0.9,
        wspace=0.03,
        hspace=0.03,
    )
    for row, (edition, title) in enumerate(ROWS.items()):
        missing = units_without_map(EMFACS, edition=edition)
        for column, emotion in enumerate(emotions):
            axes = figure.add_subplot(grid[row, column])
            units = [unit for unit in EMFACS[emotion] if unit not in missing.get(emotion, ())]
            _draw(axes, faces, SIX.index(emotion), edition, units)
            absent = [unit.removeprefix("AU") for unit in missing.get(emotion, ())]
            if absent:
                note = f"no map of {', '.join(absent)}"
                axes.text(size / 40, size * 0.97, note, fontsize=7.5, color="white", va="bottom")
            if column == 0:
                axes.set_ylabel(title, fontsize=8.5)
            if row == 0:
                axes.text(0.5, 1.16, emotion, transform=axes.transAxes, ha="center", fontsize=11)
                _numbers(axes, EMFACS[emotion])
    return figure


def _draw(
    axes: Axes, faces: RenderedFaces, number: int, edition: str, units: Sequence[str]
) -> None:
    """One face, with each unit's area tinted and outlined in its colour, and numbered once."""
    from matplotlib.colors import to_rgb
    from matplotlib.patheffects import withStroke

    points = faces.landmarks[number : number + 1]
    size = faces.images.shape[1]
    maps = au_maps(points, size=size, edition=edition, units=units)
    image = 0.35 + 0.65 * faces.images[number].mean(axis=2, keepdims=True).repeat(3, axis=2) / 255
    masks = {unit: maps[unit][0].numpy() for unit in units if bool(maps[unit].any())}
    for unit, mask in masks.items():
        image[mask] = 0.6 * image[mask] + 0.4 * np.array(to_rgb(COLOURS[unit]))
    axes.imshow(image, interpolation="bilinear")
    for unit, mask in masks.items():
        axes.contour(mask, levels=[0.5], colors=[COLOURS[unit]], linewidths=1.1)
    taken: list[NDArray[np.float64]] = []
    for unit, mask in masks.items():
        place = _place(mask, taken)
        taken.append(place)
        axes.text(
            place[0],
            place[1],
            unit.removeprefix("AU"),
            color=COLOURS[unit],
            fontsize=8.5,
            fontweight="bold",
            ha="center",
            va="center",
            path_effects=[withStroke(linewidth=2.2, foreground="white")],
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _place(mask: NDArray[np.bool_], taken: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Where to write a number: in the area, in the image's left half, away from the others."""
    left = mask[:, : mask.shape[1] // 2]
    y, x = np.nonzero(left if left.any() else mask)
    pixels = np.stack([x, y], axis=1).astype(float)
    cost = np.hypot(*(pixels - pixels.mean(axis=0)).T)
    reach = mask.shape[1] / 11
    for other in taken:
        cost += 2.5 * np.maximum(0, reach - np.hypot(*(pixels - other).T))
    return np.asarray(pixels[cost.argmin()])


def _numbers(axes: Axes, units: Sequence[str]) -> None:
    """Numbers of the units above a panel, each in its colour."""
    step = 0.115
    first = 0.5 - step * (len(units) - 1) / 2
    for k, unit in enumerate(units):
        axes.text(
            first + k * step,
            1.035,
            unit.removeprefix("AU"),
            transform=axes.transAxes,
            ha="center",
            fontsize=9,
            fontweight="bold",
            color=COLOURS[unit],
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the picture; returns the exit status.

    Examples
    --------
    >>> main(["--out", "no_picture"])  # and one sentence about it
    2
    """
    parser = argparse.ArgumentParser(description="Where action units show, for the docs.")
    parser.add_argument("--out", type=Path, default=Path("docs/action_units.png"))
    return run_command("action_unit_sheet", lambda: _write(parser.parse_args(arguments).out))


def _write(out: Path) -> None:
    if out.suffix != ".png":
        raise InputError(f"Expected --out as a path that ends in .png, got {out}.")
    drawn = io.BytesIO()
    action_unit_sheet().savefig(drawn, format="png", dpi=110)
    image = Image.open(drawn).convert("RGB")
    small = io.BytesIO()
    image.quantize(256, kmeans=4, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    write_bytes(out, small.getvalue())


if __name__ == "__main__":
    sys.exit(main())
