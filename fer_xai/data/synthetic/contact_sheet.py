"""Contact sheets of the built-in faces: ``python -m fer_xai.data.synthetic.contact_sheet``.

One of them shows the faces behind occluders.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fer_xai.command import check_folder, run_command
from fer_xai.data.synthetic import STYLES, render, sample
from fer_xai.emotions import SIX
from fer_xai.perturb.occluders import OCCLUDERS, occlusions

_MARGIN = 92


def contact_sheet(*, size: int, faces: int, seed: int = 7) -> Image.Image:
    """Six emotions (rows) × five styles (columns), some faces a cell, labelled."""
    cell = size * faces
    gap = 8
    width = _MARGIN + len(STYLES) * (cell + gap)
    sheet = Image.new("RGB", (width, 30 + len(SIX) * (size + gap)), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for column, style in enumerate(STYLES):
        left = _MARGIN + column * (cell + gap)
        draw.text((left + cell / 2, 14), style, fill="black", font=font, anchor="mm")
        # one face of each person shown, every fifth person
        params, labels, subjects = sample(len(SIX) * 2 * faces * 5, style=style, seed=seed)
        shown: NDArray[np.int64] = np.flatnonzero(subjects % 5 == 0)
        for row, emotion in enumerate(SIX):
            top = 30 + row * (size + gap)
            chosen = shown[labels[shown] == row][: 2 * faces : 2]
            for k, image in enumerate(render(params[chosen], size=size).images):
                sheet.paste(Image.fromarray(image), (left + k * size, top))
            if column == 0:
                draw.text((6, top + size / 2), emotion, fill="black", font=font, anchor="lm")
    return sheet


def occluder_sheet(*, size: int, faces: int, seed: int = 7) -> Image.Image:
    """Some faces (rows) as they are and behind each occluder (columns), labelled.

    Examples
    --------
    >>> occluder_sheet(size=32, faces=1).size
    (416, 56)
    """
    params, _, subjects = sample(10 * faces, style="wild", seed=seed)
    rendered = render(params[np.flatnonzero(subjects % 5 == 0)[::2][:faces]], size=size)
    images = torch.from_numpy(rendered.images).movedim(-1, 1) / 255
    names, shown = list(OCCLUDERS), [images]
    shown += [made.images for _, _, made in occlusions(images, rendered.landmarks, names)]
    sheet = Image.new("RGB", (len(shown) * size, 24 + faces * size), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, (name, some) in enumerate(zip(["", *names], shown, strict=True)):
        middle = (column + 0.5) * size
        draw.text((middle, 12), name, fill="black", font=font, anchor="mm")
        for row, image in enumerate((some * 255).round().byte().movedim(1, -1).numpy()):
            sheet.paste(Image.fromarray(image), (column * size, 24 + row * size))
    return sheet


def main() -> int:
    """Write ``faces_64.png``, ``faces_224.png`` and ``occluders.png``; returns the exit status."""
    return run_command("contact_sheet", _run)


def _run() -> None:
    parser = argparse.ArgumentParser(description="Contact sheets of the built-in faces.")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    out: Path = parser.parse_args().out
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    contact_sheet(size=64, faces=4).save(out / "faces_64.png", optimize=True)
    contact_sheet(size=224, faces=1).convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(
        out / "faces_224.png", optimize=True
    )
    occluder_sheet(size=96, faces=4).quantize(256, kmeans=2).save(
        out / "occluders.png", optimize=True
    )


if __name__ == "__main__":
    sys.exit(main())
