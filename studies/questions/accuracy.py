"""How many faces does a model recognise, on its own data set and on others?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.models import FERModel, load_model
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.digests import faces_digests, model_digest
from studies.engine.endpoints import PERSON, Endpoint
from studies.engine.options import Models, Passes, Progress
from studies.engine.recognised_share import Recognition, recognition
from studies.engine.scope import DataSets
from studies.engine.specs import DataSpec
from studies.engine.study import Study, face_table
from studies.engine.units import unit_name
from studies.registry import STUDIES, question
from studies.reporting.page import Table, write_page
from training.scoring import logits_of

SPLIT = "test"
"""Faces that models are tried on."""
ALL = "all"
"""Row of all emotions together."""
METHOD = [
    "A face is recognised where the largest logit is that of its label. Each face is passed once, "
    "as it is.",
    "Faces of emotions that a model does not know are left out.",
    "Intervals cover other faces of the same kind, and no other trainings.",
]
CAVEATS = [
    "One training of each model: other seeds differ by some tenths of a point and more.",
    "Test faces that are copies of training faces count like others: see the study label_audit.",
]


@STUDIES.register("accuracy")
@dataclass(frozen=True, kw_only=True)
class Accuracy(Study, Progress, Passes, DataSets, Models):
    """How many faces does a model recognise, on its own data set and on others?

    Every model is tried on the test faces of every data set: the share of faces recognised, of all
    and by emotion, with its interval. Models are named with their weights (``gimefive=rafdb``); one
    without takes those that are shipped for the data.

    Examples
    --------
    >>> Accuracy(models=("gimefive=rafdb",), data=("synthetic",)).data_specs[0].dataset
    'synthetic'
    """

    name: ClassVar[str] = "accuracy"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="share of faces whose emotion a model recognises, by model and data set",
        unit=PERSON,
        family="each model and data set by itself",
        interval="95 %, Wilson; where persons are known, of the effective number of faces",
        holds="nothing is claimed: the share is stated with its interval",
    )

    @property
    def data_specs(self) -> list[DataSpec]:
        """The data sets."""
        return [DataSpec.parse(text) for text in self.data]

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        models = [_model(spec.name, spec.weights or "") for spec in self.model_specs]
        for option, given, told in (
            ("--models, by name and name of the weights' file", models, self.models),
            ("--data", list(self.data), self.data),
        ):
            if not given or len(set(given)) < len(given):
                raise InputError(
                    f"Expected one or more of {option}, each once, got {', '.join(told) or 'none'}."
                )
        first: dict[tuple[str, str], str] = {}
        for text, data in zip(self.data, self.data_specs, strict=True):
            before = first.setdefault((data.identity, data.weights), text)
            if before != text:
                raise InputError(
                    f"Expected --data of different names, got {before} and {text}, whose rows "
                    f"would both be named {_named(data)}: score one of them in a run of its own."
                )
            taken: dict[str, str] = {}
            for model, spec in zip(self.models, self.model_specs, strict=True):
                name = _model(spec.name, spec.weights_for(data, option="--models"))
                if name in taken:
                    raise InputError(
                        f"Expected each of --models once on {text}, got {taken[name]} and {model}, "
                        f"which are both {name} there: leave one of them out."
                    )
                taken[name] = model

    def config(self) -> dict[str, Any]:
        """Options that identify a run, for its manifest and digest."""
        data = [_named(spec) for spec in self.data_specs]
        return super().config() | {"data": data, "split": SPLIT}

    def run(self) -> Path:
        """Score every model on every data set; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together, data that cannot be used, or weights that are not
            there.
        """
        self.check()
        cells: list[tuple[str, str, FERModel, Faces]] = []
        inputs: dict[str, dict[str, str | None]] = {}
        read: dict[tuple[DataSpec, tuple[str, ...]], Faces] = {}
        known: dict[tuple[Any, ...], dict[str, str | None]] = {}
        for data in self.data_specs:
            for spec in self.model_specs:
                weights = spec.weights_for(data, option="--models")
                model = load_model(spec.name, weights=weights)
                key = (data, tuple(model.emotions))
                if key not in read:
                    read[key] = data.load(split=SPLIT, emotions=model.emotions)
                faces, name = read[key], _model(spec.name, weights)
                if (*key, model.size) not in known:
                    known[(*key, model.size)] = faces_digests(faces, [model.size])
                digests = known[(*key, model.size)]
                inputs[f"{name} on {_named(data)}"] = {"model": model_digest(model), **digests}
                cells.append((name, _named(data), model, faces))
        rows = []
        with self.opened(inputs, SPLIT) as run:
            task = run.bar.add_task("faces", total=sum(len(faces) for *_, faces in cells))
            for name, where, model, faces in cells:
                table = face_table(faces)
                named = logits_of(self.predictor(model), faces).argmax(dim=1).numpy()
                found = recognition(
                    name,
                    faces.labels.numpy(),
                    pd.Series(model.emotions).map(EMOTIONS.index).to_numpy()[named],
                    list(table["cluster"]),
                    emotions=model.emotions,
                    unit=unit_name(table),
                )
                units = table.groupby("emotion")["cluster"].nunique()
                rows += _rows(found, where, units, int(table["cluster"].nunique()))
                run.bar.advance(task, len(faces))
        made = pd.DataFrame(rows)
        return run.complete(_write(run.folder, run.manifest, made))


def _model(name: str, weights: str) -> str:
    """A model with the name of its weights, wherever they lie."""
    return f"{name}={Path(weights).name}"


def _named(spec: DataSpec) -> str:
    """A data set's name wherever it lies, with its source."""
    return spec.identity + (f"@{spec.source}" if spec.source else "")


