"""Train a model: ``python -m training.run --model gimefive --data synthetic``."""

from __future__ import annotations

import dataclasses
import datetime
import json
import logging
import os
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning
import pandas as pd
import torch
import tyro
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

import fer_xai
from fer_xai.checks import resolve_device
from fer_xai.data import load_dataset
from fer_xai.data.splits import stratified_split
from fer_xai.emotions import SIX
from fer_xai.errors import FerXaiError, InputError
from fer_xai.models import FERModel, load_model
from fer_xai.models.checkpoints import save_weights
from fer_xai.probe import Probe
from fer_xai.types import Faces
from training.card import model_card
from training.recipes import RECIPES, Recipe
from training.samples import EpochSampler, Samples, augmentation
from training.scoring import scores
from training.trainee import Trainee, initialise


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """Train one model on one dataset; every choice is made on validation faces cut from train.

    Started again with the same options it resumes from the last epoch.
    """

    model: str = "gimefive"
    """Architecture by name."""
    data: str = "synthetic"
    """Dataset, as NAME or NAME:ROOT."""
    source: str | None = None
    """Of a benchmark, only the faces of this source dataset."""
    recipe: Literal["accurate", "paper"] = "accurate"
    """Optimisation settings."""
    epochs: int | None = None
    """Overrides the recipe's number of epochs."""
    learning_rate: float | None = None
    """Overrides the recipe's peak learning rate."""
    late_dropout: int | None = None
    """Overrides how many epochs the recipe begins without dropout."""
    valid_fraction: float = 0.1
    """Share of the training faces held out for validation."""
    limit: int | None = None
    """At most this many training (and test) faces."""
    skip_bad: bool = False
    """Leave damaged or missing images and unknown labels out, instead of stopping."""
    seed: int = 0
    """Of split, initialisation, order, augmentation and dropout."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Autocast precision of the forward pass."""
    workers: int = 1
    """Processes that prepare batches."""
    progress: bool = True
    """Show a progress bar with the time left."""
    out: Path | None = None
    """Folder of the run; runs/<model>-<data>-<recipe>-seed<seed> by default."""

    def settings(self) -> Recipe:
        """The recipe with this run's overrides."""
        given = {
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "late_dropout": self.late_dropout,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        return dataclasses.replace(RECIPES[self.recipe], **changes)  # type: ignore[arg-type]

    def folder(self) -> Path:
        """Where checkpoints, log and weights go."""
        data = self.source or self.data.split(":")[0]
        parts = (self.model.replace("/", "-"), data, self.recipe, f"seed{self.seed}")
        return self.out or Path("runs") / "-".join(parts)


def train(run: TrainingRun) -> Path:
    """Train, or resume; writes log, checkpoints, final weights and a model card.

    Every choice is made on validation faces; the test faces are seen once, by the weights that are
    exported.

    Returns
    -------
    Path
        The exported half-precision ``weights.safetensors`` of the epoch with the best validation
        accuracy.
    """
    recipe, folder = run.settings(), run.folder()
    resolve_device(run.device)
    everyone = _faces(run, "train")
    train_faces, valid_faces = stratified_split(everyone, run.valid_fraction, seed=run.seed)
    test_faces = _test_faces(run, everyone)
    if len(train_faces) < recipe.batch_size:
        raise InputError(
            f"Expected at least {recipe.batch_size} training faces, one batch, got "
            f"{len(train_faces)} after {len(valid_faces)} were held out."
        )
    _same_run(run, folder, train_faces)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's hints on workers and logging intervals
        best, seconds = _fit(run, recipe, folder, train_faces, valid_faces)
    model = load_model(run.model, emotions=SIX)
    _load_trainee(model, best)
    weights = folder / "weights.safetensors"
    settings = {"model": run.model, "emotions": SIX, "size": model.size}
    save_weights(model.net, weights, settings=settings | {"greyscale": model.greyscale})
    exported = load_model(run.model, weights=weights)
    probe = Probe(exported, device=run.device)
    card: dict[str, Any] = {
        "model": run.model,
        "data": run.data.split(":")[0],
        "source": run.source,
        "recipe": dataclasses.asdict(recipe),
        "seed": run.seed,
        "precision": run.precision,
        "train_faces": len(train_faces),
        "valid_faces": len(valid_faces),
        "validation": scores(probe, valid_faces),
        **({} if test_faces is None else {"test": scores(probe, test_faces)}),
        "minutes_last_session": round(seconds / 60, 1),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _commit(),
        "versions": {"fer_xai": fer_xai.__version__, "torch": torch.__version__},
    }
    training_log(folder).to_csv(folder / "log.csv", index=False)
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    (folder / "card.md").write_text(model_card(card))
    return weights


def _faces(run: TrainingRun, split: str) -> Faces:
    return load_dataset(
        run.data, split=split, source=run.source, emotions=SIX, limit=run.limit, seed=run.seed,
        skip_bad=run.skip_bad,
    )  # fmt: skip


def _same_run(run: TrainingRun, folder: Path, faces: Faces) -> None:
    """A checkpoint is only gone on from with the settings and the faces that made it."""
    settings = {
        "model": run.model,
        "recipe": dataclasses.asdict(run.settings()),
        "seed": run.seed,
        "precision": run.precision,
        "train_faces_sha256": faces.fingerprint(64),
    }
    file = folder / "settings.json"
    if file.exists() and json.loads(file.read_text()) != settings:
        raise InputError(
            f"Expected {folder} to hold a run of the same settings and faces, but it was begun "
            "with others: choose another --out, or delete that folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(settings, indent=2) + "\n")


def _test_faces(run: TrainingRun, everyone: Faces) -> Faces | None:
    """The test split, unless there is none (a folder without split folders is all one)."""
    try:
        faces = _faces(run, "test")
    except InputError:
        return None
    return None if set(faces.table["path"]) & set(everyone.table["path"]) else faces


def training_log(folder: Path) -> pd.DataFrame:
    """One row an epoch, over all sessions of a run: losses, accuracy and macro recall."""
    parts = [
        pd.read_csv(file)
        for file in sorted(
            (folder / "sessions").glob("*/metrics.csv"), key=lambda f: int(f.parent.name)
        )
    ]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"epoch": []})
    return table.drop(columns="step", errors="ignore").groupby("epoch").last().reset_index()


