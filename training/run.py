"""Train a model: ``python -m training.run --model gimefive --data synthetic``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro

from fer_xai.checks import emulates_bf16, resolve_device
from fer_xai.command import check_folder, parsed, run_command
from fer_xai.data import load_dataset
from fer_xai.data.splits import stratified_split
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.models import FERModel, load_model
from fer_xai.models.checkpoints import file_digest
from fer_xai.models.pretrained import IMAGENET, imagenet_file, load_backbone
from fer_xai.models.zoo import architecture
from fer_xai.names import slug
from fer_xai.types import Faces
from training import loop
from training.export import CARD, WEIGHTS, export
from training.recipes import NOTHING, RECIPES, Overrides, Recipe
from training.trainee import initialise


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """Train one model on one dataset; every choice is made on validation faces cut from train.

    Started again with the same options it resumes from the last epoch. ``torchrun
    --nproc-per-node 2 -m training.run …`` shares each batch among processes.
    """

    model: str = "gimefive"
    """Architecture by name."""
    size: int | None = None
    """Pixels a side, instead of the architecture's own."""
    greyscale: bool | None = None
    """Whether the model sees greyscale, instead of what is usual for the architecture."""
    pretrained: str | None = None
    """Weights to begin with: a checkpoint's path, or 'imagenet' for torchvision's own if they are
    on this machine. The last layer is begun anew unless it fits."""
    data: str = "synthetic"
    """Dataset, as NAME or NAME:ROOT."""
    source: str | None = None
    """Of a benchmark, only the faces of this source dataset."""
    recipe: Literal["accurate", "paper"] = "accurate"
    """Optimisation settings; the options below override them."""
    overrides: tyro.conf.OmitArgPrefixes[Overrides] = NOTHING
    """What to change of the recipe."""
    valid_fraction: float = 0.1
    """Share of the training faces held out for validation; with 0 all are trained on and the last
    epoch is kept."""
    test: Literal["once", "every-epoch", "never"] = "once"
    """When the test faces are seen: by the exported weights, or also after each epoch, to count as
    the paper does (nothing is chosen by it), or not at all while a recipe is being chosen."""
    limit: int | None = None
    """At most this many training (and test) faces."""
    permute_labels: bool = False
    """Train on labels that were handed around at random, so that nothing true can be learned: the
    network of the data randomisation check (Adebayo et al., NeurIPS 2018)."""
    skip_bad: bool = False
    """Leave damaged or missing images and unknown labels out, instead of stopping."""
    seed: int = 0
    """Of split, initialisation, order, augmentation, mixup and dropout."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Autocast precision of the forward pass; a CPU without AVX-512 wants fp32."""
    progress: bool = True
    """Show a progress bar; otherwise a line an epoch, with the time left."""
    out: Path | None = None
    """Folder of the run; by default runs/<model>-<data>-<recipe>-seed<seed>, with a digest of what
    is changed of the recipe, and 'refit' where all faces are trained on."""

    def settings(self) -> Recipe:
        """The recipe with this run's overrides."""
        return self.overrides.applied_to(RECIPES[self.recipe])

    def check(self) -> None:
        """Refuse numbers that no run can be made with; the recipe checks its own.

        Raises
        ------
        InputError
            Naming the first.
        """
        self.settings()
        if self.seed < 0:
            raise InputError(f"Expected a seed of 0 or more, got {self.seed}.")
        if not 0 <= self.valid_fraction < 1:
            raise InputError(
                f"Expected a share from 0 to below 1 for --valid-fraction, got "
                f"{self.valid_fraction}."
            )

    def folder(self) -> Path:
        """Where checkpoints, log and weights go."""
        return self.out or Path("runs") / self.name()

    def name(self) -> str:
        """Of the run, told apart by model, input, data, recipe, changes of it, and seed."""
        given = {None: "", True: "grey", False: "colour"}[self.greyscale]
        changes = {key: value for key, value in vars(self.overrides).items() if value is not None}
        for key, usual in (("limit", None), ("precision", "bf16"), ("pretrained", None)):
            if getattr(self, key) != usual:
                changes[key] = getattr(self, key)
        if self.permute_labels:
            changes["permute_labels"] = True
        if self.valid_fraction not in (0, 0.1):
            changes["valid_fraction"] = self.valid_fraction
        text = json.dumps(changes, sort_keys=True).encode()
        parts = (
            self.model.replace("/", "-"),
            f"{self.size}px" if self.size else "",
            given,
            self.source or data_name(self.data).replace(":", "-"),
            self.recipe,
            hashlib.sha256(text).hexdigest()[:6] if changes else "",
            "" if self.valid_fraction else "refit",
            f"seed{self.seed}",
        )
        return slug("-".join(part for part in parts if part))

    def identity(self) -> dict[str, Any]:
        """What the weights depend on, the faces themselves apart; their folder may move."""
        permuted = {"permute_labels": True} if self.permute_labels else {}
        return permuted | {
            "model": self.model,
            "size": self.size,
            "greyscale": self.greyscale,
            "pretrained": self._pretrained_digest(),
            "data": data_name(self.data),
            "source": self.source,
            "recipe": dataclasses.asdict(self.settings()),
            "valid_fraction": self.valid_fraction,
            "limit": self.limit,
            "seed": self.seed,
            "precision": self.precision,
        }

    def _pretrained_digest(self) -> str | None:
        """SHA-256 of the weights that it begins with."""
        if self.pretrained is None:
            return None
        if self.pretrained == IMAGENET:
            return file_digest(imagenet_file(self.model))
        if not Path(self.pretrained).is_file():
            raise InputError(f"Expected weights to begin with, found none at {self.pretrained}.")
        return file_digest(Path(self.pretrained))

    def fresh_model(self) -> FERModel:
        """The network as it is before the first step."""
        model = load_model(
            self.model, emotions=SIX, seed=self.seed, size=self.size, greyscale=self.greyscale
        )
        if self.settings().initialisation == "he":
            initialise(model.net, seed=self.seed)
        if self.pretrained is not None:
            load_backbone(model.net, self.pretrained, name=self.model)
        return model

    def faces(self, split: str) -> Faces:
        """Labelled faces of a split, of the six emotions; the same ones whatever the seed."""
        return load_dataset(
            self.data, split=split, source=self.source, emotions=SIX, limit=self.limit,
            skip_bad=self.skip_bad,
        )  # fmt: skip


