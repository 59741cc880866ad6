"""Facts about trainings, and sentences on how they were made, for every report on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from training.grid import Training


def facts_of(manifest: Mapping[str, Any], done: Sequence[Training]) -> dict[str, str]:
    """The line of facts under a report's answer."""
    counts = {
        cell.column.name: f"{cell.card['train_faces']:,} train, {cell.card['test']['faces']:,} test"
        for cell in done
    }
    hours = sum(cell.card["minutes"] for cell in done) / 60
    return {
        "Data": "; ".join(f"{name}: {text}" for name, text in counts.items()),
        "Faces": compared_of(done),
        "Trainings": f"{len(done)}, {hours:.1f} hours",
        "Seeds": ", ".join(map(str, manifest["config"]["seeds"])),
        "Commit": str(manifest["commit"]),
    }


def compared_of(done: Sequence[Training]) -> str:
    """How the faces of the trainings of each column were compared with those at hand.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> column = SimpleNamespace(name="rafdb")
    >>> compared_of([SimpleNamespace(column=column, compared="records alone")] * 3)
    'rafdb: records alone'
    """
    rows: dict[str, list[str]] = {}
    for cell in done:
        rows.setdefault(cell.column.name, []).append(cell.compared)
    return "; ".join(f"{name}: {', or '.join(dict.fromkeys(ways))}" for name, ways in rows.items())


def method_of(manifest: Mapping[str, Any], done: Sequence[Training]) -> list[str]:
    """How networks were trained, in sentences that the settings bear out."""
    config = manifest["config"]
    recipe = config["recipe"]
    kept = (
        f"The epoch with the best accuracy on {config['valid_fraction']:.0%} of the training "
        "faces, held out (stratified, copies and persons on one side, no copies of test faces), is "
        "kept."
        if config["valid_fraction"]
        else "All training faces are trained on, and the last epoch of the fixed schedule is kept."
    )
    chosen = {
        "accurate": " The recipe was chosen on held-out training faces of RAF-DB.",
        "paper": " The recipe is the published one, whose results were chosen on test faces.",
    }.get(str(config["recipe as chosen"]), "")
    machines = sorted(
        {f"{c.card['machine']['processor']} ({c.card['machine']['device']})" for c in done}
    )
    every = all(cell.curve_known for cell in done)
    scored = (
        "The test faces were scored after every epoch, and chose none."
        if every
        else "The test faces chose no epoch; where the log was kept, they were scored after each."
    )
    return [
        f"{kept}{chosen} {scored}",
        "Recipe: " + ", ".join(f"{name} {value}" for name, value in recipe.items()) + ".",
        f"Trained in {config['precision']} on {'; '.join(machines)}. Exported weights are half "
        "precision; scores are theirs, computed in single precision.",
        "One seed governs split, initialisation, order, augmentation, mixup and dropout of a "
        "training.",
    ]


def caveats_of(done: Sequence[Training]) -> list[str]:
    """What is to be said where trainings of one row were not made alike.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> def made(commit):
    ...     machine, versions = {"processor": "a GPU"}, {"torch": "2.9"}
    ...     card = {"commit": commit, "versions": versions, "machine": machine}
    ...     name = SimpleNamespace(name="gimefive")
    ...     return SimpleNamespace(card=card, variant=name, column=name)
    >>> len(caveats_of([made("1a2b"), made("1a2b")])), len(caveats_of([made("1a2b"), made("3c4d")]))
    (0, 1)
    """
    rows: dict[str, Counter[str]] = {}
    for cell in done:
        card = cell.card
        where = f"commit {card['commit']}, torch {card['versions']['torch']}"
        name = f"{cell.variant.name} on {cell.column.name}"
        rows.setdefault(name, Counter())[f"{where}, {card['machine']['processor']}"] += 1
    mixed = {name: made for name, made in rows.items() if len(made) > 1}
    if not mixed:
        return []
    several = "; ".join(
        f"{name}: " + ", ".join(f"{n} at {where}" for where, n in made.items())
        for name, made in mixed.items()
    )
    return [
        f"Not all trainings of a row were made alike ({several}). Order and augmentation may come "
        "from other random numbers there, so that trainings of one seed share less than they would."
    ]
