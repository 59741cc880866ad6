"""The test faces of a data set, and the emotions that all models and data sets have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.types import Faces
from studies.engine.domains import domain_of
from studies.engine.specs import DataSpec
from studies.engine.study import face_table
from studies.engine.units import unit_name
from training.faces import data_name

SPLIT = "test"
"""Faces that models are tried on."""


def data_title(spec: DataSpec) -> str:
    """A data set's name wherever it lies, with its source.

    Examples
    --------
    >>> data_title(DataSpec.parse("gimefive:/data/bench@rafdb"))
    'gimefive@rafdb'
    >>> data_title(DataSpec.parse("folder:/my/faces"))
    'folder:faces'
    """
    return data_name(spec.location) + (f"@{spec.source}" if spec.source else "")


@dataclass(frozen=True, kw_only=True, eq=False)
class DataColumn:
    """The test faces of one data set: a column of the matrix.

    Attributes
    ----------
    spec
        What is read.
    name
        Its name in tables.
    domain
        Its name for comparisons with training sets.
    faces
        Its faces of the common emotions.
    table
        A row a face, with its cluster.
    counts
        All its test faces by emotion, those left out too.

    Examples
    --------
    >>> from fer_xai.data import load_dataset
    >>> faces = load_dataset("synthetic", limit=6)
    >>> table = face_table(faces)
    >>> DataColumn(
    ...     spec=DataSpec("synthetic"), name="mine", domain="mine", faces=faces, table=table,
    ...     counts=pd.Series(),
    ... ).unit
    'person'
    """

    spec: DataSpec
    name: str
    domain: str
    faces: Faces
    table: pd.DataFrame
    counts: pd.Series

    @property
    def clusters(self) -> list[object]:
        """Person of each face, or group of copies."""
        return list(self.table["cluster"])

    @property
    def unit(self) -> str:
        """What a cluster is."""
        return unit_name(self.table)


def common_emotions(
    known: Mapping[str, Sequence[str]], shown: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """Emotions that all models know and all data sets show, in canonical order.

    Parameters
    ----------
    known
        Emotions of each model.
    shown
        Emotions of each data set's test faces.

    Raises
    ------
    InputError
        For fewer than two.

    Examples
    --------
    >>> common_emotions({"net": ["fear", "anger", "neutral"]}, {"a": ["anger", "fear"]})
    ('anger', 'fear')
    >>> common_emotions({"net": ["fear", "anger"]}, {"a": ["fear", "anger"], "b": ["neutral"]})
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected two or more emotions that all models know and all data ...
    """
    each = [set(emotions) for emotions in (*known.values(), *shown.values())]
    found = tuple(name for name in EMOTIONS if all(name in one for one in each))
    if len(found) < 2:
        least = min({**known, **shown}.items(), key=lambda item: len(_elsewhere(item[1], each)))
        raise InputError(
            "Expected two or more emotions that all models know and all data sets show, got "
            f"{', '.join(found) or 'none'}: {least[0]} has {', '.join(least[1]) or 'none'}; leave "
            "it out, or compare it in a run of its own."
        )
    return found


def _elsewhere(emotions: Sequence[str], each: Sequence[set[str]]) -> list[str]:
    """Emotions that half of the others have, too."""
    return [e for e in emotions if 2 * sum(e in one for one in each) > len(each)]


def read(
    data: Sequence[DataSpec],
    known: Mapping[str, Sequence[str]],
    *,
    limit: int | None = None,
    subject_pattern: str | None = None,
    skip_bad: bool = False,
) -> tuple[list[DataColumn], tuple[str, ...]]:
    """The test faces of all data sets, of the common emotions, and these.

    Parameters
    ----------
    data
        Data sets.
    known
        Emotions of each model.
    limit
        At most this many faces of each, with the emotions' shares kept.
    subject_pattern, skip_bad
        As :func:`fer_xai.data.load_dataset` takes them.

    Raises
    ------
    InputError
        If a data set cannot be read, or fewer than two emotions are common.

    Examples
    --------
    >>> tested, common = read([DataSpec("synthetic")], {"net": ["fear", "anger"]}, limit=4)
    >>> len(tested[0].faces), common
    (4, ('anger', 'fear'))
    """
    every = [
        spec.load(
            split=SPLIT,
            emotions=EMOTIONS,
            subject_pattern=None if spec.dataset == "synthetic" else subject_pattern,
            skip_bad=skip_bad,
        )
        for spec in data
    ]
    titles = [data_title(spec) for spec in data]
    shown = {name: faces.emotions for name, faces in zip(titles, every, strict=True)}
    common = common_emotions(known, shown)
    found = []
    for spec, name, faces in zip(data, titles, every, strict=True):
        own = faces.table["emotion"].isin(common).to_numpy()
        kept = faces if own.all() else faces[own]
        kept = kept if limit is None else kept.limit(limit)
        missing = [emotion for emotion in common if emotion not in kept.emotions]
        if missing:
            raise InputError(
                f"Expected test faces of each of {', '.join(common)}, but the {limit} that --limit "
                f"leaves of {name} have none of {', '.join(missing)}: raise --limit."
            )
        found.append(
            DataColumn(
                spec=spec,
                name=name,
                domain=domain_of(spec),
                faces=kept,
                table=face_table(kept),
                counts=faces.table["emotion"].value_counts(),
            )
        )
    return found, common


def left_out(
    tested: Sequence[DataColumn], known: Mapping[str, Sequence[str]], common: Sequence[str]
) -> pd.DataFrame:
    """Faces of each data set that are left out, by emotion, and why; a row each.

    Examples
    --------
    >>> tested, common = read([DataSpec("synthetic")], {"net": ["fear", "anger"]}, limit=4)
    >>> left_out(tested, {"net": ["fear", "anger"]}, common).iloc[0]["why"]
    'not known to net'
    """
    rows = []
    for one in tested:
        for emotion in EMOTIONS:
            count = int(one.counts.get(emotion, 0))
            if emotion in common or not count:
                continue
            strangers = [name for name, emotions in known.items() if emotion not in emotions]
            without = [other.name for other in tested if not other.counts.get(emotion, 0)]
            why = [f"not known to {', '.join(strangers)}"] if strangers else []
            why += [f"no faces in {', '.join(without)}"] if without else []
            rows.append((one.name, emotion, count, "; ".join(why)))
    return pd.DataFrame(rows, columns=["data", "emotion", "faces left out", "why"])
