"""The networks of a study: trained ones by name, and untrained ones as their floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fer_xai.errors import InputError
from fer_xai.models import FERModel, calibrate_batchnorm
from fer_xai.types import Faces
from studies.engine.specs import DataSpec, ModelSpec


@dataclass(frozen=True, kw_only=True)
class Network:
    """One set of weights.

    Attributes
    ----------
    name
        ``gimefive`` for the trained one, ``gimefive@untrained3`` for a floor.
    architecture
        Registered model name.
    weights
        Shipped name or path; None for untrained.
    seed
        Seed of the initialisation, for untrained networks only.
    first
        Whether it is the first of its architecture's untrained networks.
    convention
        By which convention it is fed and read; None for the architecture's own.

    Examples
    --------
    >>> Network(name="gimefive", architecture="gimefive", weights="rafdb").trained
    True
    """

    name: str
    architecture: str
    weights: str | None
    seed: int = 0
    first: bool = False
    convention: str | None = None

    @property
    def trained(self) -> bool:
        """Whether the network was trained."""
        return self.weights is not None

    def load(self, calibration: Faces) -> FERModel:
        """Build the network; calibration faces give an untrained one its BatchNorm statistics."""
        model = self.built()
        return model if self.trained else calibrate_batchnorm(model, calibration)

    def built(self) -> FERModel:
        """The network; an untrained one has BatchNorm's initial statistics."""
        spec = ModelSpec(self.architecture, self.weights or "untrained", self.convention)
        return spec.load(seed=self.seed)


def networks(
    models: Sequence[ModelSpec], *, data: DataSpec, untrained: int = 0, seed: int = 0
) -> list[Network]:
    """Trained networks, each followed by its untrained floor.

    Untrained network k of a study with seed s is initialised by seed 1000·s + k.

    Parameters
    ----------
    models
        Names, and weights where these do not follow the data.
    data
        The faces that the networks are to recognise.
    untrained
        Untrained networks an architecture.
    seed
        The study's seed.

    Raises
    ------
    InputError
        If a model is named twice, or has no weights for this data.

    Examples
    --------
    >>> data = DataSpec.parse("gimefive:/data/bench@rafdb")
    >>> found = networks([ModelSpec("resnet18")], data=data, untrained=2, seed=3)
    >>> [(network.name, network.weights, network.seed) for network in found][:2]
    [('resnet18', 'rafdb', 0), ('resnet18@untrained0', None, 3000)]
    """
    found: list[Network] = []
    for spec in models:
        name = spec.name
        if any(network.name == name for network in found):
            raise InputError(f"Expected each model once, got {name} twice.")
        if spec.weights == "untrained":
            raise InputError(
                f"Expected trained weights for {name}: untrained networks stand beside each model "
                "already."
            )
        weights = spec.weights_for(data, option=f"--models {name}=PATH")
        told = spec.convention
        found.append(Network(name=name, architecture=name, weights=weights, convention=told))
        found += [
            Network(
                name=f"{name}@untrained{k}",
                architecture=name,
                weights=None,
                seed=1000 * seed + k,
                first=k == 0,
                convention=told,
            )
            for k in range(untrained)
        ]
    return found
