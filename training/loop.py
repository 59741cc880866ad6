"""The loop's chores, by Lightning: devices, processes, precision, checkpoints, logs."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import lightning
import pandas as pd
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    TQDMProgressBar,
    WeightAveraging,
)
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from fer_xai.errors import InputError
from fer_xai.files import damaged, unwritable
from fer_xai.models import FERModel
from fer_xai.types import Faces
from training.align_areas import AreaBits
from training.alignment import Alignment
from training.callbacks import Checkpoint, EpochLines, OutOfTimeError, StopInTime
from training.recipes import Recipe
from training.samples import EpochSampler, Samples
from training.trainee import Trainee


def _number(variable: str, default: int) -> int:
    """Number in an environment variable; :func:`check_launch` tells of one that is no number."""
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else default


PROCESSES = _number("WORLD_SIZE", 1)
"""How many processes torchrun started."""
RANK = _number("RANK", 0)
"""Which of them this one is; files are written by the first."""
ALONE = {"WORLD_SIZE": 1, "LOCAL_WORLD_SIZE": 1, "RANK": 0, "LOCAL_RANK": 0}
"""A launcher's variables, as they are for a process of its own."""
logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # it advertises on every run
SCORED_TOGETHER = 128
"""Faces a batch of those that are only scored."""
LAST, BEST = "last.ckpt", "best.ckpt"
"""What a run is resumed from, and the epoch that is kept."""


