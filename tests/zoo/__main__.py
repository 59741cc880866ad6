"""Table of methods × networks with the largest gap: ``python -m tests.zoo docs/laws.md``.

``--faces gimefive:ROOT`` explains RAF-DB's test faces by the trained networks too; without it they
explain built-in ones. Every network of the zoo is explained by every method with a law that takes no landmarks, and the
largest share of what should be explained that a map misses is written down.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from fer_xai import FERModel, explain, load_dataset, load_model
from fer_xai.attributions.integrated_gradients import IntegratedGradientsTo
from fer_xai.attributions.relevance.lrp import LayerwiseRelevance
from fer_xai.attributions.surrogates import Surrogate
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.types import Faces
from tests.zoo.families import FAMILIES, member
from tests.zoo.networks import ACTIVATIONS, RELU_NETS, small

METHODS = {
    "DeepLift": "deeplift",
    "DeepLiftShap": "deeplift_shap",
    "LRP-0": "lrp",
    "LRP-γ": LayerwiseRelevance(rule="gamma"),
    "LRP-α1β0": LayerwiseRelevance(rule="alpha1_beta0"),
    "integrated gradients": IntegratedGradientsTo(most=32),
    "KernelSHAP": Surrogate(kernel="shap", samples=64),
}
HEAD = """# Laws on a zoo of networks

Largest share of what a map should add up to that it misses. Untrained networks explain three images of
noise, on which BatchNorm's statistics were recalibrated. `python -m tests.zoo docs/laws.md` makes this
page. Where a method has no rule for a part, it refuses the network, and the part is named.
[Attributions](attributions.md) states each law and its tolerance; integrated gradients, a quadrature of
{steps} points here, is the one whose gap is not rounding: it takes more points where it is used, and
untrained networks whose score hardly moves are beyond any number.

| network | {methods} |
|---|{rule}|
"""


def _networks(families: bool) -> Iterator[tuple[str, FERModel]]:
    for name in (*RELU_NETS, *ACTIVATIONS):
        yield name, small(name)
    for family, names in FAMILIES.items() if families else ():
        for name in names:
            try:
                yield f"{family} {name}", member(family, name)
            except RuntimeError as error:  # an architecture that this version does not know
                sys.stderr.write(f"left out: {family} {name}: {error}\n")


def _trained(place: str | None) -> Iterator[tuple[str, FERModel, Faces]]:
    """The shipped networks, and faces for them."""
    for name in ("gimefive", "resnet18"):
        if place is None:
            faces = load_dataset("synthetic", split="test", limit=48)
        else:
            faces = load_dataset(place, split="test", source="rafdb")
        weights = "synthetic" if place is None else "rafdb"
        label = f"trained {name}, {len(faces):,} {'built-in' if place is None else 'RAF-DB'} faces"
        yield label, load_model(name, weights=weights), faces


def _gap(predictor: Predictor, images: torch.Tensor | Faces, method: object) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = explain(
                predictor,
                images,
                method=method,  # type: ignore[arg-type]
                targets="fear" if isinstance(images, torch.Tensor) else images.labels,
            )
    except InputError as refusal:
        sentence = str(refusal)
        for before, after in ((" has rules for, but ", ": take"), ("can trace", " (")):
            if before in sentence:
                part = sentence.partition(before)[2].partition(after)[0]
                return f"refused: {part.partition(' has ')[2]}" if part else "refused: not traced"
        return f"refused: {sentence.partition(':')[0].removeprefix('Expected ')}"
    assert found.completeness_gap is not None
    return f"{float(found.completeness_gap.abs().max()):.0e}"


def main() -> None:
    """Print the table, or write it to the file that is named."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    parser.add_argument("page", nargs="?", help="file to write; otherwise it is printed")
    parser.add_argument("--faces", help="gimefive:ROOT, whose RAF-DB test faces are explained")
    parser.add_argument("--small", action="store_true", help="leave the families out")
    chosen = parser.parse_args()
    lines = []
    for name, model, faces in _trained(chosen.faces):
        predictor = Predictor(model, device="cpu", batch_size=16)
        exact = list(METHODS.values())[:3]
        cells = [_gap(predictor, faces, method) for method in exact]
        lines.append(f"| {name} | {' | '.join([*cells, *[''] * (len(METHODS) - 3)])} |")
        sys.stderr.write(f"{lines[-1]}\n")
    for name, model in _networks(not chosen.small):
        predictor = Predictor(model, device="cpu", batch_size=4)
        images = torch.rand(
            3, 3, model.size, model.size, generator=torch.Generator().manual_seed(1)
        )
        cells = [_gap(predictor, images, method) for method in METHODS.values()]
        if cells[2:5] == cells[2:3] * 3 and cells[2].startswith("refused"):
            cells[3:5] = ["as LRP-0"] * 2
        if cells[1] == cells[0] and cells[0].startswith("refused"):
            cells[1] = "as DeepLift"
        lines.append(f"| {name} | {' | '.join(cells)} |")
        sys.stderr.write(f"{lines[-1]}\n")
    page = HEAD.format(
        steps=IntegratedGradientsTo().steps, methods=" | ".join(METHODS), rule="---|" * len(METHODS)
    )
    text = page.replace("||\n", "|\n") + "\n".join(lines) + "\n"
    if chosen.page:
        Path(chosen.page).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