def data_name(spec: str) -> str:
    """Of a dataset ``NAME[:ROOT]``, wherever it lies.

    A style of built-in faces, or a folder of one's own by its name, is a dataset of its own.

    >>> data_name("gimefive:/data/bench"), data_name("synthetic:lab"), data_name("folder:/my/faces")
    ('gimefive', 'synthetic:lab', 'folder:faces')
    """
    name, _, place = spec.partition(":")
    if place and name in ("synthetic", "folder"):
        return f"{name}:{Path(place).name}"
    return name


def train(run: TrainingRun) -> Path:
    """Train, or resume; writes log, checkpoints, final weights and a model card.

    A run that has ended already is left as it is.

    Returns
    -------
    Path
        The exported half-precision weights.

    Raises
    ------
    InputError
        For data without an emotion or too few faces, a folder that holds another run, or a loss
        that is no number.
    """
    recipe, folder = run.settings(), run.folder()
    run.check()
    check_folder(folder)
    architecture(run.model)  # an unknown one is told before faces are read
    say_if_emulated(run)
    everyone = run.faces("train")
    if run.permute_labels:
        everyone = permuted_labels(everyone, seed=run.seed)
    train_faces, valid_faces = everyone, None
    if run.valid_fraction:
        train_faces, valid_faces = stratified_split(everyone, run.valid_fraction, seed=run.seed)
    elif recipe.patience:
        raise InputError(
            f"Expected validation faces to stop early by (patience {recipe.patience}), got none: "
            "set --patience 0 or a --valid-fraction."
        )
    _check_emotions(train_faces)
    if len(train_faces) < recipe.batch_size:
        raise InputError(
            f"Expected at least {recipe.batch_size} training faces, one batch, got "
            f"{len(train_faces)}{f' beside {len(valid_faces)} held out' if valid_faces else ''}."
        )
    test_faces = None if run.test == "never" else _test_faces(run, everyone)
    model = run.fresh_model()
    _same_run(run, folder, train_faces)
    if (folder / CARD).exists():
        card = json.loads((folder / CARD).read_text())
        if "test" in card or test_faces is None:
            return folder / WEIGHTS
    checked = {"valid": valid_faces, "test": test_faces if run.test == "every-epoch" else None}
    kept = loop.fit(
        model,
        recipe,
        folder,
        train=train_faces,
        checked={name: faces for name, faces in checked.items() if faces is not None},
        seed=run.seed,
        device=run.device,
        precision=run.precision,
        progress=run.progress,
    )
    if loop.RANK == 0:
        facts = {
            "run": run.identity(),
            "train_faces": len(train_faces),
            "valid_faces": len(valid_faces) if valid_faces is not None else 0,
            "train_faces_sha256": train_faces.fingerprint(64),
            "processes": loop.PROCESSES,
        }
        export(
            model, kept, folder, facts=facts, train=everyone, valid=valid_faces, test=test_faces,
            device=run.device,
        )  # fmt: skip
    return folder / WEIGHTS