def _fit(
    run: TrainingRun, recipe: Recipe, folder: Path, train_faces: Faces, valid_faces: Faces
) -> tuple[Path, float]:
    model = load_model(run.model, emotions=SIX, seed=run.seed)
    if recipe.initialisation == "he":
        initialise(model.net, seed=run.seed)
    checkpoint = ModelCheckpoint(
        dirpath=folder, filename="best", monitor="valid_accuracy", mode="max", save_last=True,
        enable_version_counter=False,
    )  # fmt: skip
    callbacks: list[Any] = [checkpoint]
    if recipe.patience:
        callbacks.append(
            EarlyStopping(monitor="valid_accuracy", mode="max", patience=recipe.patience)
        )
    if run.progress:
        callbacks.append(TQDMProgressBar(refresh_rate=10))
    processes = int(os.environ.get("WORLD_SIZE", "1"))  # set by torchrun
    trainer = lightning.Trainer(
        accelerator=run.device if run.device in ("cpu", "mps") else
        ("gpu" if run.device.startswith("cuda") else "auto"),
        devices=_devices(run.device, processes),
        max_epochs=recipe.epochs,
        precision="bf16-mixed" if run.precision == "bf16" else "32-true",
        callbacks=callbacks,
        logger=CSVLogger(folder, name="sessions", version=str(_sessions(folder))),
        enable_progress_bar=run.progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=1,
        gradient_clip_val=1.0 if recipe.optimizer == "adamw" else None,
    )  # fmt: skip

    def loader(faces: Faces, *, training: bool) -> DataLoader[Any]:
        transform = augmentation(recipe.augmentation) if training else None
        return DataLoader(
            Samples(faces, model, transform=transform, seed=run.seed),
            batch_size=recipe.batch_size if training else 128,
            sampler=EpochSampler(
                len(faces), shuffle=training, seed=run.seed,
                rank=int(os.environ.get("RANK", "0")), processes=processes,
            ),
            num_workers=run.workers if training else 0,
            drop_last=training,
        )  # fmt: skip

    last = folder / "last.ckpt"
    started = time.perf_counter()
    trainer.fit(
        Trainee(model, recipe, seed=run.seed),
        loader(train_faces, training=True),
        loader(valid_faces, training=False),
        ckpt_path=str(last) if last.exists() else None,
        weights_only=True,
    )
    return Path(checkpoint.best_model_path), time.perf_counter() - started


def _devices(device: str, processes: int) -> Any:
    """Lightning's word for which devices to use; ``cuda:1`` is the second GPU alone."""
    if processes > 1:
        return "auto"
    _, _, index = device.partition(":")
    return [int(index)] if index else 1


def _sessions(folder: Path) -> int:
    """How many sessions have logged: each has a file of its own, since the logger starts anew."""
    return len(list((folder / "sessions").glob("*")))


def _load_trainee(model: FERModel, checkpoint: Path) -> None:
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "model.net."
    model.net.load_state_dict(
        {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    )


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent,
    )  # fmt: skip
    return found.stdout.strip() or "unknown"


def main() -> None:
    """Command line."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    run = tyro.cli(TrainingRun, prog="python -m training.run")
    try:
        weights = train(run)
    except FerXaiError as error:
        sys.exit(f"training.run: {error}")
    sys.stdout.write((run.folder() / "card.md").read_text() + f"\nWeights: {weights}\n")


if __name__ == "__main__":
    main()