def _rows(found: Recognition, data: str, units: pd.Series, persons: int) -> list[dict[str, Any]]:
    """A row for all faces, and one an emotion."""
    head = {"model": found.model, "data": data}
    both = {
        **head,
        "emotion": ALL,
        "recognised": 100 * found.share,
        "recognised low": 100 * found.low,
        "recognised high": 100 * found.high,
        "faces": found.faces,
        "units": persons,
        "most often named": "",
        "interval": found.scheme,
    }
    return [both] + [
        {
            **head,
            "emotion": row["emotion"],
            "recognised": 100 * row["recall"],
            "recognised low": 100 * row["recall low"],
            "recognised high": 100 * row["recall high"],
            "faces": row["faces"],
            "units": int(units[row["emotion"]]),
            "most often named": row["most often named"],
            "interval": row["interval"],
        }
        for row in found.recall.to_dict("records")
    ]


def _write(folder: Path, manifest: dict[str, Any], rows: pd.DataFrame) -> str:
    """The tables and the page; returns the answer."""
    whole = rows[rows["emotion"] == ALL]
    answer = " ".join(
        f"{row.model} recognises {row.recognised:.1f} % of {row.faces:,} faces of {row.data} "
        f"[{row.low:.1f}, {row.high:.1f}]."
        for row in whole.rename(
            columns={"recognised low": "low", "recognised high": "high"}
        ).itertuples()
    )
    caption = (
        f"Share of faces recognised, in percent. Unit: {PERSON}, and groups of identical images; "
        "95 %: as the column interval says."
    )
    write_page(
        folder,
        question=question("accuracy"),
        answer=answer,
        facts={"Split": manifest["config"]["split"], "Commit": store.made_by(manifest)},
        tables=[
            Table(name="accuracy", frame=whole.drop(columns="most often named"), caption=caption),
            Table(
                name="recall",
                frame=rows[rows["emotion"] != ALL],
                caption=f"The same by emotion, and the emotion most often named. {caption}",
            ),
        ],
        pictures=[],
        method=METHOD,
        caveats=CAVEATS,
        manifest=manifest,
    )
    return answer