def say_if_emulated(run: TrainingRun) -> None:
    """A sentence on standard error where bf16 costs time instead of saving it."""
    if run.precision == "bf16" and emulates_bf16(resolve_device(run.device)) and loop.RANK == 0:
        sys.stderr.write(
            "training: this CPU has no instructions for bf16, which takes many times as long on it "
            "as fp32: stop and add --precision fp32, or train on a GPU.\n"
        )


def permuted_labels(faces: Faces, *, seed: int) -> Faces:
    """The same faces, their emotions handed around at random."""
    order = np.random.default_rng(seed).permutation(len(faces))
    emotions = faces.table["emotion"].to_numpy()[order]
    return dataclasses.replace(faces, table=faces.table.assign(emotion=emotions))


def _check_emotions(faces: Faces) -> None:
    missing = [name for name in SIX if name not in faces.emotions]
    if missing:
        raise InputError(
            f"Expected training faces of {', '.join(SIX)}, but {faces.name} has none of "
            f"{', '.join(missing)}: a model cannot learn an emotion that it never sees."
        )


def _same_run(run: TrainingRun, folder: Path, faces: Faces) -> None:
    """A checkpoint is only gone on from with the settings and the faces that made it."""
    settings: dict[str, Any] = {
        **run.identity(),
        "processes": loop.PROCESSES,
        "train_faces_sha256": faces.fingerprint(64),
    }
    file = folder / "settings.json"
    if file.exists():
        theirs = json.loads(file.read_text())
        differ = [key for key in settings if theirs.get(key) != settings[key]]
        if differ:
            raise InputError(
                f"Expected {folder} to hold a run of the same settings and faces, but it differs "
                f"in {', '.join(differ)}: choose another --out, or delete that folder."
            )
        return
    if loop.RANK == 0:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(settings, indent=2) + "\n")
        temporary.replace(file)


def _test_faces(run: TrainingRun, everyone: Faces) -> Faces | None:
    """The test split, unless there is none (a folder without split folders is all one)."""
    faces = run.faces("test")
    shared = set(faces.table["path"]) & set(everyone.table["path"]) - {""}
    if run.limit is None and 0 < len(shared) < len(faces):
        raise InputError(
            f"Expected test faces apart from the training faces, but {len(shared)} files of "
            f"{faces.name} are in both: mend the lists, or train with --test never."
        )
    return None if shared else faces


def main(arguments: Sequence[str] | None = None) -> int:
    """Train by a command line; returns the exit status."""
    return run_command(
        "training.run", lambda: _run(arguments), stopped="stopped; the same command continues."
    )


def _run(arguments: Sequence[str] | None) -> None:
    run: TrainingRun = parsed(TrainingRun, arguments, prog="python -m training.run")
    weights = train(run)
    if loop.RANK == 0:
        sys.stdout.write((run.folder() / "card.md").read_text() + f"\nWeights: {weights}\n")


if __name__ == "__main__":
    sys.exit(main())
