"""Does a model recognise emotions on data sets that it was not trained on?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
import tyro
from numpy.typing import NDArray

from fer_xai.checks import resolve_device
from fer_xai.data.synthetic import STYLES
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.digests import faces_digests, model_digest
from studies.engine.domains import different
from studies.engine.endpoints import PERSON, Endpoint
from studies.engine.model_options import Models
from studies.engine.options import Progress
from studies.engine.scope import DataSets
from studies.engine.specs import SYNTHETIC, DataSpec
from studies.engine.trained import TrainedStudy
from studies.questions.cross_dataset.copies import TrainingFaces, files_of
from studies.questions.cross_dataset.networks import Network, given
from studies.questions.cross_dataset.report import write_report
from studies.questions.cross_dataset.scores import Cell
from studies.questions.cross_dataset.tested import SPLIT, DataColumn, data_title, left_out, read
from studies.questions.cross_dataset.trained import asked, editions, networks_of
from studies.registry import STUDIES
from studies.reporting.trainings import caveats_of, facts_of, method_of
from training.grid import Training, done_of, known_models
from training.missing import train_missing
from training.plan import say_plan
from training.recipes import Overrides
from training.scoring import logits_of
from training.variants import Column, TrainingOptions, Variant

ARCHITECTURE = "gimefive"
"""Network that is trained where none is named."""
BUILT_IN = tuple(f"{SYNTHETIC}:{style}" for style in STYLES)
"""Data sets of a run for which none is named: the styles of built-in faces."""
ONE_SEED = TrainingOptions(seeds=(0,))
QUICK_MODEL, QUICK_SIZE, QUICK_FACES = "gimefive-depth4", 32, 720
QUICK = Overrides(epochs=12, batch_size=32, dropout_from=1.0, augmentation="flip")
"""Network, side of its images, training faces of a data set, and recipe where nothing is named: so
small that the built-in styles take minutes."""
SMALL = (
    f"Nothing was named, so a small network was trained for a few epochs on {QUICK_FACES} faces of "
    "each built-in style: its accuracy says nothing of what GiMeFive can do."
)


@STUDIES.register("cross_dataset")
@dataclass(frozen=True, kw_only=True)
class CrossDataset(TrainedStudy, Progress, DataSets, Models):
    """Does a model recognise emotions on data sets that it was not trained on?

    Every network is tried on the test faces of every data set, on the emotions that all of them
    have. Networks are weights that are there (``--models``), or are trained on each of several data
    sets, and on all but one of them (``--train-on``). Without either, a small network is trained on
    few faces of each style of the built-in ones: that takes minutes and shows what the study does.

    Models are named with their weights (``gimefive=rafdb``, ``gimefive=PATH``); a name alone means
    all weights that are shipped for it.

    Examples
    --------
    >>> study = CrossDataset(models=("gimefive=rafdb",), data=("synthetic",))
    >>> study.data_specs[0].dataset, study.quick, CrossDataset().quick
    ('synthetic', False, True)
    """

    name: ClassVar[str] = "cross_dataset"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="accuracy on test faces of the data set trained on, less that on another data "
        "set, over the common emotions",
        unit=PERSON,
        family="each network and data set by itself",
        interval="95 %, bounds recovered from Wilson's of the two accuracies; over trainings "
        "Student's t from five on",
        holds="nothing is claimed: gaps are stated with their intervals",
        sensitivity="the same at the in-domain shares of emotions, against networks trained there, "
        "and without copies of training faces",
    )

    models: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME[=WEIGHTS] …")] = ()
    data: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME[:ROOT][@SOURCE] …")] = ()
    train_on: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME[:ROOT][@SOURCE] …")] = ()
    """Data sets to train a network on, one by one; the folder of an aggregate stands for both of
    its editions. They are tested on, too, unless --data says otherwise."""
    leave_one_out: bool = True
    """Also train on all of --train-on but one, pooled, for each of three or more."""
    architecture: str = ARCHITECTURE
    """Network that is trained."""
    options: Annotated[
        tyro.conf.OmitArgPrefixes[TrainingOptions], tyro.conf.arg(name="training")
    ] = ONE_SEED

    @property
    def data_specs(self) -> list[DataSpec]:
        """The data sets that are tested on: by default those that are trained on."""
        return [DataSpec.parse(text) for text in self._tested_on()]

    def _tested_on(self) -> list[str]:
        """Data sets as they are written; both editions of an aggregate that is trained on."""
        return list(self.data) or [_written(column) for column in self._trained_on()]

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        if self.data and not (self.models or self.train_on):
            raise InputError(
                "Expected --models whose weights are tested on --data, or --train-on data sets to "
                "train on, got neither: name gimefive=rafdb, or a file of weights."
            )
        for texts in (self._tested_on(), [_written(column) for column in self._trained_on()]):
            different([DataSpec.parse(text) for text in texts], texts)

    def config(self) -> dict[str, Any]:
        """Options that identify a run, for its manifest and digest."""
        options = self._options()
        found = {
            "models": [network.name for network in self._given()],
            "data": [data_title(spec) for spec in self.data_specs],
            "split": SPLIT,
            "limit": options.limit,
            "device": resolve_device(options.device).type,
            **self.declaration(),
        }
        columns = self._trained_on()
        if columns:
            found |= {
                "train_on": [column.name for column in columns],
                "leave_one_out": self.leave_one_out,
                "architecture": self._variant().name,
                "size": self._variant().size,
                "seeds": list(options.seeds),
                **options.settings(),
            }
        return found

    @property
    def quick(self) -> bool:
        """Whether nothing is named, so that the built-in styles are trained on for minutes."""
        return not (self.models or self.data or self.train_on)

    def _options(self) -> TrainingOptions:
        """How networks are trained: quickly, where nothing is named."""
        if not self.quick:
            return self.options
        mine = {name: one for name, one in vars(self.options.overrides).items() if one is not None}
        return dataclasses.replace(
            self.options,
            overrides=dataclasses.replace(QUICK, **mine),
            limit=self.options.limit or QUICK_FACES,
            precision="fp32",
        )

    def _variant(self) -> Variant:
        if self.quick and self.architecture == ARCHITECTURE:
            return Variant(name=QUICK_MODEL, model=QUICK_MODEL, size=QUICK_SIZE)
        return Variant(name=self.architecture, model=self.architecture)

    def _trained_on(self) -> list[Column]:
        return editions(BUILT_IN if self.quick else self.train_on)

    def _given(self) -> list[Network]:
        return given(self.models, records=self.options.records, convention=self.convention)

    def run(self) -> Path:
        """Train what is missing, try every network on every data set; returns the folder.

        Raises
        ------
        InputError
            For options that do not fit together, data that cannot be used, weights that are not
            there, or fewer than two common emotions.
        """
        self.check()
        networks, done = self._given(), self._trained()
        if self.dry_run:
            return Path()
        networks += networks_of(done)
        return self._tried(networks, self.data_specs, done)

    def _trained(self) -> list[Training]:
        """The trainings of the study that have ended; those that are missing are made first."""
        columns = self._trained_on()
        if not columns:
            return []
        options = self._options()
        known_models([self._variant().model])
        cells = asked(options, columns, self._variant(), leave_one_out=self.leave_one_out)
        if self.dry_run:
            say_plan(cells)
            return []
        for cell in cells[:: len(options.seeds)]:
            if cell.faces is not None:
                cell.faces.check()
                check_apart(cell.column.name, cell.faces.train, cell.faces.test)
        if options.train:
            train_missing(cells, hours=options.hours)
        return done_of(cells, cells)

    def _tried(
        self, networks: Sequence[Network], data: Sequence[DataSpec], done: Sequence[Training]
    ) -> Path:
        """Every network on every data set."""
        models = {network.name: network.load() for network in networks}
        known = {name: model.emotions for name, model in models.items()}
        tested, common = read(
            data,
            known,
            limit=self._options().limit,
            subject_pattern=self.options.subject_pattern,
            skip_bad=self.options.skip_bad,
        )
        digests = {name: model_digest(model) for name, model in models.items()}
        sizes = sorted({model.size for model in models.values()})
        faces = {one.name: faces_digests(one.faces, sizes) for one in tested}
        cells: list[Cell] = []
        with self.opened({"models": digests, "faces": faces}, SPLIT) as run:
            task = run.bar.add_task("networks × data sets", total=len(networks) * len(tested))
            at_hand, device = TrainingFaces(data), self.options.device
            for network in networks:
                model = models[network.name]
                for one in tested:
                    key = store.digest([digests[network.name], faces[one.name], device])
                    outputs = partial(_outputs, model, one, device)
                    kept = store.once(run.folder / "shards" / f"{key}.npz", outputs)
                    cells.append(
                        Cell(
                            network=network,
                            tested=one,
                            logits=torch.from_numpy(kept["logits"]),
                            outputs=model.emotions,
                            common=common,
                            copies=at_hand.copies(network, one, run.folder / "shards"),
                            stands=at_hand.relation(network, one),
                        )
                    )
                    run.bar.advance(task)
            run.manifest["trainings"] = {cell.folder.name: cell.facts() for cell in done}
        said = write_report(
            run.folder,
            run.manifest,
            cells,
            left_out(tested, known, common),
            more=_facts(cells) | (facts_of(run.manifest, done) if done else {}),
            method=method_of(run.manifest, done) if done else [],
            caveats=[*([SMALL] if self.quick else []), *caveats_of(done)],
        )
        return run.complete(said)


def _outputs(model: FERModel, one: DataColumn, device: str) -> dict[str, NDArray[Any]]:
    """Outputs of a network on test faces."""
    return {"logits": logits_of(Predictor(model, device=device), one.faces).numpy()}


def check_apart(name: str, train: Faces, test: Faces) -> None:
    """Refuse a data set whose test faces are among its training faces.

    Parameters
    ----------
    name
        Its name.
    train, test
        Its faces.

    Raises
    ------
    InputError
        Before anything is trained.

    Examples
    --------
    >>> from fer_xai.data import load_dataset
    >>> faces = [load_dataset("synthetic", split=split, limit=2) for split in ("train", "test")]
    >>> check_apart("synthetic", *faces)
    """
    if shared := files_of(train) & files_of(test):
        raise InputError(
            f"Expected test faces apart from those trained on, but {len(shared)} files of {name} "
            "are both: write #test_share=0.2 after its root to keep a fifth of the persons for "
            "tests, or leave it out of --train-on."
        )


def _written(column: Column) -> str:
    """A data set as ``NAME[:ROOT][@SOURCE]``."""
    return column.data + (f"@{column.source}" if column.source else "")


def _facts(cells: Sequence[Cell]) -> dict[str, str]:
    """The networks whose training faces are not known, for the line of facts."""
    unknown = [cell.network.name for cell in cells if cell.network.training.domains is None]
    names = ", ".join(dict.fromkeys(unknown))
    return {"Trained on unknown faces (no card)": names} if names else {}
