"""What a row of the table costs: parameters, operations, time of a pass, hours of its trainings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from fer_xai.emotions import SIX
from fer_xai.models import load_model
from fer_xai.models.registry import architecture
from studies.questions.paper_table.published import TITLES
from training.grid import Training
from training.plan import seconds_a_step

REFERENCE = "gimefive"
"""Network whose pass is the unit of time."""
FACES, ROUNDS = 16, 5
"""Faces a timed pass, and timed passes of each network, of which the median counts."""


def costs(models: Sequence[str], *, timed: bool) -> pd.DataFrame:
    """A row a network: size of its images, parameters, operations of a pass, and its time.

    Operations are floating-point multiplications and additions of one face's forward pass
    (:class:`torch.utils.flop_counter.FlopCounterMode`: convolutions, products of matrices,
    attention). Time is that of 16 faces on this machine's processor, over GiMeFive's, measured in
    turns; NaN where it is not asked for.

    Examples
    --------
    >>> costs(["gimefive"], timed=False).round(2).to_numpy().tolist()
    [['GiMeFive (+DO +BN)', 64, 10.48, 0.63, nan]]
    """
    rows = []
    for name in models:
        spec = architecture(name)
        with torch.device("meta"):  # shapes alone: nothing is drawn or computed
            net = spec.build(len(SIX)).eval()
            with torch.inference_mode(), FlopCounterMode(display=False) as counter:
                net(torch.zeros(1, 3, spec.size, spec.size))
        rows.append(
            {
                "model": TITLES.get(name, name),
                "pixels": spec.size,
                "parameters, millions": sum(one.numel() for one in net.parameters()) / 1e6,
                "GFLOPs a face": counter.get_total_flops() / 1e9,
                "time of a pass, GiMeFive = 1": _time(name) if timed else np.nan,
            }
        )
    return pd.DataFrame(rows)


@torch.inference_mode()
def _time(name: str) -> float:
    """Median over rounds of the time of a pass over that of the reference, one after the other."""
    if name == REFERENCE:
        return 1.0
    model, reference = load_model(name), load_model(REFERENCE)
    found = []
    for number in range(ROUNDS + 1):
        spent = []
        for one in (model, reference):
            faces = torch.rand(FACES, 3, one.size, one.size)
            begun = time.perf_counter()
            one(faces)
            spent.append(time.perf_counter() - begun)
        if number:  # the first one warms up
            found.append(spent[0] / spent[1])
    return median(found)


def missing(cells: Sequence[Training], faces: Mapping[str, int]) -> pd.DataFrame:
    """A row a network and data set without a training: hours that one takes on this machine.

    A step is measured on noise; scoring of test faces is not counted.

    Parameters
    ----------
    cells
        Trainings of the whole table, of those seeds that are asked for.
    faces
        Number of training faces of each data set at hand, by the column's name; others are left
        out.

    Examples
    --------
    >>> missing([], {}).empty
    True
    """
    rows, seconds = [], dict[str, float]()
    there = {(cell.column.name, cell.variant.name) for cell in cells if cell.done}
    for cell in cells:
        key = (cell.column.name, cell.variant.name)
        if key in there or cell.column.name not in faces:
            continue
        there.add(key)
        model = cell.variant.name
        seconds[model] = seconds.get(model) or seconds_a_step(cell)
        recipe = cell.run.settings()
        steps = recipe.epochs * (faces[cell.column.name] // recipe.batch_size)
        rows.append(
            {
                "data": cell.column.name,
                "model": TITLES.get(model, model),
                "epochs": recipe.epochs,
                "hours a training": steps * seconds[model] / 3600,
            }
        )
    return pd.DataFrame(rows)
