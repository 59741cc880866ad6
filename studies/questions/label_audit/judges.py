"""Who judges labels: networks and stored predictions, and on which faces they are out of sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.files import REMADE, read_arrays, read_json
from fer_xai.inference.predictor import Predictor
from fer_xai.models import load_model, shipped_weights
from fer_xai.types import Faces
from studies.engine.digests import model_digest
from studies.engine.options import Passes
from studies.engine.specs import ModelSpec
from studies.engine.store import once
from studies.questions.label_audit.collected import Collected

SAME_IMAGES = {
    "gimefive": ("rafdb", "fer2013", "affectnet", "ckplus", "tfeid"),
    "ferplus": ("fer2013",),
    "mmafedb": ("fer2013", "expw"),
    "fer2013": ("ferplus", "mmafedb"),
    "expw": ("mmafedb",),
}
"""Data sets that hold the images of others, and the others."""
_CHUNK = 4096


def plain(name: str) -> str:
    """Letters and digits of a data set's name, in lower case.

    Examples
    --------
    >>> plain("RAF-DB"), plain("gimefive:/data/bench")
    ('rafdb', 'gimefive')
    """
    return "".join(letter for letter in name.partition(":")[0].lower() if letter.isalnum())


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Predictions of one network on the faces where they are out of sample.

    Attributes
    ----------
    name
        Model and weights, or the file of predictions.
    trained
        Data set whose training split the network saw; empty where the file says itself which faces
        were left out.
    emotions
        Emotions of the columns.
    rows
        Places of the judged faces in the audit's table.
    logits
        ``(len(rows), C)``.
    copied
        ``(len(rows),)``: faces of which the network was trained on an identical image, as far as
        it says so itself.
    refused
        Sets and splits that the network was trained on.

    Examples
    --------
    >>> judge = Judge(name="net", trained="rafdb", emotions=SIX, rows=np.arange(2),
    ...               logits=np.zeros((2, 6)), copied=np.zeros(2, dtype=bool))
    >>> judge.probabilities.round(2)[0].tolist()
    [0.17, 0.17, 0.17, 0.17, 0.17, 0.17]
    """

    name: str
    trained: str
    emotions: tuple[str, ...]
    rows: NDArray[np.int64]
    logits: NDArray[np.float64]
    copied: NDArray[np.bool_]
    refused: tuple[str, ...] = ()

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Softmax of the logits."""
        found = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return np.asarray(found / found.sum(axis=1, keepdims=True))


def trained_on(spec: ModelSpec) -> str:
    """Data set that weights were trained on, as their name or the card beside them says.

    Raises
    ------
    InputError
        If nothing says it: whether predictions are out of sample cannot be known then.

    Examples
    --------
    >>> trained_on(ModelSpec("gimefive", "fer2013"))
    'fer2013'
    """
    weights = spec.weights or ""
    if f"{spec.name}-{weights}" in shipped_weights():
        return plain(weights)
    if weights and (told := _told_by_card(Path(weights))):
        return told
    raise InputError(
        f"Expected --models {spec.name}=WEIGHTS with shipped weights or a card.json beside the "
        f"weights that says what they were trained on, got {weights or 'none'}: predictions on "
        "faces that a network was trained on do not tell wrong labels."
    )


def _told_by_card(file: Path) -> str:
    """Data set that the card beside weights or predictions names; empty without a card."""
    card = file.with_name("card.json")
    if not card.is_file():
        return ""
    run = read_json(card, remedy="restore it beside its weights").get("run", {})
    return plain(str(run.get("source") or run.get("data") or ""))


def in_sample(table: pd.DataFrame, trained: str) -> NDArray[np.bool_]:
    """``(N,)``: faces of a training split that weights were trained on, by the sets' names.

    Parameters
    ----------
    table
        A row a face: ``set``, ``split`` and ``source``.
    trained
        Data set of the weights.

    Examples
    --------
    >>> table = pd.DataFrame({"set": ["gimefive@rafdb", "rafdb"], "split": ["train", "test"],
    ...                       "source": "rafdb"})
    >>> in_sample(table, "rafdb").tolist()
    [True, False]
    """
    seen = {trained, *SAME_IMAGES.get(trained, ())}
    names = [plain(str(name).partition("@")[2] or str(name)) for name in table["set"]]
    sources = [plain(str(name)) for name in table["source"]]
    own = np.array([bool({a, b} & seen) for a, b in zip(names, sources, strict=True)], dtype=bool)
    return np.asarray(own & (table["split"] == "train").to_numpy())


def judged_by_model(
    spec: ModelSpec, found: Collected, passes: Passes, *, folder: Path, splits: Sequence[str] = ()
) -> Judge:
    """A network's logits on all faces that it was not trained on; kept in a folder, part by part.

    Parameters
    ----------
    spec
        The network and its weights.
    found
        The faces.
    passes
        Options that say how images are passed.
    folder
        Folder of the kept logits, of the same faces.
    splits
        Splits to judge; all by default.

    Raises
    ------
    InputError
        If it was trained on all of them.

    Examples
    --------
    >>> import tempfile
    >>> from studies.engine.specs import DataSpec
    >>> from studies.questions.label_audit.collected import collected
    >>> found, spec = collected([DataSpec("synthetic")], splits=["train"], limit=2), "synthetic"
    >>> judged_by_model(
    ...     ModelSpec("gimefive", spec), found, Passes(device="cpu"), folder=Path("unused")
    ... )
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected faces that gimefive=synthetic was not trained on, got ...
    """
    trained = trained_on(spec)
    seen = in_sample(found.table, trained)
    name = f"{spec.name}={Path(str(spec.weights)).name}"
    told = found.table["set"] + " " + found.table["split"]
    refused = tuple(dict.fromkeys(told[seen]))
    asked = np.isin(found.table["split"].to_numpy().astype(str), splits or found.splits)
    if (seen | ~asked).all():
        raise InputError(
            f"Expected faces that {name} was not trained on, got only {', '.join(refused)}, which "
            f"its card names: its predictions there are in-sample; add another split or another "
            "model."
        )
    model = load_model(spec.name, weights=spec.weights)
    predictor, key = passes.predictor(model), model_digest(model)[:12]
    rows, logits = [], []
    for part in found.parts:
        own = np.array([row for row in part.rows if asked[row] and not seen[row]], dtype=np.int64)
        for start in range(0, len(own), _CHUNK):
            chosen = own[start : start + _CHUNK]
            faces = part.faces.subset(chosen - part.first)
            file = folder / f"{key}-{chosen[0]}-{len(chosen)}.npz"
            kept = once(file, partial(_logits, predictor, faces))
            rows.append(chosen)
            logits.append(kept["logits"].astype(np.float64))
    return Judge(
        name=name,
        trained=trained,
        emotions=tuple(predictor.emotions),
        rows=np.concatenate(rows),
        logits=np.concatenate(logits),
        copied=np.zeros(sum(map(len, rows)), dtype=bool),
        refused=refused,
    )


def _logits(predictor: Predictor, faces: Faces) -> dict[str, NDArray[np.float32]]:
    return {"logits": predictor.logits(faces).numpy()}


def judged_by_file(path: Path, found: Collected) -> Judge:
    """Stored predictions on held-out faces: a training's ``test_logits.npz``, of a fold or not.

    A card.json beside the file says what the network was trained on.

    Parameters
    ----------
    path
        Arrays ``ids`` and ``logits`` ``(N, 6)`` in the order of the six emotions; ``labels``
        (canonical) and ``copy`` where they are known.
    found
        The faces.

    Raises
    ------
    InputError
        If the file has other arrays, names a face twice or no face of the audit, or its labels are
        others.

    Examples
    --------
    >>> import tempfile
    >>> from studies.engine.specs import DataSpec
    >>> from studies.questions.label_audit.collected import collected
    >>> found = collected([DataSpec("synthetic")], splits=["test"], limit=2)
    >>> with tempfile.TemporaryDirectory() as place:
    ...     file = Path(place) / "test_logits.npz"
    ...     np.savez(file, ids=found.table["id"].to_numpy().astype(str), logits=np.zeros((2, 6)))
    ...     judged_by_file(file, found).rows.tolist()
    [0, 1]
    """
    try:
        arrays = read_arrays(path, remedy=REMADE)
    except FileNotFoundError:
        raise InputError(f"Expected stored predictions, found none at {path}.") from None
    if not {"ids", "logits"} <= arrays.keys() or arrays["logits"].shape != (
        len(arrays["ids"]),
        len(SIX),
    ):
        raise InputError(
            f"Expected arrays ids (N,) and logits (N, {len(SIX)}) in {path}, got "
            f"{', '.join(f'{key} {value.shape}' for key, value in arrays.items())}."
        )
    ids = [str(name) for name in arrays["ids"]]
    place = {name: index for index, name in enumerate(ids)}
    if len(place) < len(ids):
        raise InputError(f"Expected each face once in {path}, got {len(ids) - len(place)} twice.")
    rows, chosen = [], []
    copied = arrays.get("copy", np.zeros(len(ids), dtype=bool))
    for row, name in enumerate(found.table["id"]):
        at = place.get(str(name))
        if at is None:
            continue
        if "labels" in arrays:
            told = EMOTIONS[int(arrays["labels"][at])]
            if told != found.table["emotion"].iloc[row]:
                raise InputError(
                    f"Expected predictions for the same labels, but {path} has {told} for {name}, "
                    f"which is {found.table['emotion'].iloc[row]} here: it is of other faces."
                )
        rows.append(row)
        chosen.append(at)
    if not rows:
        raise InputError(
            f"Expected predictions for faces of the audit in {path}, but it names none of them, "
            f"for instance {ids[0] if ids else '(it is empty)'}."
        )
    return Judge(
        name=f"{path.parent.name}/{path.name}",
        trained=_told_by_card(path),
        emotions=SIX,
        rows=np.array(rows, dtype=np.int64),
        logits=arrays["logits"][chosen].astype(np.float64),
        copied=np.asarray(copied[chosen], dtype=bool),
    )


def out_of_sample(judge: Judge, table: pd.DataFrame, joined: NDArray[np.int64]) -> Judge:
    """The judge without faces that are copies of faces it was trained on.

    Parameters
    ----------
    judge
        The judge.
    table
        A row a face of the audit.
    joined
        ``(N,)`` groups of copies.

    Examples
    --------
    >>> table = pd.DataFrame({"set": "rafdb", "source": "rafdb", "split": ["train", "test", ""]})
    >>> judge = Judge(name="net", trained="rafdb", emotions=SIX, rows=np.array([1, 2]),
    ...               logits=np.zeros((2, 6)), copied=np.zeros(2, dtype=bool))
    >>> out_of_sample(judge, table, np.array([0, 0, 1])).rows.tolist()
    [2]
    """
    seen = set(joined[in_sample(table, judge.trained)].tolist()) if judge.trained else set()
    kept = np.array([joined[row] not in seen for row in judge.rows], dtype=bool) & ~judge.copied
    return replace(
        judge, rows=judge.rows[kept], logits=judge.logits[kept], copied=judge.copied[kept]
    )


def specs(texts: Sequence[str]) -> list[ModelSpec]:
    """Models with their weights; each is looked up before any face is read.

    Raises
    ------
    InputError
        If a model is named twice, or nothing says what it was trained on.

    Examples
    --------
    >>> specs(["gimefive=rafdb"])
    [ModelSpec(name='gimefive', weights='rafdb')]
    """
    found = [ModelSpec.parse(text) for text in texts]
    for spec in found:
        if found.count(spec) > 1:
            raise InputError(f"Expected each model once, got {spec.name}={spec.weights} twice.")
        trained_on(spec)
    return found
