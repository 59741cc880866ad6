"""The networks of the study: weights that were given, or trainings of the study itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fer_xai.errors import InputError
from fer_xai.models import FERModel, load_model, shipped_weights
from fer_xai.types import Faces
from studies.engine.domains import Training, training_of
from studies.engine.specs import ModelSpec
from training.export import WEIGHTS


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """One set of weights: a row of the matrix, or one of several trainings of a row.

    Attributes
    ----------
    name
        Its name in tables.
    row
        Name of its row in the matrix: that of trainings that differ in their seed alone.
    architecture
        Registered name of the architecture.
    training
        What is known of its training.
    load
        Function that loads the model.
    seed
        Seed of the training; None for weights that were given.
    learned
        Function that reads the faces it was trained on; None where it cannot be done.

    Examples
    --------
    >>> given(["gimefive=rafdb"], records=Path("no/such"))[0].training.relation("fer2013")
    'out-of-domain'
    """

    name: str
    row: str
    architecture: str
    training: Training
    load: Callable[[], FERModel]
    seed: int | None = None
    learned: Callable[[], Faces] | None = None


def given(models: Sequence[str], *, records: Path, convention: str | None = None) -> list[Network]:
    """Networks of ``NAME[=WEIGHTS]``; a name alone means all weights that are shipped for it.

    Parameters
    ----------
    models
        The option ``--models``.
    records
        Folder of records of trainings.
    convention
        How networks of the user's own weights are fed and read, unless they say it.

    Raises
    ------
    InputError
        If two have one name, or none are shipped for a name.

    Examples
    --------
    >>> [network.name for network in given(["resnet18"], records=Path("no/such"))]
    ['resnet18=rafdb', 'resnet18=synthetic']
    """
    found: dict[str, Network] = {}
    asked: dict[str, str] = {}
    for text in models:
        for spec in _with_weights(ModelSpec.parse(text).fed_by(convention)):
            name = f"{spec.name}={weights_title(spec.weights or '')}"
            if name in found:
                raise InputError(
                    f"Expected one or more of --models, by name and name of the weights, each "
                    f"once, got {asked[name]} and {text}, which are both {name}: leave one of them "
                    "out, or rename its file."
                )
            asked[name] = text
            found[name] = _network(name, spec, records)
    return list(found.values())


def weights_title(weights: str) -> str:
    """Name of weights in tables: the file's, or its folder's where every training's file has it.

    Examples
    --------
    >>> weights_title("rafdb"), weights_title("mine/best.pt")
    ('rafdb', 'best.pt')
    >>> weights_title("runs/gimefive-rafdb-seed0/weights.safetensors")
    'gimefive-rafdb-seed0'
    """
    path = Path(weights)
    return path.parent.name if path.name == WEIGHTS and path.parent.name else path.name


def _with_weights(spec: ModelSpec) -> list[ModelSpec]:
    if spec.weights is not None:
        return [spec]
    shipped = [name for name in shipped_weights() if name.startswith(f"{spec.name}-")]
    if not shipped:
        load_model(spec.name)  # an unknown name is the likelier mistake
        raise InputError(
            f"Expected weights of {spec.name}, but none are shipped: train them (python -m "
            f"training.run --model {spec.name} …) and pass --models {spec.name}=PATH."
        )
    names = [name.removeprefix(f"{spec.name}-") for name in shipped]
    return [replace(spec, weights=name) for name in names]


def _network(name: str, spec: ModelSpec, records: Path) -> Network:
    weights = spec.weights or ""
    return Network(
        name=name,
        row=name,
        architecture=spec.name,
        training=training_of(spec.name, weights, records=records),
        load=spec.load,
    )
