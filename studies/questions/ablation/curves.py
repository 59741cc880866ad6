"""Tables of training by epoch, with and without a part of GiMeFive, from the logs of trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from studies.questions.ablation.tables import REFERENCE
from training.grid import Training

WITHOUT = {"BatchNorm": "no BatchNorm", "dropout": "no dropout"}
"""Parts whose curves are drawn, each with the variant that lacks it."""
LOGGED = {"test": "test_accuracy", "validation": "valid_accuracy"}
"""Faces that are not trained on, each with the column of their accuracy in a log."""
SPREAD = ("min", "max")


def in_percent(other: str) -> tuple[str, str, str]:
    """Quantities in percent: accuracy of training faces, of other faces, and their gap.

    Examples
    --------
    >>> in_percent("test")
    ('training accuracy', 'test accuracy', 'gap')
    """
    return "training accuracy", f"{other} accuracy", "gap"


def epoch_rows(done: Sequence[Training], *, other: str) -> pd.DataFrame:
    """One row a training and epoch, of the trainings whose log has the loss of every epoch.

    Parameters
    ----------
    done
        Trainings; those without a whole log are passed over.
    other
        Faces that were not trained on, and scored after each epoch: one of :data:`LOGGED`.

    Returns
    -------
    DataFrame
        ``variant``, ``seed``, ``epoch`` (from 1), ``training loss``; in percent ``training
        accuracy``, that of the other faces, and ``gap``, the former less the latter. What was
        not logged is NaN.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> log = pd.DataFrame({"epoch": [0], "train_loss": [1.5], "train_accuracy": [0.5]})
    >>> name = SimpleNamespace(name="gimefive")
    >>> kept = SimpleNamespace(variant=name, seed=0, card={"epochs": 1}, log=lambda: log)
    >>> lost = SimpleNamespace(variant=name, seed=1, card={"epochs": 1}, log=lambda: log[:0])
    >>> epoch_rows([kept, lost], other="test").iloc[:, :5].to_numpy().tolist()
    [['gimefive', 0, 1, 1.5, 50.0]]
    """
    names = ["epoch", "training loss", *in_percent(other)]
    wanted = ["epoch", "train_loss", "train_accuracy", LOGGED[other]]
    found = []
    for cell in done:
        log = cell.log()
        if len(log) != cell.card["epochs"] or "train_loss" not in log:
            continue
        if log["train_loss"].isna().any():
            continue
        kept = log.reindex(columns=wanted).set_axis(names[:-1], axis=1)
        kept["epoch"] += 1
        kept[names[2:4]] *= 100
        kept["gap"] = kept[names[2]] - kept[names[3]]
        kept.insert(0, "variant", cell.variant.name)
        kept.insert(1, "seed", cell.seed)
        found.append(kept)
    if not found:
        return pd.DataFrame(columns=["variant", "seed", *names])
    return pd.concat(found, ignore_index=True)


def by_epoch(rows: pd.DataFrame, part: str, quantities: Sequence[str]) -> pd.DataFrame:
    """One row an epoch: means over trainings, with and without a part, with least and largest.

    Parameters
    ----------
    rows
        As of :func:`epoch_rows`.
    part
        One of :data:`WITHOUT`.
    quantities
        Columns of the rows; trainings that lack one of them in any epoch are passed over.

    Returns
    -------
    DataFrame
        ``epoch``, then for ``with`` and ``without`` the part the number of ``trainings``, and each
        quantity with its ``min`` and ``max``; without rows where either side has no training.

    Examples
    --------
    >>> rows = pd.DataFrame({"variant": ["gimefive", "gimefive", "no dropout"], "seed": [0, 1, 0],
    ...                      "epoch": 1, "gap": [1.0, 3.0, 7.0]})
    >>> by_epoch(rows, "dropout", ["gap"]).iloc[0, 1:5].tolist()
    [2.0, 2.0, 1.0, 3.0]
    """
    sides = []
    for word, variant in ((f"with {part}", REFERENCE), (f"without {part}", WITHOUT[part])):
        here = whole(rows[rows["variant"] == variant], quantities).groupby("epoch")
        columns = {f"trainings {word}": here["seed"].count()}
        for quantity in quantities:
            columns[f"{quantity} {word}"] = here[quantity].mean()
            columns |= {f"{quantity} {word} {end}": here[quantity].agg(end) for end in SPREAD}
        sides.append(pd.DataFrame(columns))
    if not all(map(len, sides)):
        return pd.DataFrame()
    return pd.concat(sides, axis=1).rename_axis("epoch").reset_index()


def whole(rows: pd.DataFrame, quantities: Sequence[str]) -> pd.DataFrame:
    """Rows of the trainings that have some quantities in every epoch.

    Examples
    --------
    >>> rows = pd.DataFrame({"variant": "gimefive", "seed": [0, 0, 1], "gap": [1, None, 2]})
    >>> whole(rows, ["gap"])["seed"].tolist()
    [1]
    """
    lacking = rows.loc[rows[list(quantities)].isna().any(axis=1), ["variant", "seed"]]
    names = pd.MultiIndex.from_frame(rows[["variant", "seed"]])
    return rows[~names.isin(pd.MultiIndex.from_frame(lacking))]


def seeds_of(rows: pd.DataFrame, variant: str, quantities: Sequence[str]) -> list[int]:
    """Seeds of a variant's trainings that have some quantities in every epoch.

    Examples
    --------
    >>> rows = pd.DataFrame({"variant": "gimefive", "seed": [0, 0, 1], "gap": [1, None, 2]})
    >>> seeds_of(rows, "gimefive", ["gap"])
    [1]
    """
    here = whole(rows[rows["variant"] == variant], quantities)
    return sorted(here["seed"].unique().tolist())


def last_epochs(rows: pd.DataFrame, *, other: str) -> pd.DataFrame:
    """One row a variant: the last epoch of its trainings, means with least and largest.

    Parameters
    ----------
    rows
        As of :func:`epoch_rows`.
    other
        As there.

    Examples
    --------
    >>> rows = pd.DataFrame({"variant": "gimefive", "seed": [0, 0, 1], "epoch": [1, 2, 1],
    ...     "training loss": [1.5, 1.0, 2.0], "training accuracy": 60.0, "test accuracy": 50.0,
    ...     "gap": 10.0})
    >>> last_epochs(rows, other="test")["training loss max"].tolist()
    [2.0]
    """
    found = []
    for variant, here in rows.groupby("variant", sort=False):
        last = here.loc[here.groupby("seed")["epoch"].idxmax()]
        row: dict[str, Any] = {"variant": variant, "seeds": ", ".join(map(str, last["seed"]))}
        for quantity in ("training loss", *in_percent(other)):
            row[quantity] = last[quantity].mean(skipna=False)
            row |= {f"{quantity} {end}": last[quantity].agg(end, skipna=False) for end in SPREAD}
        found.append(row)
    return pd.DataFrame(found)


def without_log(done: Sequence[Training], rows: pd.DataFrame) -> list[str]:
    """Trainings that are in no curve, as names with a seed.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> cell = SimpleNamespace(variant=SimpleNamespace(name="gimefive"), seed=0)
    >>> without_log([cell], pd.DataFrame({"variant": [], "seed": []}))
    ['gimefive (seed 0)']
    """
    known = set(zip(rows["variant"], rows["seed"], strict=True))
    return [
        f"{cell.variant.name} (seed {cell.seed})"
        for cell in done
        if (cell.variant.name, cell.seed) not in known
    ]


def dropout_epochs(recipe: Mapping[str, Any]) -> range:
    """Epochs, from 1, in which a recipe lets dropout act.

    Examples
    --------
    >>> dropout_epochs({"epochs": 60, "dropout_from": 0.5, "dropout_until": 1.0})
    range(31, 61)
    """
    epochs = recipe["epochs"]
    on = [
        epoch + 1
        for epoch in range(epochs)
        if recipe["dropout_from"] <= epoch / epochs < recipe["dropout_until"]
    ]
    return range(on[0], on[-1] + 1) if on else range(1, 1)
