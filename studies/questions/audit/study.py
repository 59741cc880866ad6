"""Can the explanations of a model of yours be trusted?

The command ``audit``: any model by name or factory, a run folder, an exit status for CI.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NoReturn

import torch
import tyro
from torch import nn

from fer_xai.checks import check_count, check_number
from fer_xai.command import DONE, REFUSED
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel, load_model, shipped_weights
from fer_xai.models.checkpoints import load_state, read_state
from fer_xai.models.hugging_face import HUGGING_FACE
from fer_xai.models.registry import architecture
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.digests import faces_digests, model_digest
from studies.engine.endpoints import FAMILY_OF_GAINS, PERSON, Endpoint
from studies.engine.model_options import Conventions
from studies.engine.options import Data, Margin, Passes, Progress, Seed, Targets
from studies.engine.shards import BATCH, batch_sizes, last_batch_size, with_earlier
from studies.engine.specs import SYNTHETIC, ModelSpec
from studies.engine.study import Study
from studies.questions.audit.request import METHODS, METRICS, Request
from studies.registry import STUDIES
from studies.scoreboard.scores import CHANCE
from studies.scoreboard.thresholds import On

BARE = ("emotions", "size", "greyscale", "mean", "std", "cam_layer")
"""Options of the command that describe a bare network, or a network with weights of your own."""


@STUDIES.register("audit")
@dataclass(frozen=True, kw_only=True)
class AuditStudy(Study, Progress, Passes, Seed, Targets, Margin, Data, Conventions):
    """Can the explanations of a model of yours be trusted?

    First of all the model has to recognise emotions: where the share of faces that it recognises
    is not shown to lie above the prior, no threshold is judged, and the audit is not passed.
    """

    name: ClassVar[str] = "audit"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="mean of the primary metric (--primary) of a method, less the centre control's, "
        "paired by face; and every mean that --fail-under names",
        unit=PERSON,
        family="the methods; each threshold by itself",
        interval=FAMILY_OF_GAINS + "; 95 % of each mean for thresholds",
        holds="the interval lies above 0; a threshold where its bound (--on) is no worse",
    )

    model: Annotated[str, tyro.conf.arg(metavar="NAME[=WEIGHTS] | PACKAGE.MODULE:FACTORY")] = (
        "gimefive"
    )
    """A model by name, or a function without arguments that makes one: a FERModel, or a bare
    network, whose emotions, size and so on are given by the options below."""
    weights: str | None = None
    """Checkpoint (tensors only), or a shipped name for a registered model; by default those that
    are shipped for the data."""
    emotions: str | None = None
    """Label order of a bare network, by name (fer2013, affectnet …) or listed with commas."""
    size: int | None = None
    """Side of the images that a bare network is fed, in pixels; 64 if left out."""
    greyscale: bool = False
    """Whether a bare network is fed greyscale, as three channels that are alike."""
    mean: tuple[float, float, float] | None = None
    """Values that a bare network wants subtracted from red, green and blue; ImageNet's if left
    out."""
    std: tuple[float, float, float] | None = None
    """Values that a bare network wants them divided by then; ImageNet's if left out."""
    cam_layer: str | None = None
    """Layer of a bare network that CAM methods look at; found by itself if left out."""
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
    fail_under: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[METHOD:]METRIC=VALUE …")] = ()
    """Worst mean that is allowed (the largest, of a metric whose lower values are better)."""
    on: On = "bound"
    """What is held against --fail-under: the worse bound of the mean's 95 % interval, or the
    estimate."""
    gate: bool = False
    """Run the randomisation gate too; a method that it stops fails the audit."""
    anyway: bool = False
    """Judge thresholds even where the model recognises no more than the prior."""

    def config(self) -> dict[str, Any]:
        """Options that identify a run; weights are identified by content."""
        options = super().config() | {"model": self._spec.name}
        del options["weights"]
        if self.margin is None:  # runs of before it have no such option
            del options["margin"]
        return options

    @property
    def _spec(self) -> ModelSpec:
        """The model and its weights, by either way to name them."""
        spec = ModelSpec(self.model) if _is_factory(self.model) else ModelSpec.parse(self.model)
        if spec.weights is not None and self.weights not in (None, spec.weights):
            raise InputError(
                f"Expected weights of {spec.name} once, got {spec.weights} in --model and "
                f"{self.weights} in --weights: name them in one place."
            )
        weights = spec.weights or self.weights
        return ModelSpec(spec.name, weights, spec.convention).fed_by(self.convention)

    def run(self) -> int:
        """Audit, or go on, and write; returns the exit status, 1 where it is not passed.

        Raises
        ------
        UnknownNameError, InputError
            For options that cannot be used.
        """
        self.check()
        request = self._request()
        model = self._model()
        faces = self.load_faces(
            emotions=tuple(name for name in EMOTIONS if name in model.emotions),
            limit=self.limit,
            seed=self.seed,
        )
        request.check_faces(model, faces)
        digest = model_digest(model)  # before a pass, which may count itself
        predictor = Predictor(model, device=self.device, precision=self.precision)
        inputs = {
            **faces_digests(faces, [model.size]),
            "model": digest,
            "answers": _answers(predictor, faces),
        }
        with self.opened(inputs, faces.name, self.data_spec.source, self.split) as run:
            known = run.manifest["networks"].get(model.name, {}).get(BATCH)
            if known or self.batch_size:
                predictor = self.predictor(model, batch_size=last_batch_size(known))
            now = with_earlier(known, predictor.batch_size)
            network = run.manifest["networks"][model.name] = predictor.settings() | {BATCH: now}
            run.record()
            shards = run.folder / "shards"
            task = run.bar.add_task("faces", total=len(faces))
            found = request.answered(
                predictor,
                faces,
                shards=shards,
                progress=lambda n: run.bar.advance(task, n),
            )
            network[BATCH] = batch_sizes(shards) or now
        weights = self._weights_in_words()
        facts = {**found.facts, "weights": weights, "commit": store.made_by(run.manifest)}
        first, *rest = found.answer.splitlines()
        answer = "\n".join([first, f"Weights: {weights}.", *rest])
        dataclasses.replace(found, answer=answer, facts=facts, manifest=run.manifest).write(
            run.folder
        )
        run.complete(answer)
        if not found.judged:
            sys.stderr.write("audit: not judged: the model recognises no more than the prior\n")
        for failure in found.failures:
            sys.stderr.write(f"audit: {failure}\n")
        return DONE if found.passed else REFUSED

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        _ = self._spec
        if self.size is not None:
            check_count("--size", self.size)
        for value in self.std or ():
            check_number("--std", value, 0)

    def _request(self) -> Request:
        """What is asked of the model."""
        return Request.of(
            methods=self.methods,
            metrics=self.metrics,
            controls=self.controls,
            targets=self.targets,
            primary=self.primary,
            thresholds=_parsed(self.fail_under),
            on=self.on,
            gate=self.gate,
            anyway=self.anyway,
            margin=self.margin,
            seed=self.seed,
        )

    def _weights_in_words(self) -> str:
        """Which weights were audited, and whether they were trained on other data."""
        spec = self._spec
        named = spec.weights
        if named is None:
            if _is_factory(spec.name):
                return f"as {spec.name} makes them"
            named = self._weights()
        if f"{spec.name}-{named}" not in shipped_weights():
            return named
        trained = "built-in faces" if named == SYNTHETIC else named
        other = "" if named == self.data_spec.weights else ", other data than these faces"
        return f"{named}, shipped, trained on {trained}{other}"

    def _weights(self) -> str:
        """Weights of a registered model: those named, else those shipped for the data."""
        return self._spec.weights_for(self.data_spec, option="--weights PATH")

    def _model(self) -> FERModel:
        given = {name: getattr(self, name) for name in BARE}
        given = {name: value for name, value in given.items() if value not in (None, False)}
        if self.emotions is not None and "," in self.emotions:
            given["emotions"] = self.emotions.split(",")
        spec = self._spec
        if not _is_factory(spec.name):
            return self._named(spec, given)
        made = _from_factory(self.model)
        if isinstance(made, FERModel):
            if given or self.convention:
                self._refuse(given or {"convention": self.convention})
            model = made
        elif self.emotions is None and self.convention is None:
            raise InputError(
                f"Expected --emotions for the bare network of {self.model}, in the order of its "
                "outputs, such as fer2013 or anger,disgust,fear,happiness,sadness,surprise."
            )
        else:
            name = self.model.rpartition(":")[2]
            model = FERModel(made, name=name, convention=self.convention, **given)
        if spec.weights is not None:
            state, _ = read_state(spec.weights)
            load_state(model.net, state, what=self.model)
        return model.eval()

    def _named(self, spec: ModelSpec, given: dict[str, Any]) -> FERModel:
        """A model by name, told of weights of the user's own what they do not say."""
        try:
            architecture(spec.name)
        except UnknownNameError as error:
            raise UnknownNameError(
                f"{error} Or name a factory of yours as package.module:factory."
            ) from None
        weights = self._weights()
        if (given or self.convention) and f"{spec.name}-{weights}" in shipped_weights():
            self._refuse(given or {"convention": self.convention})
        loaded = {key: given.pop(key) for key in ("emotions", "size", "greyscale") if key in given}
        model = load_model(spec.name, weights=weights, convention=spec.convention, **loaded)
        return model.rewired(**given) if given else model

    def _refuse(self, given: dict[str, Any]) -> NoReturn:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InputError(
            f"Expected {options} for a bare network or weights of your own alone, but {self.model} "
            "knows its own: leave that out."
        )


def _is_factory(model: str) -> bool:
    """Whether ``--model`` names a function, as package.module:factory."""
    return ":" in model.partition("=")[0] and not model.startswith(HUGGING_FACE)


def _answers(predictor: Predictor, faces: Faces) -> str | None:
    """Digest of a network's answers, in which code that no other digest sees shows.

    They are passed 16 at a time whatever the batch size, and rounded.
    """
    batches = faces.batches(16, size=predictor.model.size)
    answers = torch.cat([predictor.logits(batch.pixels) for batch in batches]).numpy().round(2)
    return store.array_digest(answers + 0.0)  # no negative zeros


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
