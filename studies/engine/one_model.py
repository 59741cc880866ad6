"""Options of a study of one model: by name, by a function that makes it, or a bare network."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NoReturn

import tyro
from torch import nn

from fer_xai.checks import check_count, check_number
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.models import FERModel, load_model, shipped_weights
from fer_xai.models.checkpoints import load_state, read_state
from fer_xai.models.hugging_face import HUGGING_FACE
from fer_xai.models.registry import architecture
from studies.engine.model_options import Conventions
from studies.engine.options import Data
from studies.engine.specs import SYNTHETIC, ModelSpec

BARE = ("emotions", "size", "greyscale", "mean", "std", "cam_layer")
"""Options of the command that describe a bare network, or a network with weights of your own."""


@dataclass(frozen=True, kw_only=True)
class OneModel(Data, Conventions):
    """One model, and the faces that it is looked at by.

    Examples
    --------
    >>> OneModel(model="gimefive").one_model().name
    'gimefive'
    """

    usual_limit: ClassVar[int] = 64
    """Faces that are taken where no limit is given."""

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

    limit: int | None = None
    """At most this many faces, with the emotions' shares kept; 64 for an audit, 2,400 for a
    preflight."""

    @property
    def at_most(self) -> int:
        """At most this many faces."""
        return self.usual_limit if self.limit is None else self.limit

    def config(self) -> dict[str, Any]:
        """Options that identify a run; weights are identified by content."""
        options = super().config() | {"model": self.model_spec.name, "limit": self.at_most}
        del options["weights"]
        return options

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        _ = self.model_spec
        check_count("--limit", self.at_most)
        if self.size is not None:
            check_count("--size", self.size)
        for value in self.std or ():
            check_number("--std", value, 0)

    @property
    def model_spec(self) -> ModelSpec:
        """The model and its weights, by either way to name them."""
        spec = ModelSpec(self.model) if _is_factory(self.model) else ModelSpec.parse(self.model)
        if spec.weights is not None and self.weights not in (None, spec.weights):
            raise InputError(
                f"Expected weights of {spec.name} once, got {spec.weights} in --model and "
                f"{self.weights} in --weights: name them in one place."
            )
        weights = spec.weights or self.weights
        return ModelSpec(spec.name, weights, spec.convention).fed_by(self.convention)

    def weights_in_words(self) -> str:
        """Which weights were audited, and whether they were trained on other data."""
        spec = self.model_spec
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
        return self.model_spec.weights_for(self.data_spec, option="--weights PATH")

    def one_model(self) -> FERModel:
        """The model, in evaluation mode.

        Raises
        ------
        InputError, UnknownNameError
            If it cannot be made, or needs what the options do not say.
        """
        given = {name: getattr(self, name) for name in BARE}
        given = {name: value for name, value in given.items() if value not in (None, False)}
        if self.emotions is not None and "," in self.emotions:
            given["emotions"] = self.emotions.split(",")
        spec = self.model_spec
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
