"""What a study would train, and for how long: a few steps of each model, nothing more."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch.nn import functional as F

from fer_xai.checks import resolve_device
from fer_xai.command import terminal
from fer_xai.emotions import SIX
from training.grid import Training
from training.same_run import say_if_emulated
from training.trainee import Trainee

STEPS = 3
"""Measured steps, of which the first warms up and the fastest counts."""


def say_plan(cells: Sequence[Training]) -> None:
    """Print each training that is missing with its minutes, and their sum.

    Examples
    --------
    >>> say_plan([])
    About 0.0 hours for what is missing, test passes apart. Nothing was run.
    """
    console = terminal()
    if cells:
        say_if_emulated(cells[0].run.precision, cells[0].run.device)
    faces: dict[str, int] = {}
    seconds: dict[tuple[str, str], float] = {}
    total = 0.0
    for cell in cells:
        if cell.done:
            console.print(f"  {cell.folder.name}: done")
            continue
        if cell.column.name not in faces:
            everyone = len(cell.run.faces("train"))
            faces[cell.column.name] = round(everyone * (1 - cell.run.valid_fraction))
        key = (cell.variant.name, cell.column.name)
        if key not in seconds:
            seconds[key] = seconds_a_step(cell)
        recipe = cell.run.settings()
        steps = recipe.epochs * faces[cell.column.name] / recipe.batch_size
        minutes = steps * seconds[key] / 60
        total += minutes
        console.print(f"  {cell.folder.name}: about {minutes:.0f} min")
    console.print(
        f"About {total / 60:.1f} hours for what is missing, test passes apart. Nothing was run."
    )


def seconds_a_step(cell: Training) -> float:
    """Forward, backward and optimiser on noise, on the device that would be used."""
    recipe, device = cell.run.settings(), resolve_device(cell.run.device)
    trainee = Trainee(cell.run.fresh_model(), recipe, seed=0).to(device)
    side = trainee.model.size
    images = torch.rand(recipe.batch_size, 3, side, side, device=device)
    columns = torch.arange(recipe.batch_size, device=device) % len(SIX)
    optimizer = torch.optim.AdamW(trainee.parameters(), lr=0.0)
    spent = []
    for _ in range(STEPS):
        begun = time.perf_counter()
        half = cell.run.precision == "bf16"
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss = F.cross_entropy(trainee(images), columns)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()  # waits for the device
        spent.append(time.perf_counter() - begun)
    return min(spent[1:])
