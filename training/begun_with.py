"""Weights that a training begins with, and whether they may have seen the faces of another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_xai.data.shared_images import one_of, share_images
from fer_xai.errors import InputError
from fer_xai.files import read_json
from fer_xai.models.initial_weights import IMAGENET
from training.export import CARD
from training.same_run import initial_digest


def begun_elsewhere(run: Mapping[str, Any]) -> bool:
    """Whether a training began with weights whose training faces are unknown.

    Parameters
    ----------
    run
        What a card.json says under ``run``: with ``pretrained``, the SHA-256 of the weights that
        the training began with, and ``model``, its architecture.

    Returns
    -------
    bool
        False where it began with none, or with ImageNet's weights of that architecture as they are
        on this machine; True for all others, those that cannot be compared among them.

    Examples
    --------
    >>> begun_elsewhere({"pretrained": None}), begun_elsewhere({"pretrained": "1a2b"})
    (False, True)
    """
    begun = run.get("pretrained")
    if begun is None:
        return False
    try:
        return bool(begun != initial_digest(IMAGENET, str(run.get("model") or "")))
    except InputError:  # no ImageNet weights to compare with
        return True


def check_other_data(pretrained: str | None, data: str) -> None:
    """Refuse to begin folds with weights that were trained on the data, or may have been.

    Parameters
    ----------
    pretrained
        The option ``--pretrained``.
    data
        Data set of the folds, ``NAME@SOURCE``.

    Raises
    ------
    InputError
        If there are no such weights, no card beside them says what they were trained on and begun
        with, or it names this data or others that share images with it.

    Examples
    --------
    >>> check_other_data("no/such.safetensors", "rafdb@")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected weights to begin with, found none at no/such.safetensors.
    """
    if pretrained is None or pretrained == IMAGENET:
        return
    weights = Path(pretrained)
    if not weights.is_file():
        raise InputError(f"Expected weights to begin with, found none at {weights}.")
    run = _card(weights).get("run")
    if not isinstance(run, dict) or not (run.get("source") or run.get("data")):
        raise InputError(
            f"Expected a {CARD} beside {weights} that says what these weights were trained on "
            '({"run": {"data": NAME}}), found none: folds that begin with weights of the same '
            "faces are not out of sample."
        )
    if begun_elsewhere(run):
        raise InputError(
            f"Expected --folds with weights that were begun with none or with ImageNet's, but the "
            f"{CARD} beside --pretrained {weights} names others that they were begun with: those "
            "may have seen the faces that are to be predicted, so leave --pretrained out."
        )
    seen = f"{run.get('data') or ''}@{run.get('source') or ''}"
    if share_images(one_of(seen, ""), one_of(data, "")):
        raise InputError(
            f"Expected --folds with weights of other data, but those of --pretrained {weights} "
            f"were trained on {one_of(seen, '')}, which has faces of {one_of(data, '')}: no "
            "prediction would be out of sample, so leave --pretrained out."
        )


def check_other_faces(pretrained: str | None, split_sha256: str) -> None:
    """Refuse to begin folds with weights of the very same training faces, whatever their name.

    Parameters
    ----------
    pretrained
        The option ``--pretrained``.
    split_sha256
        Digest of the training faces (:meth:`fer_xai.types.Faces.fingerprint`).

    Raises
    ------
    InputError
        If the card beside the weights has this digest.

    Examples
    --------
    >>> check_other_faces("imagenet", "1a2b")
    """
    if pretrained is None or pretrained == IMAGENET:
        return
    card = _card(Path(pretrained))
    if split_sha256 in (card.get("training_split_sha256"), card.get("train_faces_sha256")):
        raise InputError(
            f"Expected --folds with weights of other faces, but the {CARD} beside --pretrained "
            f"{pretrained} has the digest of these training faces: no prediction would be out of "
            "sample, so leave --pretrained out."
        )


def _card(weights: Path) -> dict[str, Any]:
    file = weights.with_name(CARD)
    return read_json(file, remedy="restore it") if file.is_file() else {}
