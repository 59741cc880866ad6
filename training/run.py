"""Train a model: ``python -m training.run --model gimefive --data synthetic``."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from fer_xai.checks import resolve_device
from fer_xai.command import check_folder, parsed, run_command
from fer_xai.data import load_dataset
from fer_xai.data.splits import stratified_split
from fer_xai.data.subjects import check_subject_pattern
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.files import read_json
from fer_xai.models import FERModel, load_model
from fer_xai.models.initial_weights import load_backbone
from fer_xai.models.registry import architecture
from fer_xai.types import Faces
from training import loop
from training.align_options import NO_ALIGN, AlignOptions
from training.export import CARD, WEIGHTS, export
from training.faces import (
    SIZE,
    apart_from,
    check_parts,
    copies_of_test_faces,
    data_name,
    face_digests,
    permuted_labels,
)
from training.folds import check_folds, train_folds
from training.recipes import NOTHING, RECIPES, Overrides, Recipe, check_average, check_held_out
from training.same_run import (
    check_same_run,
    folder_name,
    initial_digest,
    say_if_emulated,
    short_digest,
)
from training.trainee import check_initialisation, initialise


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """Train one model on one dataset; every choice is made on validation faces cut from train.

    Started again with the same options it resumes from the last epoch. ``torchrun
    --nproc-per-node 2 -m training.run …`` shares each batch among processes. With ``--folds 5`` it
    trains five networks, each on four fifths of the training faces, and stores what each says of
    the fifth that it has not seen: out-of-sample predictions for all training faces, by which
    ``python -m studies.run label_audit`` finds doubtful labels.
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
    """Source dataset to keep, of a benchmark put together from several."""
    recipe: Literal["accurate", "paper"] = "accurate"
    """Optimisation settings; the options below override them."""
    overrides: Annotated[tyro.conf.OmitArgPrefixes[Overrides], tyro.conf.arg(name="recipe")] = (
        NOTHING
    )
    """What to change of the recipe."""
    align: Annotated[tyro.conf.OmitArgPrefixes[AlignOptions], tyro.conf.arg(name="")] = NO_ALIGN
    """Alignment of maps with action units."""
    valid_fraction: float = 0.1
    """Share of the training faces held out for validation; with 0 the last epoch is kept."""
    folds: int | None = None
    """Number of folds, 2 or more: a network is trained on all folds but one and predicts that one.
    Folds are stratified by emotion, persons and copies stay whole; no test faces are read."""
    test: Literal["once", "every-epoch", "never"] = "once"
    """When the test faces are seen: by the exported weights, or also after each epoch, to count as
    the paper does (nothing is chosen by it), or not at all while a recipe is being chosen."""
    limit: int | None = None
    """At most this many training (and test) faces."""
    permute_labels: bool = False
    """Train on labels that were handed around at random, so that nothing true can be learned: the
    network of the data randomisation check (Adebayo et al., NeurIPS 2018)."""
    subject_pattern: Annotated[str | None, tyro.conf.arg(metavar="REGEX")] = None
    """Regular expression with the named groups subject, sequence or both, searched in each file's
    path below the root: faces of one person are held out together. By default persons are read from
    the names of well-known data sets."""
    skip_bad: bool = False
    """Leave damaged or missing images and unknown labels out, instead of stopping."""
    seed: int = 0
    """Seed of split, initialisation, order, augmentation, mixup and dropout."""
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
        recipe = self.settings()
        resolve_device(self.device)
        if self.subject_pattern is not None:
            check_subject_pattern(self.subject_pattern)
        self.align.check(recipe, built_in=data_name(self.data).partition(":")[0] == "synthetic")
        loop.check_launch()
        if recipe.initialisation == "he" and self.overrides.initialisation is not None:
            check_initialisation(self.model)
        if self.seed < 0:
            raise InputError(f"Expected a seed of 0 or more, got {self.seed}.")
        check_held_out(self.valid_fraction, patience=recipe.patience)
        if self.folds is not None:
            check_folds(
                self.folds,
                test=self.test,
                permuted=self.permute_labels,
                pretrained=self.pretrained,
                data=f"{data_name(self.data)}@{self.source or ''}",
            )

    def folder(self) -> Path:
        """Where checkpoints, log and weights go."""
        return self.out or Path("runs") / self.name()

    def name(self) -> str:
        """Name of the run's folder: model, input, data, recipe, changes of it, and seed."""
        given = {None: "", True: "grey", False: "colour"}[self.greyscale]
        changes = {key: value for key, value in vars(self.overrides).items() if value is not None}
        for key, usual in (("limit", None), ("precision", "bf16"), ("pretrained", None)):
            if getattr(self, key) != usual:
                changes[key] = getattr(self, key)
        changes |= self._given()
        if self.valid_fraction not in (0, 0.1):
            changes["valid_fraction"] = self.valid_fraction
        return folder_name(
            self.model.replace("/", "-"),
            f"{self.size}px" if self.size else "",
            given,
            self.source or data_name(self.data).replace(":", "-"),
            self.recipe,
            short_digest(changes),
            "" if self.valid_fraction else "refit",
            f"{self.folds}folds" if self.folds else "",
            f"seed{self.seed}",
        )

    def identity(self) -> dict[str, Any]:
        """What the weights depend on, the faces themselves apart; their folder may move."""
        folds = {} if self.folds is None else {"folds": self.folds}
        return (
            self._given()
            | folds
            | {
                "model": self.model,
                "size": self.size,
                "greyscale": self.greyscale,
                "pretrained": initial_digest(self.pretrained, self.model),
                "data": data_name(self.data),
                "source": self.source,
                "recipe": dataclasses.asdict(self.settings()),
                "valid_fraction": self.valid_fraction,
                "limit": self.limit,
                "seed": self.seed,
                "precision": self.precision,
            }
        )

    def _given(self) -> dict[str, Any]:
        """Options that runs of before them do not have, where they are given."""
        options = {name: getattr(self, name) for name in ("permute_labels", "subject_pattern")}
        return {name: value for name, value in options.items() if value} | self.align.identity()

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
            self.data,
            split=split,
            source=self.source,
            emotions=SIX,
            subject_pattern=self.subject_pattern,
            limit=self.limit,
            skip_bad=self.skip_bad,
        )


