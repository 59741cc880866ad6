"""Can the explanations of a model of yours be trusted?

The command ``audit``: any model by name or factory, a run folder, an exit status for CI.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tyro
from torch import nn

from fer_xai.checks import check_count, check_number
from fer_xai.command import DONE, REFUSED, check_folder, terminal
from fer_xai.data import load_dataset
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import MODELS, FERModel, load_model, shipped_weights
from fer_xai.models.checkpoints import load_state, read_state
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.digests import faces_digests, model_digest
from studies.engine.progress import progress_bar
from studies.engine.settings import settings
from studies.questions.audit.api import METHODS, METRICS, audit, check_faces, prepared
from studies.registry import STUDIES, question
from studies.scoreboard.scores import CHANCE, Scoreboard

BARE = ("emotions", "size", "greyscale", "mean", "std", "cam_layer")
"""Options of the command that describe a bare network."""


@STUDIES.register("audit")
@dataclass(frozen=True, kw_only=True)
class AuditStudy:
    """Can the explanations of a model of yours be trusted?

    First of all the model has to recognise emotions: where the share of faces that it recognises
    is not shown to lie above the prior, no threshold is judged, and the audit is not passed.
    """

    question: ClassVar[str] = question("audit")

    model: Annotated[str, tyro.conf.arg(metavar="NAME | PACKAGE.MODULE:FACTORY")] = "gimefive"
    """A registered model, or a function without arguments that makes one: a FERModel, or a bare
    network, whose emotions, size and so on are told by the options below."""
    weights: str | None = None
    """Checkpoint (tensors only), or a shipped name for a registered model; by default those that
    are shipped for the data."""
    emotions: str | None = None
    """Of a bare network: its label order, by name (fer2013, affectnet …) or listed with
    commas."""
    size: int | None = None
    """Of a bare network: pixels a side; 64 if left out."""
    greyscale: bool = False
    """Of a bare network: whether it is fed greyscale, as three channels that are alike."""
    mean: tuple[float, float, float] | None = None
    """Of a bare network: what is taken from red, green and blue; ImageNet's if left out."""
    std: tuple[float, float, float] | None = None
    """Of a bare network: what they are divided by then; ImageNet's if left out."""
    cam_layer: str | None = None
    """Of a bare network: the layer that CAM methods look at; found by itself if left out."""
    data: str = "synthetic"
    """Dataset, as NAME or NAME:ROOT."""
    split: str = "test"
    """train, valid or test."""
    source: str | None = None
    """Of a benchmark, only the faces of this source dataset."""
    landmarks: Path | None = None
    """CSV[.gz] of 68 points a face; built-in faces bring their own."""
    landmarks_size: int | None = None
    """Side of the images the landmarks were measured on, if it is not that of the faces."""
    limit: int = 64
    """At most this many faces, with the emotions' shares kept."""
    methods: tuple[str, ...] = METHODS
    """Attributions."""
    controls: tuple[str, ...] = CHANCE
    """Chance controls that stand beside them."""
    metrics: tuple[str, ...] = METRICS
    """Names of metrics."""
    primary: str | None = None
    """Metric that the answer speaks of: insertion where it is among them, else the first that is
    held against the centre control."""
    targets: Literal["predicted", "true"] = "predicted"
    """Which emotion of a face is explained."""
    fail_under: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[METHOD:]METRIC=VALUE …")] = ()
    """Worst mean that is allowed (the largest, of a metric whose lower values are better)."""
    gate: bool = False
    """Run the randomisation gate too; a method that it stops fails the audit."""
    anyway: bool = False
    """Judge thresholds even where the model recognises no more than the prior."""
    seed: int = 0
    """Of everything random."""
    skip_bad: bool = False
    """Leave damaged or missing images out, instead of stopping."""
    batch_size: int | None = None
    """Images a pass; by default found by a short measurement, and kept when a run is continued."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the forward pass."""
    out: Path = Path("results")
    """Results go to OUT/audit/<run>."""
    progress: bool = True
    """Show a progress bar."""

    def config(self) -> dict[str, Any]:
        """The settings that results depend on; files are told apart by content."""
        return settings(self, leave_out=("weights",))

    def run(self) -> int:
        """Audit, or go on, and write; returns the exit status, 1 where it is not passed.

        Raises
        ------
        UnknownNameError, InputError
            For options that cannot be used.
        """
        thresholds = _parsed(self.fail_under)
        board = self._check(thresholds)
        model = self._model()
        faces = load_dataset(
            self.data,
            split=self.split,
            source=self.source,
            landmarks=self.landmarks,
            landmarks_size=self.landmarks_size,
            emotions=[name for name in EMOTIONS if name in model.emotions],
            limit=self.limit,
            seed=self.seed,
            skip_bad=self.skip_bad,
        )
        check_faces(model, faces, board, gate=self.gate)
        config, inputs = self.config(), self._inputs(model, faces)
        run_id = store.run_id(faces.name, self.source, self.split, store.digest([config, inputs]))
        folder = self.out / "audit" / run_id
        manifest = store.open_run(folder, config, inputs)
        known = manifest["networks"].get(model.name, {})
        predictor = Predictor(
            model,
            device=self.device,
            precision=self.precision,
            batch_size=self.batch_size or known.get("batch_size"),
        )
        manifest["networks"][model.name] = predictor.settings()
        store.write_json(folder / "manifest.json", manifest)
        started = time.perf_counter()
        with store.nothing_left(folder), progress_bar(shown=self.progress) as bar:
            task = bar.add_task("faces", total=len(faces))
            found = audit(
                predictor,
                faces,
                methods=self.methods,
                metrics=self.metrics,
                controls=self.controls,
                targets=self.targets,
                primary=self.primary,
                thresholds=thresholds,
                gate=self.gate,
                anyway=self.anyway,
                seed=self.seed,
                shards=folder / "shards",
                progress=lambda n: bar.advance(task, n),
            )
        manifest["seconds"] = round(manifest.get("seconds", 0) + time.perf_counter() - started, 1)
        manifest["status"] = "complete"
        weights = self._weights_in_words()
        facts = {**found.facts, "weights": weights, "commit": store.made_by(manifest)}
        first, *rest = found.answer.splitlines()
        answer = "\n".join([first, f"Weights: {weights}.", *rest])
        dataclasses.replace(found, answer=answer, facts=facts, manifest=manifest).write(folder)
        store.write_json(folder / "manifest.json", manifest)
        console = terminal()
        console.print(answer, style="bold", soft_wrap=True)
        console.print(f"Report: {folder / 'report.html'}", soft_wrap=True)
        if not found.judged:
            sys.stderr.write("audit: not judged: the model recognises no more than the prior\n")
        for failure in found.failures:
            sys.stderr.write(f"audit: {failure}\n")
        return DONE if found.passed else REFUSED

    def _check(self, thresholds: dict[str, float]) -> Scoreboard:
        """What is scored, if the options can be used."""
        board, _, _ = prepared(
            methods=self.methods,
            metrics=self.metrics,
            controls=self.controls,
            targets=self.targets,
            primary=self.primary,
            thresholds=thresholds,
            seed=self.seed,
        )
        check_folder(self.out / "audit")
        for name in ("size", "landmarks_size", "batch_size"):
            if getattr(self, name) is not None:
                check_count(f"--{name.replace('_', '-')}", getattr(self, name))
        for value in self.std or ():
            check_number("--std", value, 0)
        return board

    def _inputs(self, model: FERModel, faces: Faces) -> dict[str, Any]:
        """Digests of what is read; code of a network that no digest sees shows in its answers."""
        digest = model_digest(model)  # before a pass, which may count itself
        predictor = Predictor(model, device=self.device, precision=self.precision, batch_size=16)
        answers = predictor.logits(faces.pixels(model.size)).numpy().round(2)
        return {
            **faces_digests(faces, [model.size]),
            "model": digest,
            "answers": store.array_digest(answers + 0.0),  # no negative zeros
        }

    def _data_name(self) -> str:
        """What weights that are shipped for the data are called."""
        if self.data.startswith("synthetic"):
            return "synthetic"
        name = self.source or self.data.partition(":")[0]
        return "".join(letter for letter in name.lower() if letter.isalnum())

    def _shipped(self) -> str:
        """The shipped weights for the data, of a registered model.

        Raises
        ------
        InputError
            If there are none: others were trained on other data, and have to be asked for.
        """
        data = self._data_name()
        names = [name for name in shipped_weights() if name.startswith(f"{self.model}-")]
        if f"{self.model}-{data}" not in names:
            known = ", ".join(name.removeprefix(f"{self.model}-") for name in names)
            others = f", or one of {known}" if known else ""
            raise InputError(
                f"Expected --weights of {self.model}, of which none are shipped for {data}: name "
                f"a checkpoint{others}."
            )
        return data

    def _weights_in_words(self) -> str:
        """Which weights were audited, and whether they were trained on other data."""
        named = self.weights or ("" if ":" in self.model else self._shipped())
        if not named:
            return f"as {self.model} makes them"
        if f"{self.model}-{named}" not in shipped_weights():
            return named
        trained = "built-in faces" if named == "synthetic" else named
        other = "" if named == self._data_name() else ", other data than these faces"
        return f"{named}, shipped, trained on {trained}{other}"

    def _model(self) -> FERModel:
        told = {name: getattr(self, name) for name in BARE}
        told = {name: value for name, value in told.items() if value not in (None, False)}
        named = ":" not in self.model
        if named and self.model not in MODELS:
            raise UnknownNameError(
                f"{MODELS.unknown(self.model)} Or name a factory of yours as "
                "package.module:factory."
            )
        made = None if named else _from_factory(self.model)
        if told and (made is None or isinstance(made, FERModel)):
            options = ", ".join(f"--{name.replace('_', '-')}" for name in told)
            raise InputError(
                f"Expected {options} for a bare network alone, but {self.model} knows its own: "
                "leave that out."
            )
        if made is None:
            return load_model(self.model, weights=self.weights or self._shipped())
        if isinstance(made, FERModel):
            model = made
        elif self.emotions is None:
            raise InputError(
                f"Expected --emotions for the bare network of {self.model}, in the order of its "
                "outputs, such as fer2013 or anger,disgust,fear,happiness,sadness,surprise."
            )
        else:
            if "," in self.emotions:
                told["emotions"] = self.emotions.split(",")
            model = FERModel(made, name=self.model.rpartition(":")[2], **told)
        if self.weights is not None:
            state, _ = read_state(self.weights)
            load_state(model.net, state, what=self.model)
        return model.eval()


