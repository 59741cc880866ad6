"""Networks that judge labels, on the faces where their predictions are out of sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import shipped_weights
from fer_xai.models.checkpoints import file_digest
from fer_xai.types import Faces
from studies.engine.digests import model_digest
from studies.engine.options import Passes
from studies.engine.specs import ModelSpec
from studies.engine.store import once
from studies.questions.label_audit.collected import Collected
from studies.questions.label_audit.in_sample import (
    Told,
    card_beside,
    in_sample,
    told_of,
    trained_on,
    training_faces,
)

_CHUNK = 4096


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
    seen
        Places of faces in the audit's table that the network was trained on, beside those that the
        names of the sets tell.
    known_by
        How training faces are known in other sets (:attr:`Told.known_by`); empty with folds.
    folds
        ``(len(rows),)``: folds of the faces, each of which was predicted by a network that was
        trained on the other folds; None where one network made all predictions.

    Examples
    --------
    >>> from fer_xai.emotions import SIX
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
    seen: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    folds: NDArray[np.int64] | None = None
    known_by: str = ""

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Softmax of the logits."""
        found = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return np.asarray(found / found.sum(axis=1, keepdims=True))


def asked_of(
    spec: ModelSpec, found: Collected, *, splits: Sequence[str] = ()
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Faces whose labels a network is asked about, and faces that it was trained on.

    Parameters
    ----------
    spec
        The network and its weights.
    found
        The faces.
    splits
        Splits to judge; all by default.

    Returns
    -------
    asked, seen
        ``(N,)`` each.

    Raises
    ------
    InputError
        If it was trained on all that it would be asked about.

    Examples
    --------
    >>> from studies.engine.specs import DataSpec
    >>> from studies.questions.label_audit.collected import collected
    >>> found = collected([DataSpec("synthetic")], splits=["train", "test"], limit=1)
    >>> asked, seen = asked_of(ModelSpec("gimefive", "synthetic"), found)
    >>> asked.tolist(), seen.tolist()
    ([False, True], [True, False])
    """
    named = in_sample(found.table, trained_on(spec))
    seen = named | training_faces(found, _told(spec))
    asked = np.isin(found.table["split"].to_numpy().astype(str), splits or found.splits)
    if not (asked & ~seen).any():
        known = []
        if (asked & named).any():
            known.append("the name of its weights" if _shipped(spec) else "the data on its card")
        if (asked & ~named).any():
            known.append("the digests of its training faces")
        raise InputError(
            f"Expected faces that {model_name(spec)} was not trained on, got only "
            f"{', '.join(told_of(found.table, asked))}, which it has seen, or may have seen, by "
            f"{' and '.join(known)}: its predictions there are in-sample; add another split or "
            "another model."
        )
    return asked & ~seen, seen


def model_name(spec: ModelSpec) -> str:
    """Name of a model in tables: shipped weights by name, others by their folder and file.

    Examples
    --------
    >>> model_name(ModelSpec("gimefive", "rafdb"))
    'gimefive=rafdb'
    >>> model_name(ModelSpec("gimefive", "runs/one/weights.safetensors"))
    'gimefive=one/weights.safetensors'
    """
    if _shipped(spec):
        return f"{spec.name}={spec.weights}"
    return f"{spec.name}={file_name(Path(str(spec.weights)))}"


def file_name(path: Path) -> str:
    """Name of a file in tables: that of its folder, and its own.

    Examples
    --------
    >>> file_name(Path("/data/runs/gimefive-rafdb/fold_logits.npz"))
    'gimefive-rafdb/fold_logits.npz'
    """
    return f"{path.absolute().parent.name}/{path.name}"


def _shipped(spec: ModelSpec) -> bool:
    return f"{spec.name}-{spec.weights}" in shipped_weights()


def _told(spec: ModelSpec) -> Told:
    return Told() if _shipped(spec) else card_beside(Path(str(spec.weights)))


def digests_of(models: Sequence[ModelSpec]) -> list[str]:
    """SHA-256 of the weights that are not shipped, in order, and of their training images.

    Examples
    --------
    >>> digests_of([ModelSpec("gimefive", "rafdb")])
    []
    """
    own = [spec for spec in models if not _shipped(spec)]
    return [
        " ".join(
            filter(
                None, [file_digest(Path(str(spec.weights))), replace(_told(spec), data="").identity]
            )
        )
        for spec in own
    ]


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
    asked, seen = asked_of(spec, found, splits=splits)
    model = spec.load()
    predictor, key = passes.predictor(model), model_digest(model)[:12]
    rows, logits = [], []
    for part in found.parts:
        own = np.array([row for row in part.rows if asked[row]], dtype=np.int64)
        for start in range(0, len(own), _CHUNK):
            chosen = own[start : start + _CHUNK]
            faces = part.faces.subset(chosen - part.first)
            file = folder / f"{key}-{chosen[0]}-{len(chosen)}.npz"
            kept = once(file, partial(_logits, predictor, faces))
            rows.append(chosen)
            logits.append(kept["logits"].astype(np.float64))
    return Judge(
        name=model_name(spec),
        trained=trained_on(spec),
        emotions=tuple(predictor.emotions),
        rows=np.concatenate(rows),
        logits=np.concatenate(logits),
        copied=np.zeros(sum(map(len, rows)), dtype=bool),
        refused=told_of(found.table, seen),
        seen=np.flatnonzero(seen),
        known_by=_told(spec).known_by,
    )


def _logits(predictor: Predictor, faces: Faces) -> dict[str, NDArray[np.float32]]:
    return {"logits": predictor.logits(faces).numpy()}


def out_of_sample(judge: Judge, table: pd.DataFrame, joined: NDArray[np.int64]) -> Judge:
    """The judge without faces that are copies of faces it was trained on.

    A face that was predicted out of its fold is left out if a copy of it lies in another fold.

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
    >>> from fer_xai.emotions import SIX
    >>> table = pd.DataFrame({"set": "rafdb", "source": "rafdb", "split": ["train", "test", ""]})
    >>> judge = Judge(name="net", trained="rafdb", emotions=SIX, rows=np.array([1, 2]),
    ...               logits=np.zeros((2, 6)), copied=np.zeros(2, dtype=bool))
    >>> out_of_sample(judge, table, np.array([0, 0, 1])).rows.tolist()
    [2]
    """
    groups = joined[judge.rows]
    if judge.folds is not None:
        dealt = np.unique(np.stack([groups, judge.folds], axis=1), axis=0)[:, 0]
        several, counts = np.unique(dealt, return_counts=True)
        seen = several[counts > 1]
    else:
        learned = np.zeros(len(table), dtype=bool)
        if judge.trained:
            learned |= in_sample(table, judge.trained)
        learned[judge.seen] = True
        seen = joined[learned]
    kept = ~np.isin(groups, seen) & ~judge.copied
    return replace(
        judge,
        rows=judge.rows[kept],
        logits=judge.logits[kept],
        copied=judge.copied[kept],
        folds=None if judge.folds is None else judge.folds[kept],
    )


def specs(texts: Sequence[str]) -> list[ModelSpec]:
    """Models with their weights; each is looked up before any face is read.

    Raises
    ------
    InputError
        If a model is named twice, or nothing says what it was trained on.

    Examples
    --------
    >>> [(spec.name, spec.weights) for spec in specs(["gimefive=rafdb"])]
    [('gimefive', 'rafdb')]
    """
    found = [ModelSpec.parse(text) for text in texts]
    names: dict[str, str] = {}
    for text, spec in zip(texts, found, strict=True):
        if spec.weights and not _shipped(spec) and not Path(spec.weights).is_file():
            own = [one for one in shipped_weights() if one.startswith(f"{spec.name}-")]
            shipped = ", ".join(one.removeprefix(f"{spec.name}-") for one in own) or "none"
            raise InputError(
                f"Expected the weights of {spec.name}, found none at {spec.weights}: give the path "
                f"of a file, or a name of shipped weights ({shipped})."
            )
        trained_on(spec)
        name = model_name(spec)
        if name in names:
            raise InputError(
                f"Expected each model once, under a name of its own, got {names[name]} and {text}, "
                f"which tables call {name}: leave one out, or rename its folder."
            )
        names[name] = text
    return found
