"""Models and data by name: ``NAME[=WEIGHTS][#CONVENTION]``, ``NAME[:ROOT][#OPTIONS][@SOURCE]``.

Both are parsed once, where options are read; everything behind asks these objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fer_xai.data import load_dataset
from fer_xai.data.spec import DatasetSpec
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.models import FERModel, load_model, shipped_weights
from fer_xai.models.conventions import convention
from fer_xai.models.hugging_face import HUGGING_FACE
from fer_xai.models.loading import OWN
from fer_xai.types import Faces
from training.variants import Column

SYNTHETIC = "synthetic"
"""Name of the built-in faces, and of the weights that were trained on them."""


@dataclass(frozen=True)
class DataSpec:
    """A dataset, where it lies, and which of its sources is meant.

    Attributes
    ----------
    dataset
        A name of :data:`fer_xai.data.DATASETS`.
    root
        Its folder or file (the style, for built-in faces); empty where none was given.
    source
        The source dataset, of a benchmark put together from several; None for all of them.
    options
        Options of the data set and emotions of its labels, ``#neutral=first``; "" where none are.

    Examples
    --------
    >>> data = DataSpec.parse("gimefive:/data/bench@rafdb")
    >>> data.location, data.identity, data.weights
    ('gimefive:/data/bench', 'gimefive', 'rafdb')
    """

    dataset: str
    root: str = ""
    source: str | None = None
    options: str = ""

    @classmethod
    def parse(cls, text: str, *, source: str | None = None) -> DataSpec:
        """Read ``NAME[:ROOT][#OPTIONS][@SOURCE]``; the last @ may belong to the path.

        Parameters
        ----------
        text
            The option ``--data``.
        source
            The option ``--source``, another way to name the source.

        Raises
        ------
        InputError
            If two different sources are named.

        Examples
        --------
        >>> DataSpec.parse("gimefive:/data/bench@rafdb")
        DataSpec(dataset='gimefive', root='/data/bench', source='rafdb', options='')
        >>> DataSpec.parse("gimefive:/data/bench", source="rafdb") == _
        True
        """
        column = Column.parse(text)
        if source is not None and column.source not in (None, source):
            raise InputError(
                f"Expected one source of faces, got {column.source} in --data {text} and {source} "
                "in --source: name it once."
            )
        spec = DatasetSpec.parse(column.data)
        return cls(spec.name, spec.root, column.source or source, spec.suffix)

    @property
    def location(self) -> str:
        """``NAME[:ROOT][#OPTIONS]``, as :func:`fer_xai.data.load_dataset` takes it."""
        place = f"{self.dataset}:{self.root}" if self.root else self.dataset
        return place + self.options

    @property
    def identity(self) -> str:
        """The data's name in a manifest: wherever it lies, but with its options, and the style of
        built-in faces.
        """
        return self.location if self.dataset == SYNTHETIC else self.dataset + self.options

    @property
    def weights(self) -> str:
        """Name of the shipped weights that were trained on this data, if there are any.

        A folder of a user's own has none, whatever it is called.

        Examples
        --------
        >>> DataSpec.parse("synthetic:lab").weights
        'synthetic'
        >>> DataSpec.parse("gimefive:/data/bench@RAF-DB").weights
        'rafdb'
        """
        if self.dataset == SYNTHETIC:
            return SYNTHETIC
        name = self.source or self.dataset
        return "".join(letter for letter in name.lower() if letter.isalnum())

    def load(
        self,
        *,
        split: str = "test",
        landmarks: Path | None = None,
        landmarks_size: int | None = None,
        emotions: Sequence[str] = SIX,
        subject_pattern: str | None = None,
        skip_bad: bool = False,
        limit: int | None = None,
        seed: int = 0,
    ) -> Faces:
        """The faces: see :func:`fer_xai.data.load_dataset`, which takes the same options."""
        return load_dataset(
            self.location,
            split=split,
            source=self.source,
            landmarks=landmarks,
            landmarks_size=landmarks_size,
            emotions=emotions,
            subject_pattern=subject_pattern,
            skip_bad=skip_bad,
            limit=limit,
            seed=seed,
        )


@dataclass(frozen=True)
class ModelSpec:
    """A model by name, and its weights.

    Attributes
    ----------
    name
        A name of :data:`fer_xai.models.MODELS`.
    weights
        A checkpoint's path or the name of shipped weights; None where they follow the data.
    convention
        Name or TOML file of the convention by which it is fed and read; None for the model's own.

    Examples
    --------
    >>> data = DataSpec.parse("gimefive:/data/bench@rafdb")
    >>> ModelSpec.parse("resnet18").weights_for(data, option="--models")
    'rafdb'
    """

    name: str
    weights: str | None = None
    convention: str | None = None

    @classmethod
    def parse(cls, text: str) -> ModelSpec:
        """Read ``NAME[=WEIGHTS][#CONVENTION]``.

        Raises
        ------
        UnknownNameError, InputError
            For a convention that cannot be used.

        Examples
        --------
        >>> ModelSpec.parse("resnet18=runs/a=b.pt")
        ModelSpec(name='resnet18', weights='runs/a=b.pt', convention=None)
        >>> ModelSpec.parse("resnet18=mine.pt#resemotenet").convention
        'resemotenet'
        """
        name, _, weights = text.partition("=")
        before, mark, told = text.rpartition("#")
        if not mark or Path(weights).exists():
            return cls(name, weights or None)
        convention(told)
        name, _, weights = before.partition("=")
        return cls(name, weights or None, told)

    @property
    def shipped(self) -> bool:
        """Whether its weights come with the package."""
        return f"{self.name}-{self.weights}" in shipped_weights()

    def fed_by(self, told: str | None) -> ModelSpec:
        """The model by a convention, unless it has one, or its weights are shipped.

        Parameters
        ----------
        told
            The option ``--convention``.

        Examples
        --------
        >>> ModelSpec("resnet18", "mine.pt").fed_by("resemotenet").convention
        'resemotenet'
        >>> ModelSpec("resnet18", "rafdb").fed_by("resemotenet").convention
        """
        if told is None or self.convention is not None or self.weights is None or self.shipped:
            return self
        return replace(self, convention=told)

    def load(self, *, seed: int = 0) -> FERModel:
        """The model with its weights.

        Parameters
        ----------
        seed
            Seed of the initialisation, where it has none.

        Raises
        ------
        UnknownNameError, InputError
            See :func:`fer_xai.load_model`.

        Examples
        --------
        >>> ModelSpec("gimefive", "rafdb").load().emotions[0]
        'happiness'
        """
        return load_model(self.name, weights=self.weights, seed=seed, convention=self.convention)

    def weights_for(self, data: DataSpec, *, option: str) -> str:
        """The weights that were named, else those that are shipped for the data.

        Parameters
        ----------
        data
            The faces that the model is to recognise.
        option
            The option that names weights, for the sentence.

        Raises
        ------
        UnknownNameError, InputError
            For an unknown model, or where no weights are shipped for this data: others were trained
            on other data, and have to be asked for.
        """
        if self.weights is not None:
            return self.weights
        if self.name.startswith(HUGGING_FACE):
            return OWN
        shipped = [name for name in shipped_weights() if name.startswith(f"{self.name}-")]
        if f"{self.name}-{data.weights}" not in shipped:
            load_model(self.name)  # an unknown name is the likelier mistake
            known = ", ".join(name.removeprefix(f"{self.name}-") for name in shipped)
            others = f" (those for {known} are: name one of them if you mean it)" if known else ""
            raise InputError(
                f"Expected weights of {self.name} for {data.weights}, but none are "
                f"shipped{others}: train them (python -m training.run --model {self.name} …) and "
                f"pass {option}."
            )
        return data.weights