def _parsed(words: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for word in words:
        name, _, value = word.rpartition("=")
        try:
            float(value)
        except ValueError:
            name = ""
        if not name:
            raise InputError(
                f"Expected --fail-under [METHOD:]METRIC=VALUE, such as insertion=0.5, got {word!r}."
            )
        if name in found:
            raise InputError(f"Expected each threshold once, got {name} several times.")
        found[name] = float(value)
    return found


def _from_factory(text: str) -> nn.Module:
    """What ``package.module:factory`` makes, looked for beside the working directory too."""
    name, _, attribute = text.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        factory = getattr(importlib.import_module(name), attribute)
    except Exception as error:
        raise InputError(
            f"Expected --model package.module:factory, but {text} cannot be imported "
            f"({_said(error)})."
        ) from error
    if isinstance(factory, nn.Module) or not callable(factory):
        raise InputError(
            f"Expected {text} to be a function without arguments that makes a network, got "
            f"{type(factory).__name__}: name a function that returns it."
        )
    try:
        made = factory()
    except Exception as error:
        raise InputError(
            f"Expected {text} to make a network without arguments, but it failed ({_said(error)})."
        ) from error
    if not isinstance(made, nn.Module):
        raise InputError(f"Expected {text} to return a torch.nn.Module, got {type(made).__name__}.")
    return made


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
