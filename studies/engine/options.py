"""Options that several studies share: each is declared and checked here alone.

A study inherits the groups that it needs. Each group checks its own options (:meth:`Options.check`)
and says what they contribute to a run's identity (:meth:`Options.config`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tyro

from fer_xai.checks import check_count, check_number, resolve_device
from fer_xai.data.subjects import check_subject_pattern
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.types import Faces
from studies.engine.classes import asked_for
from studies.engine.explained import TargetRule
from studies.engine.points import AUTO, PointsSource
from studies.engine.specs import SYNTHETIC, DataSpec

NO_MATTER = ("out", "progress", "dry_run", "batch_size", "in_words", "convention")
"""Options that change no result, or that other entries of a manifest show (models' digests)."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The root of all groups of options."""

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed.

        Raises
        ------
        InputError
            For options that cannot be used.
        """

    def config(self) -> dict[str, Any]:
        """Options that identify a run, for its manifest and digest.

        Files are identified by their content, not by where they lie: see the manifest's inputs.
        """
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in NO_MATTER
        }


@dataclass(frozen=True, kw_only=True)
class Progress(Options):
    """Whether progress is shown."""

    progress: bool = True
    """Show progress bars, or a line every half minute where there is no terminal."""


@dataclass(frozen=True, kw_only=True)
class DryRun(Options):
    """Whether the plan alone is printed.

    Examples
    --------
    >>> DryRun(dry_run=True).config()
    {}
    """

    dry_run: bool = False
    """Print only what would be run, and for how long."""


@dataclass(frozen=True, kw_only=True)
class Seed(Options):
    """The seed of a study.

    Examples
    --------
    >>> Seed(seed=3).config()
    {'seed': 3}
    """

    seed: int = 0
    """Seed of everything random: the sample of faces, controls, fills, ties and random methods."""

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        check_number("--seed", self.seed, 0, ends=True)


@dataclass(frozen=True, kw_only=True)
class Device(Options):
    """The device of a study.

    Examples
    --------
    >>> Device(device="cpu").config()
    {'device': 'cpu'}
    """

    device: str = "auto"
    """auto, cpu, cuda or mps."""

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        resolve_device(self.device)

    def config(self) -> dict[str, Any]:
        """Options that identify a run, for its manifest and digest."""
        return super().config() | {"device": resolve_device(self.device).type}


@dataclass(frozen=True, kw_only=True)
class Passes(Device):
    """How images are passed through a network.

    Examples
    --------
    >>> Passes(device="cpu").config()
    {'device': 'cpu', 'precision': 'fp32'}
    """

    batch_size: int | None = None
    """Images a pass; by default found by a short measurement, and kept when a run is continued."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of the forward pass."""

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        if self.batch_size is not None:
            check_count("--batch-size", self.batch_size)

    def predictor(self, model: FERModel, *, batch_size: int | None = None) -> Predictor:
        """A predictor of a model.

        Parameters
        ----------
        model
            The model.
        batch_size
            The one that a run which is continued has recorded; it stands for an option left out.
        """
        return Predictor(
            model,
            device=self.device,
            precision=self.precision,
            batch_size=self.batch_size or batch_size,
        )


@dataclass(frozen=True, kw_only=True)
class Targets(Options):
    """The emotion whose explanations a study looks at.

    Examples
    --------
    >>> Targets(targets="true").config()
    {'targets': 'true'}
    """

    targets: TargetRule = "predicted"
    """Which emotion of a face is explained."""


@dataclass(frozen=True, kw_only=True)
class Margin(Options):
    """Size from which a gain matters, declared before anything is scored.

    Examples
    --------
    >>> Margin(margin=0.02).check()
    >>> Margin(margin=0.0).check()
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected --margin above 0, got 0.0.
    """

    margin: float | None = None
    """Gain over the centre control below which a method counts as no different, declared now."""

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        if self.margin is not None:
            check_number("--margin", self.margin, 0)


@dataclass(frozen=True, kw_only=True)
class Landmarks(Options):
    """Where the landmarks of faces come from.

    Examples
    --------
    >>> Landmarks(landmarks="template").config()["landmarks"]
    'template, approximate'
    """

    landmarks: Annotated[str | Path | None, tyro.conf.arg(metavar="auto|PROVIDER|FILE")] = AUTO
    """CSV[.gz] of 68 points a face, or the name of a landmark provider; by default real faces are
    located by 'builtin' where its weights are shipped, and built-in faces bring their own."""
    landmarks_size: int | None = None
    """Side of the images the landmarks were measured on, if it is not that of the faces."""

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        if self.landmarks_size is not None:
            check_count("--landmarks-size", self.landmarks_size)
        self.points_source.check(self.landmarks_size)

    @property
    def built_in_faces(self) -> bool:
        """Whether the faces bring exact landmarks."""
        return False

    @property
    def points_source(self) -> PointsSource:
        """The file or provider that is meant."""
        return PointsSource.chosen(self.landmarks, built_in=self.built_in_faces)

    def config(self) -> dict[str, Any]:
        """Options that identify a run, for its manifest and digest."""
        return super().config() | {"landmarks": self.points_source.name}


@dataclass(frozen=True, kw_only=True)
class Data(Landmarks):
    """The faces of a study."""

    data: Annotated[str, tyro.conf.arg(metavar="NAME[:ROOT][@SOURCE]")] = "synthetic"
    """Dataset, such as rafdb:ROOT, or one source of a benchmark, such as gimefive:ROOT@rafdb."""
    split: str = "test"
    """train, valid or test."""
    source: str | None = None
    """Only the faces of this source dataset of a benchmark (also written --data …@SOURCE)."""
    subject_pattern: Annotated[str | None, tyro.conf.arg(metavar="REGEX")] = None
    """Regular expression with the named groups subject, sequence or both, searched in each file's
    path below the root; by default persons are read from the names of well-known data sets."""
    skip_bad: bool = False
    """Leave damaged or missing images out and list them, instead of stopping."""
    classes: Annotated[str | None, tyro.conf.arg(metavar="six | seven | eight | A,B,…")] = None
    """Emotions whose faces are taken: six, seven (with neutral), eight (with contempt), a label
    order, or some with commas. The six if left out; an audit takes all that its model names."""
    six_alone: ClassVar[bool] = False
    """Whether the study is about the six alone."""

    @property
    def asked_emotions(self) -> tuple[str, ...]:
        """The emotions that are asked for, in canonical order."""
        return asked_for(self.classes)

    @property
    def data_spec(self) -> DataSpec:
        """The dataset and its source."""
        return DataSpec.parse(self.data, source=self.source)

    @property
    def built_in_faces(self) -> bool:
        """Whether the faces bring exact landmarks."""
        return self.data_spec.dataset == SYNTHETIC

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        _ = self.data_spec
        if self.subject_pattern is not None:
            check_subject_pattern(self.subject_pattern)
        if not set(self.asked_emotions) <= set(SIX) and self.six_alone:
            raise InputError(
                f"Expected --classes among {', '.join(SIX)} in this study, got {self.classes}."
            )

    def config(self) -> dict[str, Any]:
        """Options that identify a run, for its manifest and digest."""
        spec = self.data_spec
        found = super().config() | {"data": spec.identity, "source": spec.source}
        if self.subject_pattern is None:  # runs of before it have no such option
            del found["subject_pattern"]
        if self.classes is None:
            del found["classes"]
        return found

    def load_faces(
        self,
        *,
        emotions: tuple[str, ...] | None = None,
        limit: int | None = None,
        seed: int = 0,
    ) -> Faces:
        """The faces that the options name, of the emotions that are asked for if no others are.

        Raises
        ------
        InputError
            For data that cannot be used.
        """
        points = self.points_source
        faces = self.data_spec.load(
            split=self.split,
            landmarks=points.file,
            landmarks_size=self.landmarks_size,
            emotions=self.asked_emotions if emotions is None else emotions,
            subject_pattern=self.subject_pattern,
            skip_bad=self.skip_bad,
            limit=limit,
            seed=seed,
        )
        return points.located(faces)
