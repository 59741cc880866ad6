"""Is a model wired as it is declared: outputs, colours, range, size, crop?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fer_xai.command import DONE, REFUSED
from fer_xai.emotions import EMOTIONS
from fer_xai.wiring.preflight import AT_MOST, Preflight, preflight
from studies.engine.digests import faces_digests, model_digest
from studies.engine.endpoints import PERSON, Endpoint
from studies.engine.one_model import OneModel
from studies.engine.options import Passes, Progress, Seed
from studies.engine.study import Study, face_table
from studies.engine.units import units_of
from studies.registry import STUDIES, question
from studies.reporting.page import Picture, Table, write_page
from studies.reporting.style import CONTROL, INK, TRAINED, style

METHOD = (
    "The pair rate of two outputs is the probability that the difference of their logits is larger "
    "on a face of the one emotion than on a face of the other (Hand & Till, Machine Learning "
    "2001). It depends on no emotion's frequency. All orders of the outputs are compared by the "
    "mean over pairs; the order that one half of the faces speaks for is tested on the other half.",
    "Each other way of feeding is compared with the declared one on the same faces. With 800 faces "
    "or more, all are tried on 400, and those that gain are tested on all the others. A way of "
    "feeding counts as better from 2 points on, where an exact sign test over persons allows it "
    "after correction for the alternatives tried, and where the model tells the emotions apart "
    "(mean pair rate of .85).",
    "A check that is undecided counts as passed; the answer names it.",
)
CAVEATS = (
    "A model that is wired right may gain by a crop or a size where these faces are cut "
    "otherwise than those that it was trained on: then change the faces, not the model.",
    "A model that hardly tells these faces' emotions apart proves nothing about its wiring.",
)


@STUDIES.register("preflight")
@dataclass(frozen=True, kw_only=True)
class PreflightStudy(Study, Progress, Passes, Seed, OneModel):
    """Is a model wired as it is declared: outputs, colours, range, size, crop?

    An audit of a model that is fed or read wrongly is worth nothing. The exit status is 1 where a
    check failed, and the report says which arguments would repair it.

    Examples
    --------
    >>> PreflightStudy().at_most
    2400
    """

    name: ClassVar[str] = "preflight"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="gain in the mean pair rate of another order of the outputs, chosen on one half "
        "of the faces and tested on the other; share recognised under another way of feeding, "
        "less that as declared",
        unit=PERSON,
        family="each check by itself; its alternatives and three rounds share an error of .005",
        interval="one-sided 99.5 % bound of the gain in the pair rate (Student's t over persons); "
        "exact sign test over persons for ways of feeding",
        holds="the bound lies above .02 (mean pair rate of .9) or .12 (.7); a way of feeding gains "
        "2 points, at a mean pair rate of .85, and its test rejects",
    )

    usual_limit: ClassVar[int] = AT_MOST

    def run(self) -> int:
        """Look, and write; returns the exit status, 1 where a check failed.

        Raises
        ------
        UnknownNameError, InputError
            For options that cannot be used.
        """
        self.check()
        model = self.one_model()
        faces = self.load_faces(
            emotions=tuple(name for name in EMOTIONS if name in model.emotions),
            limit=self.at_most,
            seed=self.seed,
        )
        inputs = {**faces_digests(faces, [model.size]), "model": model_digest(model)}
        with self.opened(inputs, faces.name, self.data_spec.source, self.split) as run:
            task = run.bar.add_task("ways of feeding", total=None)
            found = preflight(
                model,
                faces,
                at_most=self.at_most,
                seed=self.seed,
                device=self.device,
                progress=lambda done, all_: run.bar.update(task, completed=done, total=all_),
            )
        counted = face_table(faces)
        write_report(
            run.folder,
            found,
            facts={
                "Model": found.name,
                "Weights": self.weights_in_words(),
                "Faces": f"{len(faces):,} of {faces.name}, {self.split}",
                "Wiring as declared": _in_words(model.wiring),
            },
            manifest=run.manifest,
        )
        run.complete(found.answer, units=units_of(counted))
        return DONE if found.passed else REFUSED


def write_report(
    folder: Path, found: Preflight, *, facts: dict[str, str], manifest: dict[str, Any]
) -> None:
    """Tables, figures and the page of a preflight.

    Parameters
    ----------
    folder
        Where they go.
    found
        What was found.
    facts
        What is said of model and faces.
    manifest
        The run's.

    Examples
    --------
    >>> import tempfile
    >>> none = Preflight(findings=(), suggestion={}, name="mine", faces=0)
    >>> with tempfile.TemporaryDirectory() as place:
    ...     write_report(Path(place), none, facts={}, manifest={})
    ...     (Path(place) / "answer.txt").read_text().strip()
    'mine is wired as declared, as far as 0 faces tell.'
    """
    tables = [
        Table(
            name="checks",
            caption="What each check found. An undecided one is not counted as failed.",
            frame=found.frame,
            leading=True,
        )
    ]
    pictures = []
    if len(found.feeding):
        tables.append(
            Table(
                name="feeding",
                caption="Each other way of feeding against the declared one: difference of the "
                "share recognised with its 95 % interval over persons, the one-sided p-value of "
                "the exact sign test, the mean pair rate, and the mean probability of the named "
                "emotion. Those that gained on the first 400 faces were tested on all others.",
                frame=found.feeding,
            )
        )
        pictures.append(
            Picture(
                name="feeding",
                caption="Points recognised more than as declared, by way of feeding, with 95 % "
                "intervals over persons (Student's t).",
                figure=feeding_plot(found.feeding),
            )
        )
    if len(found.pairs):
        tables.append(
            Table(
                name="pairs",
                caption="Pair rate of each two outputs as declared: .5 tells nothing, 1 "
                "everything, and below .5 they would be better the other way round. A swap would "
                "show where the lower 99.5 % bound of the difference to the swapped order is "
                "above 0.",
                frame=found.pairs,
            )
        )
        pictures.append(
            Picture(
                name="pairs",
                caption="Pair rate of each two outputs in the declared order.",
                figure=pair_plot(found.pairs),
            )
        )
    write_page(
        folder,
        question=question("preflight"),
        answer=found.answer,
        facts=facts,
        tables=tables,
        pictures=pictures,
        method=METHOD,
        caveats=CAVEATS,
        manifest=manifest,
    )


def feeding_plot(rows: pd.DataFrame) -> Figure:
    """Dots of the gains by way of feeding, grouped by check.

    Parameters
    ----------
    rows
        :attr:`fer_xai.Preflight.feeding`.

    Examples
    --------
    >>> rows = pd.DataFrame({"check": ["crop"], "fed with": ["8% of each side cut off"],
    ...                      "gain": [0.1], "low": [0.05], "high": [0.15]})
    >>> plt.close(feeding_plot(rows))
    """
    style()
    figure, axis = plt.subplots(figsize=(6.4, 0.3 * len(rows) + 1.0), layout="constrained")
    at = np.arange(len(rows))
    for place, row in zip(at, rows.to_dict("records"), strict=True):
        colour = TRAINED if row["low"] > 0 else CONTROL
        axis.plot([100 * row["low"], 100 * row["high"]], [place, place], color=colour, lw=1.6)
        axis.plot(100 * row["gain"], place, "o", color=colour, ms=5)
    axis.axvline(0, color=INK, lw=0.8)
    axis.set_yticks(at, [f"{a}: {b}" for a, b in zip(rows["check"], rows["fed with"], strict=True)])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel("points recognised more than as declared")
    return figure


def pair_plot(pairs: pd.DataFrame) -> Figure:
    """Heat map of pair rates.

    Parameters
    ----------
    pairs
        :attr:`fer_xai.Preflight.pairs`.

    Examples
    --------
    >>> pairs = pd.DataFrame({"emotion": ["anger"], "other": ["fear"], "pair rate": [0.9]})
    >>> plt.close(pair_plot(pairs))
    """
    style()
    names = list(dict.fromkeys([*pairs["emotion"], *pairs["other"]]))
    table = pd.DataFrame(np.nan, index=names, columns=names)
    for row in pairs.to_dict("records"):
        table.loc[row["other"], row["emotion"]] = row["pair rate"]
    shown = table.iloc[1:, :-1]
    side = 0.75 * len(names)
    figure, axis = plt.subplots(figsize=(side + 1.6, side), layout="constrained")
    colours = {"vmin": 0, "vmax": 1, "cmap": "vlag_r", "cbar_kws": {"label": "pair rate"}}
    sns.heatmap(shown, annot=True, fmt=".2f", square=True, ax=axis, linewidths=1, **colours)
    axis.tick_params(axis="x", rotation=45)
    axis.tick_params(axis="y", rotation=0)
    return figure


def _in_words(wiring: dict[str, Any]) -> str:
    emotions = ", ".join(wiring["emotions"])
    rest = {
        key: value
        for key, value in wiring.items()
        if key != "emotions" and value not in (None, 0.0, False)
    }
    if wiring["normalisation"] is not None:
        rest = {key: value for key, value in rest.items() if key not in ("mean", "std")}
    return f"outputs {emotions}; " + ", ".join(f"{key} {value}" for key, value in rest.items())
