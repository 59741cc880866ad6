"""Options that name models, and say how those of the user's own are fed and read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from fer_xai.models.conventions import convention as convention_named
from studies.engine.networks import Network, networks
from studies.engine.options import Options
from studies.engine.specs import DataSpec, ModelSpec


@dataclass(frozen=True, kw_only=True)
class Conventions(Options):
    """How models of the user's own weights are fed and read.

    Examples
    --------
    >>> Conventions(convention="ma-net").check()
    """

    convention: Annotated[str | None, tyro.conf.arg(metavar="NAME | FILE.toml")] = None
    """Published model whose order of outputs, size, colours, range and so on are those of models
    with weights of your own (poster++, dan-rafdb, ...), or a TOML file that says them; NAME=WEIGHTS
    #CONVENTION says it of one model."""

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        if self.convention is not None:
            convention_named(self.convention)


@dataclass(frozen=True, kw_only=True)
class Models(Conventions):
    """The models of a study."""

    models: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME[=WEIGHTS] …")] = ("gimefive",)
    """Trained models: names, each with a checkpoint's path unless its weights are shipped."""

    @property
    def model_specs(self) -> list[ModelSpec]:
        """The models and their weights."""
        return [ModelSpec.parse(text).fed_by(self.convention) for text in self.models]

    def config(self) -> dict[str, Any]:
        """Options that identify a run, for its manifest and digest."""
        return super().config() | {"models": [spec.name for spec in self.model_specs]}

    def networks_for(self, data: DataSpec, *, untrained: int = 0, seed: int = 0) -> list[Network]:
        """Trained networks for some data, each followed by its untrained floor.

        See :func:`studies.engine.networks.networks`.
        """
        return networks(self.model_specs, data=data, untrained=untrained, seed=seed)