def train(run: TrainingRun) -> Path:
    """Train, or resume; writes log, checkpoints, final weights and a model card.

    A run that has ended already is left as it is.

    Returns
    -------
    Path
        The exported half-precision weights; with folds, the stored predictions of all of them.

    Raises
    ------
    InputError
        For data without an emotion or too few faces, a folder that holds another run, or a loss
        that is no number.
    """
    run.check()
    folder, identity = run.folder(), run.identity()
    check_folder(folder)
    architecture(run.model)  # an unknown one is told before faces are read
    say_if_emulated(run.precision, run.device)
    everyone = run.align.with_landmarks(run.faces("train"))
    if run.folds is not None:
        return train_folds(
            everyone,
            folds=run.folds,
            seed=run.seed,
            folder=folder,
            identity=identity,
            pretrained=run.pretrained,
            train_one=partial(_train_on, run),
        )
    if run.permute_labels:
        everyone = permuted_labels(everyone, seed=run.seed)
    test_faces = None
    if run.test != "never":
        test_faces = apart_from(everyone, run.faces("test"), whole=run.limit is None)
    digest = everyone.fingerprint(SIZE)
    return _train_on(run, folder, everyone, test_faces, identity=identity, split_sha256=digest)


def _train_on(
    run: TrainingRun,
    folder: Path,
    everyone: Faces,
    test_faces: Faces | None,
    *,
    identity: dict[str, Any],
    split_sha256: str,
) -> Path:
    """Train on faces of which some are held out for validation; returns the weights."""
    recipe = run.settings()
    train_faces, valid_faces, copied = everyone, None, None
    if run.valid_fraction:
        unscored = partial(run.faces, "test") if run.test == "never" else None
        copied = copies_of_test_faces(everyone, test_faces, read=unscored)
        train_faces, valid_faces = stratified_split(
            everyone, run.valid_fraction, seed=run.seed, keep=copied
        )
    check_parts(train_faces, valid_faces, batch_size=recipe.batch_size)
    check_average(recipe, len(train_faces))
    model = run.fresh_model()
    digests = face_digests(
        {"train": train_faces, "valid": valid_faces, "test": test_faces}, size=model.size
    )
    align, areas, aligned = run.align.made(model, train_faces, valid_faces)
    if aligned:
        identity = identity | {"align": identity["align"] | aligned}
    check_same_run(identity, folder, digests)
    if (folder / CARD).exists():
        card = read_json(folder / CARD, remedy="delete it, and the same command writes it anew")
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
        align=align,
        areas=areas,
    )
    if loop.RANK == 0:
        facts = {
            "run": identity,
            "train_faces": len(train_faces),
            "valid_faces": len(valid_faces) if valid_faces is not None else 0,
            **digests,
            "training_split_sha256": split_sha256,
            "copies_of_test_faces": None if copied is None else int(copied.sum()),
            "processes": loop.PROCESSES,
        }
        export(
            model,
            kept,
            folder,
            facts=facts,
            train=everyone,
            valid=valid_faces,
            test=test_faces,
            device=run.device,
            maps="fold" not in identity,
        )
    return folder / WEIGHTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Train by a command line; returns the exit status."""
    return run_command(
        "training.run", lambda: _run(arguments), stopped="stopped; the same command continues."
    )


def _run(arguments: Sequence[str] | None) -> None:
    run: TrainingRun = parsed(TrainingRun, arguments, prog="python -m training.run")
    left = train(run)
    if loop.RANK == 0:
        what = "Weights" if run.folds is None else "Predictions"
        sys.stdout.write((run.folder() / "card.md").read_text() + f"\n{what}: {left}\n")


if __name__ == "__main__":
    sys.exit(main())
