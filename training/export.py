"""What a run leaves: half-precision weights, their scores, the test faces' logits, and a card."""

from __future__ import annotations

import datetime
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fer_xai
from fer_xai.models import FERModel, load_model
from fer_xai.models.checkpoints import save_weights
from fer_xai.probe import Probe
from fer_xai.types import Faces
from training.card import model_card
from training.loop import training_log
from training.scoring import logits_of, scores_of_logits

WEIGHTS = "weights.safetensors"
CARD = "card.json"
TEST_LOGITS = "test_logits.npz"


def export(
    model: FERModel,
    checkpoint: Path,
    folder: Path,
    *,
    facts: Mapping[str, Any],
    valid: Faces | None,
    test: Faces | None,
    device: str,
) -> None:
    """Halve the checkpoint's weights, score them, and write everything; the card comes last.

    Parameters
    ----------
    model
        Of the run's architecture; gets the checkpoint's weights.
    checkpoint
        Of the epoch that is kept.
    folder
        Gets ``weights.safetensors``, ``test_logits.npz`` (``ids``, ``labels``, ``logits``
        ``(N, C)`` and ``mirrored``), ``log.csv``, ``card.md`` and ``card.json``.
    facts
        What the card says of the run.
    valid, test
        Faces to score on. The test faces are seen by the halved weights, and once more by the
        weights before halving, whose accuracy is told beside it.
    device
        Of the scoring.
    """
    _load_trainee(model, checkpoint)
    save_weights(
        model.net,
        folder / WEIGHTS,
        settings={
            "model": model.name,
            "emotions": model.emotions,
            "size": model.size,
            "greyscale": model.greyscale,
        },
    )
    exported = load_model(model.name, weights=folder / WEIGHTS)
    card: dict[str, Any] = {
        "model": model.name,
        "size": model.size,
        "greyscale": model.greyscale,
        **facts,
    }
    probe = Probe(exported, device=device)
    if valid is not None:
        card["validation"] = _scores(probe, valid)[0]
    if test is not None:
        card["test"], card["test_flip_averaged"], arrays = _scores(probe, test)
        np.savez_compressed(folder / TEST_LOGITS, **arrays)
        before = logits_of(Probe(model.eval(), device=device), test).argmax(dim=1)
        changed = int((before != torch.from_numpy(arrays["logits"]).argmax(dim=1)).sum())
        right = float((before == exported.columns(test.labels)).double().mean())
        card["halving"] = {
            "accuracy_before": round(right, 4),
            "accuracy_after": card["test"]["accuracy"],
            "predictions_changed": changed,
        }
    card |= {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _commit(),
        "versions": {"fer_xai": fer_xai.__version__, "torch": torch.__version__},
    }
    training_log(folder).to_csv(folder / "log.csv", index=False)
    (folder / "card.md").write_text(model_card(card))
    temporary = folder / f"{CARD}.tmp"
    temporary.write_text(json.dumps(card, indent=2) + "\n")
    temporary.replace(folder / CARD)


def _scores(probe: Probe, faces: Faces) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Scores plain and flip averaged, and what they were made of."""
    logits = logits_of(probe, faces)
    averaged = logits_of(probe, faces, flip=True)
    arrays = {
        "ids": np.array(faces.ids),
        "labels": faces.labels.numpy(),
        "logits": logits.numpy(),
        "flip_averaged": averaged.numpy(),
    }
    columns = probe.model.columns(faces.labels)
    plain = scores_of_logits(logits, columns, emotions=probe.emotions)
    flipped = scores_of_logits(averaged, columns, emotions=probe.emotions)
    return plain | {"flip_averaged": False}, flipped | {"flip_averaged": True}, arrays


def _load_trainee(model: FERModel, checkpoint: Path) -> None:
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "model.net."
    model.net.load_state_dict(
        {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    )


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent,
    )  # fmt: skip
    return found.stdout.strip() or "unknown"
