"""The card that travels with the weights of the landmark network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fer_xai.detect.comparison import comparison_table
from fer_xai.detect.network import LandmarkNet
from fer_xai.types import Faces
from training.card import LICENCES
from training.landmark_batches import generator_for, no_faces

BATCH = 256


def scores_of(net: LandmarkNet, images: Tensor, faces: Faces) -> dict[str, Any]:
    """Errors and confidences of a network on faces with known points.

    Parameters
    ----------
    net
        The network; put into evaluation.
    images
        ``(N, 1, 64, 64)`` uint8, grey.
    faces
        The faces, with landmarks.

    Returns
    -------
    dict
        ``errors``, the rows of :func:`fer_xai.detect.comparison.comparison_table`, and the shares
        of faces and of crops without a face that are taken for faces.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(2)
    >>> found = scores_of(LandmarkNet(), faces.pixels(64)[:, :1], faces)
    >>> found["errors"][0]["part"], found["errors"][0]["faces"]
    ('all', 2)
    """
    truth = faces.landmarks_at(64)
    points, logits = answers(net, images)
    nothing = no_faces(images.float() / 255, generator_for(len(images)))
    _, logits_of_nothing = answers(net, (255 * nothing).round().to(torch.uint8))
    known = torch.from_numpy(np.isfinite(truth).all(axis=(1, 2)))
    rest = (logits[~known] > 0).double()
    table = comparison_table(points.numpy(), truth, list(faces.table["emotion"]))
    return {
        "errors": table.to_dict("records"),
        "faces_found": float((logits[known] > 0).double().mean()),
        "unlabelled_faces_found": float(rest.mean()) if len(rest) else None,
        "taken_for_faces": float((logits_of_nothing > 0).double().mean()),
    }


def answers(net: LandmarkNet, images: Tensor) -> tuple[Tensor, Tensor]:
    """Points and logits of uint8 crops, averaged over each and its mirror image.

    Examples
    --------
    >>> points, logits = answers(LandmarkNet(), torch.zeros(1, 1, 64, 64, dtype=torch.uint8))
    >>> points.shape, logits.shape
    (torch.Size([1, 68, 2]), torch.Size([1]))
    """
    net.eval()
    with torch.inference_mode():
        parts = [net.both_ways(part.float() / 255) for part in images.split(BATCH)]
    points, logits = zip(*parts, strict=True)
    return torch.cat(points), torch.cat(logits)


def landmark_card(card: Mapping[str, Any]) -> str:
    """Markdown card: data, licence, errors by emotion, part and pose, confidence, recipe.

    Examples
    --------
    >>> settings = {"source": None, "data": "synthetic", "epochs": 40, "seed": 0}
    >>> facts = {"train_faces": 7200, "left_out": 0, "date": "2026-11-30", "commit": "1a2b3c4"}
    >>> versions = {"torch": "2.14.1"}
    >>> card = {"settings": settings, "test": {}, "versions": versions, **facts}
    >>> print(landmark_card(card).splitlines()[0])
    # 68 landmarks, trained on synthetic
    """
    run = card["settings"]
    source = run["source"] or run["data"]
    lines = [
        f"# 68 landmarks, trained on {source}",
        "",
        f"Trained on {card['train_faces']:,} faces"
        + (f" ({card['left_out']:,} without known points left out)" if card["left_out"] else "")
        + f", {run['epochs']} epochs, seed {run['seed']}, {card['date']}, commit {card['commit']}, "
        f"torch {card['versions']['torch']}. All training faces were trained on and the last epoch "
        "was kept; nothing was chosen by the test faces, which were scored once. Input: a crop of "
        "64×64 pixels, grey. Answers are averaged over each crop and its mirror image. Weights are "
        "half precision.",
        "",
    ]
    if licence := LICENCES.get(source):
        lines += [f"**Licence.** {licence}", ""]
    for name, scores in card["test"].items():
        lines += [f"## Test: {name}", "", *_table(scores), ""]
    lines += ["## Recipe", "", *(f"- {key}: {value}" for key, value in run.items()), ""]
    return "\n".join(lines)


def _table(scores: Mapping[str, Any]) -> list[str]:
    """Errors in per cent of the outer-eye-corner distance, and what the confidence is worth."""
    rows = [
        f"| {row['part']} | {row['faces']:,} | {row['mean']:.2%} | {row['median']:.2%} | "
        f"{row['above .1']:.1%} |"
        for row in scores["errors"]
    ]
    rest = scores["unlabelled_faces_found"]
    return [
        "Mean distance over the distance of the eyes' outer corners.",
        "",
        "| part | faces | mean | median | faces above 10 % |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"Taken for faces (confidence of .5 or more): {scores['faces_found']:.1%} of these faces"
        + (f", {rest:.1%} of test faces whose points are unknown" if rest is not None else "")
        + f", {scores['taken_for_faces']:.1%} of crops without a face (shuffled cells, clouds, "
        "faces upside down, enlarged parts).",
    ]
