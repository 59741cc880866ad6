"""Scores of a trained model, and the card that travels with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from fer_xai.emotions import EMOTIONS
from fer_xai.probe import Probe
from fer_xai.types import Faces


def scores(probe: Probe, faces: Faces) -> dict[str, Any]:
    """Accuracy, macro recall and recall of each emotion on labelled faces."""
    predicted = probe.model.canonical(probe.logits(faces).argmax(dim=1))
    right = predicted == faces.labels
    recall = {
        name: float(right[faces.labels == EMOTIONS.index(name)].float().mean())
        for name in faces.emotions
    }
    return {
        "faces": len(faces),
        "accuracy": round(float(right.float().mean()), 4),
        "macro_recall": round(float(torch.tensor(list(recall.values())).mean()), 4),
        "recall": {name: round(value, 4) for name, value in recall.items()},
    }


def model_card(card: Mapping[str, Any]) -> str:
    """Markdown card: data, recipe, accuracy per class, date and commit."""
    lines = [
        f"# {card['model']} on {card['data']}{' / ' + card['source'] if card['source'] else ''}",
        "",
        f"Trained on {card['train_faces']:,} faces, seed {card['seed']}, {card['date']}, commit "
        f"{card['commit']}, torch {card['versions']['torch']}. "
        f"The epoch with the best accuracy on {card['valid_faces']:,} held-out training faces "
        "was kept; weights are half precision.",
        "",
    ]
    for part in ("validation", "test"):
        if part not in card:
            continue
        figures = card[part]
        lines += [
            f"## {part.capitalize()}: {figures['accuracy']:.1%} of {figures['faces']:,} faces, "
            f"macro recall {figures['macro_recall']:.1%}",
            "",
            "| emotion | recall |",
            "|---|---|",
            *[f"| {name} | {value:.1%} |" for name, value in figures["recall"].items()],
            "",
        ]
    lines += ["## Recipe", "", *[f"- {key}: {value}" for key, value in card["recipe"].items()], ""]
    return "\n".join(lines)
