"""What the report says of training by epoch: two figures, the numbers behind them, captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fer_xai.emotions import SIX
from studies.questions.ablation import plots
from studies.questions.ablation.curves import (
    SPREAD,
    WITHOUT,
    by_epoch,
    dropout_epochs,
    epoch_rows,
    in_percent,
    last_epochs,
    seeds_of,
    without_log,
)
from studies.questions.ablation.tables import REFERENCE
from studies.reporting.page import Picture, Table
from training.grid import Training

BANDS = (
    "Lines are means over trainings; bands go from the least to the largest of them and are no "
    "intervals."
)


@dataclass(frozen=True, kw_only=True)
class Curves:
    """What the logs of trainings add to a report.

    Attributes
    ----------
    tables
        The numbers behind the figures, and the last epoch of each variant.
    pictures
        Loss with and without BatchNorm; gap of accuracies with and without dropout.
    caveats
        What could not be drawn, and why.

    Examples
    --------
    >>> Curves().pictures
    []
    """

    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    caveats: list[str] = field(default_factory=list)


def training_curves(done: Sequence[Training], config: Mapping[str, Any]) -> Curves:
    """Figures and tables by epoch, of the trainings whose logs were kept.

    Parameters
    ----------
    done
        Trainings; one without a log is in no curve, and is named.
    config
        Settings of the run: its ``recipe`` and ``valid_fraction``.

    Returns
    -------
    Curves
        A figure is left out, with a sentence in ``caveats``, where either side of it has no
        training with the numbers of every epoch.

    Examples
    --------
    >>> recipe = {"epochs": 2, "dropout_from": 0.5, "dropout_until": 1.0}
    >>> training_curves([], {"recipe": recipe, "valid_fraction": 0.0}).caveats[0]
    'The loss with and without BatchNorm is not drawn: no training of gimefive and ...'
    """
    other = "validation" if config["valid_fraction"] else "test"
    rows, recipe = epoch_rows(done, other=other), config["recipe"]
    dropout = dropout_epochs(recipe)
    found = Curves()
    lost = without_log(done, rows)
    if lost:
        found.caveats.append(
            "No log with the loss of every epoch was kept of "
            f"{', '.join(lost)}: {'it is' if len(lost) == 1 else 'they are'} in no curve by epoch."
        )
    part = "BatchNorm"
    table = by_epoch(rows, part, ["training loss"])
    if table.empty:
        found.caveats.append(_not_drawn("loss", rows, part, ["training loss"]))
    else:
        caption = loss_caption(table, rows, recipe)
        _add(found, "loss_by_epoch", table, plots.loss(table, part, dropout=dropout), caption)
    part, quantities = "dropout", in_percent(other)
    table = by_epoch(rows, part, quantities)
    if table.empty:
        found.caveats.append(_not_drawn("gap of accuracies", rows, part, quantities))
    else:
        figure = plots.gap(table, part, other=other, dropout=dropout)
        _add(found, "gap_by_epoch", table, figure, gap_caption(table, rows, recipe, other))
    if len(rows):
        found.tables.insert(0, _last(rows, other))
    return found


def loss_caption(table: pd.DataFrame, rows: pd.DataFrame, recipe: Mapping[str, Any]) -> str:
    """What the figure of the loss shows, and what it cannot show.

    Parameters
    ----------
    table
        As of :func:`studies.questions.ablation.curves.by_epoch`, with the loss.
    rows
        As of :func:`studies.questions.ablation.curves.epoch_rows`.
    recipe
        Settings of the trainings.

    Examples
    --------
    >>> rows = pd.DataFrame({"variant": ["gimefive", "no BatchNorm"], "seed": 0, "epoch": 1,
    ...                      "training loss": [1.0, 1.5]})
    >>> recipe = {"epochs": 1, "dropout_from": 0.0, "dropout_until": 1.0}
    >>> loss_caption(by_epoch(rows, "BatchNorm", ["training loss"]), rows, recipe)[:60]
    'Training loss of GiMeFive with and without BatchNorm. Traini'
    """
    part, last = "BatchNorm", table.iloc[-1]
    ends = [_spread(last, f"training loss {word} {part}", 3) for word in ("with", "without")]
    least = smoothed_floor(recipe)
    floor = f"; smoothed labels keep it above {least:.2f}" if least else ""
    step = "; a step there is dropout setting in" if _midway(recipe) else ""
    return (
        f"Training loss of GiMeFive with and without {part}. {_who(rows, part, ['training loss'])} "
        f"{BANDS} {_dropout(recipe)}{step}. In the last epoch: {ends[0]} with and {ends[1]} "
        "without. It is the loss that is minimised: cross-entropy with the recipe's label "
        "smoothing and logit adjustment, on augmented faces, with units dropped where dropout "
        f"acts, averaged over an epoch in which the weights change{floor}. What cannot be "
        "shown: this loss on faces that were not trained on, since no log has it. The accuracies "
        "that each training ends with are in the table last_epoch."
    )


def gap_caption(
    table: pd.DataFrame, rows: pd.DataFrame, recipe: Mapping[str, Any], other: str
) -> str:
    """What the figure of the gap shows, and what it cannot show.

    Parameters
    ----------
    table, rows, recipe
        As for :func:`loss_caption`; the table has accuracies and their gap.
    other
        Faces that were not trained on: ``test`` or ``validation``.

    Examples
    --------
    >>> rows = pd.DataFrame({"variant": ["gimefive", "no dropout"], "seed": 0, "epoch": 1,
    ...                      "training accuracy": 60.0, "test accuracy": 50.0, "gap": 10.0})
    >>> recipe = {"epochs": 1, "dropout_from": 0.0, "dropout_until": 1.0}
    >>> table = by_epoch(rows, "dropout", in_percent("test"))
    >>> "gap 10.0 (10.0 to 10.0) points with" in gap_caption(table, rows, recipe, "test")
    True
    """
    last = table.iloc[-1]
    gaps, accuracies = (
        [_spread(last, f"{name} {word} dropout", 1) for word in ("with", "without")]
        for name in ("gap", f"{other} accuracy")
    )
    stand_in = (
        " No faces were held out for validation: test faces stand in for them, and chose nothing."
        if other == "test"
        else ""
    )
    alike = (
        "; until it sets in, both are one network that is trained alike" if _midway(recipe) else ""
    )
    return (
        f"Accuracy of GiMeFive with and without dropout on training faces and on {other} faces "
        "(left, means over trainings), and the gap of the two in the same training (right). "
        f"{_who(rows, 'dropout', in_percent(other))} {BANDS} {_dropout(recipe)}{alike}. In the "
        f"last epoch: gap {gaps[0]} points with and {gaps[1]} without; {other} accuracy "
        f"{accuracies[0]} % with and {accuracies[1]} % without.{stand_in} What cannot be shown: "
        "the gap on equal terms. Training accuracy was counted on augmented faces, with units "
        f"dropped where dropout acts, {other} accuracy on plain faces with none dropped. So a gap "
        "can lie below zero, and the gap with dropout may be smaller because dropout lowers "
        f"training accuracy while it acts{_onset(table, recipe)}; how much of the "
        "difference that is at the end, the logs do not say."
    )


def smoothed_floor(recipe: Mapping[str, Any]) -> float:
    """The least cross-entropy against smoothed labels of six classes; 0 if mixup changes it too.

    It is the entropy of the label that is asked for.

    Examples
    --------
    >>> round(smoothed_floor({"label_smoothing": 0.1, "mixup": 0.0}), 3)
    0.421
    """
    smoothing = recipe.get("label_smoothing", 0.0)
    if not smoothing or recipe.get("mixup", 0.0):
        return 0.0
    asked = np.full(len(SIX), smoothing / len(SIX))
    asked[0] += 1 - smoothing
    return float(-(asked * np.log(asked)).sum())


def _add(found: Curves, name: str, table: pd.DataFrame, figure: Figure, caption: str) -> None:
    """A figure, and the table of all of its numbers."""
    percent = () if name == "loss_by_epoch" else tuple(table.columns[1:])
    found.pictures.append(Picture(name=name, figure=figure, caption=caption))
    found.tables.append(
        Table(
            name=name,
            frame=table,
            percent=percent,
            caption=f"The numbers behind the figure {name}: trainings, means over them, and least "
            "and largest (min, max).",
        )
    )


def _last(rows: pd.DataFrame, other: str) -> Table:
    quantities = in_percent(other)
    return Table(
        name="last_epoch",
        frame=last_epochs(rows, other=other),
        percent=tuple(f"{name}{end}" for name in quantities for end in ("", " min", " max")),
        caption="The last epoch as it was logged while training, of the trainings whose log was "
        "kept: means over trainings, least and largest (min, max). Training loss and training "
        f"accuracy: on augmented faces, with dropout; {other} accuracy: on plain faces, without. "
        "Gap: training less other accuracy, points. The exported weights, which the other tables "
        "are about, may name a few faces otherwise.",
    )


def _who(rows: pd.DataFrame, part: str, quantities: Sequence[str]) -> str:
    """How many trainings each side has, with their seeds."""
    said = []
    for word, variant in (("with", REFERENCE), ("without", WITHOUT[part])):
        seeds = seeds_of(rows, variant, quantities)
        of = f"seed{'' if len(seeds) == 1 else 's'} {', '.join(map(str, seeds))}"
        said.append(f"{len(seeds)} {word} ({of})")
    return f"Trainings: {said[0]} and {said[1]}."


def _spread(row: pd.Series, name: str, digits: int) -> str:
    """A mean with its least and largest."""
    mean, low, high = (row[name + end] for end in ("", *(f" {end}" for end in SPREAD)))
    return f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _midway(recipe: Mapping[str, Any]) -> bool:
    """Whether dropout sets in after the first epoch."""
    on = dropout_epochs(recipe)
    return len(on) > 0 and on[0] > 1


def _dropout(recipe: Mapping[str, Any]) -> str:
    """When dropout acts, without a full stop."""
    on = dropout_epochs(recipe)
    if len(on) == recipe["epochs"]:
        return "Dropout acts in every epoch"
    if not len(on):
        return "By the recipe dropout acts in no epoch"
    return f"Grey: epochs {on[0]} to {on[-1]}, in which alone the recipe lets dropout act"


def _onset(table: pd.DataFrame, recipe: Mapping[str, Any]) -> str:
    """What training accuracy does as dropout sets in, where it does so midway."""
    first = dropout_epochs(recipe).start
    steps = table[table["epoch"].isin([first - 1, first])]
    if not _midway(recipe) or len(steps) < 2:
        return ""
    said = [
        f"{steps[name].iloc[0]:.1f} to {steps[name].iloc[1]:.1f} % {word} it"
        for word in ("with", "without")
        for name in [f"training accuracy {word} dropout"]
    ]
    return f" (from epoch {first - 1} to {first}: from {said[0]}, from {said[1]})"


def _not_drawn(what: str, rows: pd.DataFrame, part: str, quantities: Sequence[str]) -> str:
    names = [
        variant for variant in (REFERENCE, WITHOUT[part]) if not seeds_of(rows, variant, quantities)
    ]
    return (
        f"The {what} with and without {part} is not drawn: no training of {' and '.join(names)} "
        f"has a log with {', '.join(q for q in quantities if q != 'gap')} of every epoch."
    )
