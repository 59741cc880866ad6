"""Tables of the grid whose cells are hidden: by a map, at random, from the centre outwards."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import pandas as pd

from studies.questions.occlusion_robustness.answers import (
    Answers,
    accuracy_with_bounds,
)
from studies.questions.occlusion_robustness.covers import CENTRE, CHANCE, RANDOM, RANDOM_MAP, SHARES

WORDS = {RANDOM: "random cells", CENTRE: "the centre", RANDOM_MAP: "a random map"}
"""Chance orders in words."""


def grid_table(answers: Mapping[str, Answers]) -> pd.DataFrame:
    """Accuracy when a share of the grid's cells is hidden, by the order in which they are.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     [
    ...         (kind, name, share, "black", 0, "a", True, 0.1, 0.5, *logits)
    ...         for kind, name, share, logits in (
    ...             ("clean", "", float("nan"), (1.0, 0.0)),
    ...             *(("grid", name, share, (0.0, 1.0))
    ...               for name in ("random", "centre") for share in SHARES),
    ...         )
    ...     ],
    ...     columns=["kind", "name", "share", "fill", "draw", "id", "covered", "hidden", "face",
    ...              "logit fear", "logit anger"],
    ... )
    >>> faces = pd.DataFrame({"id": ["a"], "emotion": ["fear"], "cluster": [0]})
    >>> answers = {"net": Answers(rows, faces)}
    >>> grid_table(answers)[["order", "cells hidden", "accuracy"]].values.tolist()[0]
    ['random', 10.0, 0.0]
    """
    found = []
    for model, one in answers.items():
        for share in SHARES:
            right = one.right("grid", share=share)
            for name in _orders(right):
                found.append(
                    {
                        "model": model,
                        "order": name,
                        "cells hidden": 100 * share,
                        "faces": int(right[name].notna().sum()),
                        **accuracy_with_bounds(right[name], one.clusters),
                    }
                )
    return pd.DataFrame(found)


def _orders(right: pd.DataFrame) -> list[str]:
    methods = [str(name) for name in right if name not in CHANCE]
    return [*(name for name in CHANCE if name in right), *methods]


def guided_table(answers: Mapping[str, Answers]) -> pd.DataFrame:
    """Accuracy lost, in mean over all shares, by cells that a map names and by others.

    Methods are held against each chance order, a family an order: cells scattered at random, those
    from the centre outwards, and those of a random map, which hang together as a map's do.

    Examples
    --------
    >>> guided_table({}).empty  # without a model
    True
    """
    found = []
    for model, one in answers.items():
        parts = [one.right("grid", share=share) for share in SHARES]
        mean = reduce(pd.DataFrame.add, parts) / len(parts)  # NaN where a map is undefined
        lost = mean.rsub(one.clean, axis=0)
        orders = _orders(mean)
        methods = [name for name in orders if name not in CHANCE]
        beyond = {
            chance: one.family(lost[methods].sub(lost[chance], axis=0))
            for chance in orders
            if chance in CHANCE and methods
        }
        for name in orders:
            row = {
                "model": model,
                "order": name,
                "faces": int(lost[name].notna().sum()),
                "lost": 100 * lost[name].mean(),
            }
            for chance, family in beyond.items():
                if name in family:
                    row |= family[name].named(f"beyond {WORDS[chance]}")
                    row[f"p, {WORDS[chance]}"] = family[name].p
            found.append(row)
    return pd.DataFrame(found)
