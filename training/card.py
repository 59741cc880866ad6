"""The card that travels with a model's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def model_card(card: Mapping[str, Any]) -> str:
    """Markdown card: data, recipe, scores of held-out and test faces, date and commit."""
    lines = [
        f"# {card['model']} on {card['data']}{' / ' + card['source'] if card['source'] else ''}",
        "",
        f"Trained on {card['train_faces']:,} faces, seed {card['seed']}, {card['date']}, commit "
        f"{card['commit']}, torch {card['versions']['torch']}. "
        f"The epoch with the best accuracy on {card['valid_faces']:,} held-out training faces "
        "was kept; the test faces were seen once. Weights are half precision.",
        "",
    ]
    for part in ("validation", "test"):
        if part in card:
            lines += [*_scores(part.capitalize(), card[part]), ""]
    lines += ["## Recipe", "", *[f"- {key}: {value}" for key, value in card["recipe"].items()], ""]
    return "\n".join(lines)


def _scores(title: str, figures: Mapping[str, Any]) -> list[str]:
    confusion: Sequence[Sequence[int]] = figures["confusion"]
    emotions: Sequence[str] = figures["emotions"]
    flipped = ", flip averaged" if figures["flip_averaged"] else ""
    return [
        f"## {title}: {figures['accuracy']:.1%} of {figures['faces']:,} faces{flipped}",
        "",
        f"Macro recall {figures['macro_recall']:.1%}, macro F1 {figures['macro_f1']:.3f}, expected "
        f"calibration error {figures['calibration_error']:.3f}.",
        "",
        f"| true ↓ predicted → | {' | '.join(emotions)} | recall |",
        f"|---|{'---|' * (len(emotions) + 1)}",
        *[
            f"| {name} | {' | '.join(map(str, row))} | {figures['recall'].get(name, 0):.1%} |"
            for name, row in zip(emotions, confusion, strict=True)
        ],
    ]
