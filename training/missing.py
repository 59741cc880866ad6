"""Trainings of a study that are missing, made one after another as long as there is time."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fer_xai.errors import InputError
from training.callbacks import OutOfTimeError, time_is_over, within
from training.export import CARD
from training.grid import Training
from training.run import train


def train_missing(cells: Sequence[Training], *, hours: float | None = None) -> None:
    """Train what has not ended yet, one after another; each resumes where it was stopped.

    Parameters
    ----------
    cells
        Trainings, the most informative first.
    hours
        Hours after which no epoch is begun; None for no limit.

    Raises
    ------
    InputError
        Before anything is trained, if the record of another training has the name of one.
    """
    missing = [cell for cell in cells if not cell.done]
    for cell in missing:
        if (cell.record / CARD).exists():
            raise InputError(
                f"Expected {cell.record} to be free for the record of a training with these "
                "settings, but it is of another one of that name: choose other --records."
            )
    with within(hours):
        for index, cell in enumerate(missing, start=1):
            sys.stderr.write(f"training {index} of {len(missing)}: {cell.folder.name}\n")
            try:
                train(cell.run)
            except OutOfTimeError:
                _say_left(missing[index - 1 :], hours)
                return
            for known in ("card", "scores", "curve_known"):
                cell.__dict__.pop(known, None)
            if time_is_over() and missing[index:]:
                _say_left(missing[index:], hours)
                return


def _say_left(left: Sequence[Training], hours: float | None) -> None:
    names = ", ".join(cell.folder.name for cell in left)
    sys.stderr.write(
        f"stopped after {hours:g} hours (--hours): {names} left; the same command goes on.\n"
    )
