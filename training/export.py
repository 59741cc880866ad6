"""What a run leaves: half-precision weights, their scores, the test faces' logits, and a card."""

from __future__ import annotations

import datetime
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

import fer_xai
from fer_xai.data.folds import TRAIN_IMAGES, image_digests
from fer_xai.data.splits import face_groups
from fer_xai.errors import InputError
from fer_xai.files import write_bytes
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel, load_model
from fer_xai.models.checkpoints import TRAINEE, file_digest, save_weights
from fer_xai.provenance import commit, processor
from fer_xai.recognition import scores_of_logits
from fer_xai.types import Faces
from training.card import model_card
from training.kept_maps import METHOD, TEST_MAPS, kept_maps
from training.loop import readable, training_log
from training.scoring import logits_of
from training.trainee import weight_settings

WEIGHTS = "weights.safetensors"
CARD = "card.json"
TEST_LOGITS = "test_logits.npz"
LOG = "log.csv"


def export(
    model: FERModel,
    checkpoint: Path,
    folder: Path,
    *,
    facts: Mapping[str, Any],
    train: Faces,
    valid: Faces | None,
    test: Faces | None,
    device: str,
    maps: bool = True,
) -> None:
    """Halve the checkpoint's weights, score them, and write everything; the card comes last.

    Weights that are NaN or infinite are refused, and nothing of them is left.

    Parameters
    ----------
    model
        Model of the run's architecture; gets the checkpoint's weights.
    checkpoint
        Checkpoint of the epoch that is kept.
    folder
        Gets ``weights.safetensors``, ``test_logits.npz`` (``ids``; canonical ``labels``; ``logits``
        and ``flip_averaged`` ``(N, C)``; ``cluster``, faces of one person or copies of one another;
        ``copy``, whether a training face has the same pixels), ``test_maps.npz``
        (:func:`training.kept_maps.kept_maps`), ``train_images.npz`` (``digests`` of the training
        images, by which copies of them are known elsewhere), ``log.csv``, ``card.md`` and
        ``card.json``.
    facts
        What the card says of the run.
    train
        All faces of the training split, those held out too.
    valid, test
        Faces to score on. The test faces are seen by the halved weights, and once more by the
        weights before halving, whose accuracy is told beside it.
    device
        Device to score on.
    maps
        Whether Grad-CAM cells of the test faces are kept.
    """
    epoch = _load_trainee(model, checkpoint)
    kept = save_weights(model.net, folder / WEIGHTS, settings=weight_settings(model))
    exported = load_model(model.name, weights=folder / WEIGHTS)
    card: dict[str, Any] = {
        "model": model.name,
        "size": model.size,
        "greyscale": model.greyscale,
        **facts,
        "kept_epoch": epoch,
        "kept_in_single_precision": kept,
    }
    predictor = Predictor(exported, device=device)
    if valid is not None:
        card["validation"] = _scores(predictor, valid)[0]
    if test is not None:
        part, arrays = _test_part(model, predictor, test, train)
        card |= part
        _write(folder / TEST_LOGITS, arrays)
        card["maps"] = _keep_maps(predictor, test, folder) if maps else "none: not asked for"
    card |= {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit(),
        "machine": {"device": str(predictor.device), "processor": processor(str(predictor.device))},
        "versions": {"fer_xai": fer_xai.__version__, "torch": torch.__version__},
    }
    _write(folder / TRAIN_IMAGES, {"digests": np.unique(image_digests(train))})
    log = training_log(folder)
    card["test_seen"] = _test_seen(log, scored=test is not None)
    card["weights_sha256"] = file_digest(folder / WEIGHTS)
    card["epochs"], card["minutes"] = len(log), round(float(log["seconds"].sum()) / 60, 1)
    write_bytes(folder / LOG, log.to_csv(index=False).encode())
    write_bytes(folder / "card.md", model_card(card).encode())
    write_bytes(folder / CARD, (json.dumps(card, indent=2) + "\n").encode())


def _write(file: Path, arrays: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(file, buffer.getvalue())


def _test_part(
    model: FERModel, predictor: Predictor, test: Faces, train: Faces
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the card says of the test faces, and what it was made of.

    ``model`` has the weights before halving, the predictor those after.
    """
    plain, flipped, arrays = _scores(predictor, test)
    arrays |= {"cluster": face_groups(test), "copy": copies(test, train)}
    columns = predictor.model.columns(test.labels)
    predicted = torch.from_numpy(arrays["logits"]).argmax(dim=1)
    before = logits_of(Predictor(model.eval(), device=str(predictor.device)), test).argmax(dim=1)
    rest = (predicted == columns).numpy()[~arrays["copy"]]
    card = {
        "test": plain,
        "test_flip_averaged": flipped,
        "copies_of_training_faces": {
            "test_faces": int(arrays["copy"].sum()),
            "accuracy_without": round(float(rest.mean()), 4) if rest.size else None,
        },
        "halving": {
            "accuracy_before": round(float((before == columns).double().mean()), 4),
            "accuracy_after": plain["accuracy"],
            "predictions_changed": int((before != predicted).sum()),
        },
    }
    return card, arrays


def _keep_maps(predictor: Predictor, test: Faces, folder: Path) -> str:
    """Write Grad-CAM cells of the test faces; returns the attribution, or why there are none."""
    try:
        arrays = kept_maps(predictor, test)
    except InputError as refused:  # a network without a layer of spatial cells
        return f"none: {refused}"
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(folder / TEST_MAPS, buffer.getvalue())
    return METHOD


def _scores(
    predictor: Predictor, faces: Faces
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Scores plain and flip averaged, and what they were made of."""
    logits = logits_of(predictor, faces)
    averaged = logits_of(predictor, faces, flip=True)
    arrays = {
        "ids": np.array(faces.ids),
        "labels": faces.labels.numpy(),
        "logits": logits.numpy(),
        "flip_averaged": averaged.numpy(),
    }
    columns = predictor.model.columns(faces.labels)
    plain = scores_of_logits(logits, columns, emotions=predictor.emotions)
    flipped = scores_of_logits(averaged, columns, emotions=predictor.emotions)
    return plain | {"flip_averaged": False}, flipped | {"flip_averaged": True}, arrays


def _test_seen(log: pd.DataFrame, *, scored: bool) -> str:
    """When the test faces were seen, whatever the last session was told."""
    if "test_accuracy" in log and log["test_accuracy"].notna().any():
        return "every-epoch"
    return "once" if scored else "never"


def copies(test: Faces, train: Faces) -> NDArray[np.bool_]:
    """``(N,)``: which test faces have the very pixels (at 64×64) of a training face.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(2)
    >>> copies(faces, faces.subset([1]))
    array([False,  True])
    """

    def digests(faces: Faces) -> list[str]:
        return [
            hashlib.sha1(face.tobytes(), usedforsecurity=False).hexdigest()
            for batch in faces.batches(size=64)
            for face in batch.pixels.numpy()
        ]

    known = set(digests(train))
    return np.array([digest in known for digest in digests(test)], dtype=bool)


def _load_trainee(model: FERModel, checkpoint: Path) -> int:
    """Fill the model; returns the epoch, counted from 1, that the checkpoint closed."""
    read = readable(checkpoint)
    state = read["state_dict"]
    model.net.load_state_dict(
        {
            key.removeprefix(TRAINEE): value
            for key, value in state.items()
            if key.startswith(TRAINEE)
        }
    )
    return int(read["epoch"]) + 1