def check_launch(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse a launcher's variables that no launcher set.

    ``WORLD_SIZE=2`` that was left in a shell would make each process that is started by hand the
    first of two, and train it on half of the faces.

    Raises
    ------
    InputError
        If the variables name other processes, and neither torchrun nor SLURM says that it started
        them; or if they are no numbers.

    Examples
    --------
    >>> check_launch({"WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "none"})  # torchrun has set it
    >>> check_launch({"WORLD_SIZE": "2"})
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected a launcher's variables from a launcher, but WORLD_SIZE=2 ...
    """
    said = {name: environment[name] for name in ALONE if name in environment}
    odd = {name: text for name, text in said.items() if not text.isdecimal()}
    others = any(int(text) != ALONE[name] for name, text in said.items() if name not in odd)
    slurm = environment.get("SLURM_NTASKS"), environment.get("SLURM_PROCID")
    by_slurm = None not in slurm and slurm == (said.get("WORLD_SIZE"), said.get("RANK"))
    launched = "TORCHELASTIC_RUN_ID" in environment or by_slurm
    if odd or (others and not launched):
        told = ", ".join(f"{name}={text[:80]}" for name, text in said.items())
        raise InputError(
            f"Expected a launcher's variables from a launcher, but {told} is in the environment "
            f"and neither torchrun nor SLURM set it: unset {' '.join(said)}, or start the "
            "processes with torchrun --nproc-per-node."
        )


def fit(
    model: FERModel,
    recipe: Recipe,
    folder: Path,
    *,
    train: Faces,
    checked: dict[str, Faces],
    seed: int,
    device: str,
    precision: Literal["bf16", "fp32"],
    progress: bool,
    callbacks: Sequence[Callback] = (),
    align: Alignment | None = None,
    areas: Mapping[str, AreaBits] = MappingProxyType({}),
) -> Path:
    """Train, or go on with what the folder holds.

    Parameters
    ----------
    model
        Initialised; trained in place.
    recipe, seed, device, precision, progress
        As in :class:`training.run.TrainingRun`.
    folder
        Gets ``best.ckpt``, ``last.ckpt`` and a log a session under ``sessions/``.
    train
        Faces to learn from.
    checked
        Faces scored after each epoch: ``valid``, which chooses the epoch that is kept (the last one
        is, without it), and ``test``, which chooses nothing.
    callbacks
        Lightning's, beside those of the recipe.
    align
        What maps are aligned with while the network is trained.
    areas
        Areas of the faces to learn from (``train``) and of those that are checked, by name.

    Returns
    -------
    Path
        Checkpoint of the epoch that is kept.

    Raises
    ------
    InputError
        For a batch size that the processes cannot share, or more processes than GPUs.
    OutOfTimeError
        If the time is over (:func:`training.callbacks.within`) before the last epoch.
    """
    validated, last = "valid" in checked, folder / LAST
    if recipe.batch_size % PROCESSES:
        raise InputError(
            f"Expected a batch size that {PROCESSES} processes can share, got {recipe.batch_size}."
        )
    session, clock = str(_sessions(folder)), StopInTime()
    trainer = lightning.Trainer(
        **_where(device),
        max_epochs=recipe.epochs,
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        callbacks=[
            *callbacks,
            clock,
            *_chores(recipe, folder, validated=validated, progress=progress),
        ],
        logger=[
            CSVLogger(folder, name="sessions", version=session),
            TensorBoardLogger(folder, name="tensorboard", version=session),
        ],
        enable_progress_bar=progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=50,
        gradient_clip_val=recipe.clip or None,
    )

    kept = folder / (BEST if validated else LAST)
    resumed = readable(last) if last.exists() else {}
    if _stopped_early(resumed, recipe.patience):
        return kept
    counts = torch.bincount(model.columns(train.labels), minlength=len(model.emotions))
    with warnings.catch_warnings(), _room_for(folder):
        warnings.simplefilter("ignore")  # Lightning's hints on workers and logging intervals
        trainer.fit(
            Trainee(
                model,
                recipe,
                seed=seed,
                priors=counts / counts.sum(),
                checked=tuple(checked),
                align=align,
            ),
            _loader(model, train, recipe, seed=seed, areas=areas.get("train")),
            [
                _loader(model, faces, None, seed=seed, areas=areas.get(name))
                for name, faces in checked.items()
            ],
            ckpt_path=str(last) if last.exists() else None,
            weights_only=True,
        )
    if clock.stopped and not _stopped_early(readable(last), recipe.patience):
        raise OutOfTimeError(folder)
    return kept


def _chores(recipe: Recipe, folder: Path, *, validated: bool, progress: bool) -> list[Callback]:
    """Moving average, early stop, checkpoints and progress."""
    chores: list[Callback] = []
    if recipe.ema:
        average: Any = get_ema_multi_avg_fn(recipe.ema)
        chores.append(WeightAveraging(multi_avg_fn=average))
    if recipe.patience and validated:
        chores.append(EarlyStopping(monitor="valid_accuracy", mode="max", patience=recipe.patience))
    if validated:
        chores.append(
            Checkpoint(
                dirpath=folder,
                filename="best",
                monitor="valid_accuracy",
                mode="max",
                enable_version_counter=False,
            )
        )
    # after the best one, whose state it holds
    chores.append(Checkpoint(dirpath=folder, filename="last", enable_version_counter=False))
    chores.append(TQDMProgressBar(refresh_rate=10) if progress else EpochLines())
    return chores


def _loader(
    model: FERModel,
    faces: Faces,
    recipe: Recipe | None,
    *,
    seed: int,
    areas: AreaBits | None = None,
) -> DataLoader[Any]:
    """Batches to learn from by a recipe, or to be scored on.

    They are slices of what is in memory: processes that prepare them would only cost time.
    """
    training = recipe is not None
    return DataLoader(
        Samples(faces, model, seed=seed, areas=areas),
        batch_size=recipe.batch_size // PROCESSES if recipe else SCORED_TOGETHER,
        sampler=EpochSampler(
            len(faces), training=training, seed=seed, rank=RANK, processes=PROCESSES
        ),
        collate_fn=_as_it_is,
        drop_last=training,
    )


def _as_it_is(batch: Any) -> Any:
    return batch


def readable(checkpoint: Path) -> dict[str, Any]:
    """The content of a checkpoint of this loop.

    Raises
    ------
    DamagedFileError
        If it cannot be read, such as one that was cut off: it says what to delete.

    Examples
    --------
    >>> readable(Path("no/such/last.ckpt"))
    Traceback (most recent call last):
    fer_xai.files.DamagedFileError: Expected no/such/last.ckpt to be whole, but it cannot ...
    """
    remedy = f"delete {checkpoint}, and the same command trains anew"
    try:
        found = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - a damaged file makes it raise anything
        raise damaged(checkpoint, error, remedy=remedy) from None
    if not isinstance(found, dict) or not {"state_dict", "epoch", "callbacks"} <= found.keys():
        raise damaged(checkpoint, ValueError("no checkpoint of a training"), remedy=remedy)
    return found


@contextmanager
def _room_for(folder: Path) -> Iterator[None]:
    """A full disk is told in a sentence; what Lightning was writing then is no checkpoint yet."""
    try:
        yield
    except OSError as error:
        raise unwritable(folder, error) from error


def _stopped_early(resumed: Mapping[str, Any], patience: int) -> bool:
    """Whether the run that left a checkpoint had lost patience, which Lightning forgets."""
    return patience > 0 and any(
        name.startswith("EarlyStopping") and state["wait_count"] >= patience
        for name, state in resumed.get("callbacks", {}).items()
    )


def _where(device: str) -> dict[str, Any]:
    """Lightning's words for a device, and for the processes that torchrun started."""
    kind, _, index = device.partition(":")
    accelerator = {"cuda": "gpu"}.get(kind, kind)
    if PROCESSES == 1:
        return {"accelerator": accelerator, "devices": [int(index)] if index else 1}
    here = int(os.environ.get("LOCAL_WORLD_SIZE", PROCESSES))
    gpus = torch.cuda.device_count()
    if accelerator == "gpu" or (accelerator == "auto" and gpus):
        if gpus < here:
            raise InputError(
                f"Expected a GPU for each of {here} processes, got {gpus}: start fewer, or add "
                "--device cpu."
            )
        accelerator = "gpu"
    elif accelerator == "auto":
        accelerator = "cpu"
    return {
        "accelerator": accelerator,
        "devices": here,
        "num_nodes": PROCESSES // here,
        "strategy": "ddp",
    }


def training_log(folder: Path) -> pd.DataFrame:
    """One row an epoch, over all sessions of a run: losses, accuracies and macro recall."""
    parts = [
        pd.read_csv(file)
        for file in sorted(
            (folder / "sessions").glob("*/metrics.csv"), key=lambda f: int(f.parent.name)
        )
        if file.stat().st_size
    ]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"epoch": []})
    return table.drop(columns="step", errors="ignore").groupby("epoch").last().reset_index()


def _sessions(folder: Path) -> int:
    """How many sessions have logged: each has a file of its own, since the logger starts anew."""
    return len(list((folder / "sessions").glob("*")))
