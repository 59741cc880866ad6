"""Does a model recognise emotions on data sets that it was not trained on?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
import tyro
from numpy.typing import NDArray

from fer_xai.checks import resolve_device
from fer_xai.data.duplicates import copies_of
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.digests import faces_digests, model_digest
from studies.engine.endpoints import PERSON, Endpoint
from studies.engine.options import Progress
from studies.engine.specs import DataSpec
from studies.engine.trained import TrainedStudy
from studies.questions.cross_dataset.copies import TrainingFaces
from studies.questions.cross_dataset.networks import Network, given
from studies.questions.cross_dataset.report import write_report
from studies.questions.cross_dataset.scores import Cell
from studies.questions.cross_dataset.tested import SPLIT, DataColumn, data_title, left_out, read
from studies.registry import STUDIES
from training.scoring import logits_of


@STUDIES.register("cross_dataset")
@dataclass(frozen=True, kw_only=True)
class CrossDataset(TrainedStudy, Progress):
    """Does a model recognise emotions on data sets that it was not trained on?

    Every network is tried on the test faces of every data set, on the emotions that all of them
    have.
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
    """Trained models: names with a checkpoint's path or the name of shipped weights; a name alone
    means all weights that are shipped for it."""
    data: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME[:ROOT][@SOURCE] …")] = ()
    """Data sets to test on, such as rafdb:ROOT, or one source of a benchmark, such as
    gimefive:ROOT@rafdb."""

    @property
    def data_specs(self) -> list[DataSpec]:
        """The data sets that are tested on."""
        return [DataSpec.parse(text) for text in self.data]

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        titles: dict[str, str] = {}
        for text, spec in zip(self.data, self.data_specs, strict=True):
            before = titles.setdefault(data_title(spec), text)
            if before != text or self.data.count(text) > 1:
                raise InputError(
                    f"Expected --data of different names, each once, got {before} and {text}, "
                    f"whose columns would both be named {data_title(spec)}: score one of them in "
                    "a run of its own."
                )

    def config(self) -> dict[str, Any]:
        """Options that identify a run, for its manifest and digest."""
        return {
            "models": [network.name for network in self._given()],
            "data": [data_title(spec) for spec in self.data_specs],
            "split": SPLIT,
            "limit": self.options.limit,
            "device": resolve_device(self.options.device).type,
            **self.declaration(),
        }

    def _given(self) -> list[Network]:
        return given(self.models, records=self.options.records)

    def run(self) -> Path:
        """Train what is missing, try every network on every data set; returns the folder.

        Raises
        ------
        InputError
            For options that do not fit together, data that cannot be used, weights that are not
            there, or fewer than two common emotions.
        """
        self.check()
        networks = self._given()
        return self._tried(networks, self.data_specs)

    def _tried(self, networks: Sequence[Network], data: Sequence[DataSpec]) -> Path:
        """Every network on every data set."""
        models = {network.name: network.load() for network in networks}
        known = {name: model.emotions for name, model in models.items()}
        tested, common = read(
            data,
            known,
            limit=self.options.limit,
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
                model, learned = models[network.name], at_hand.of(network)
                for one in tested:
                    key = store.digest([digests[network.name], faces[one.name], device])
                    place = run.folder / "shards" / f"{key}.npz"
                    kept = store.once(place, partial(_outputs, model, one, learned, device))
                    cells.append(
                        Cell(
                            network=network,
                            tested=one,
                            logits=torch.from_numpy(kept["logits"]),
                            outputs=model.emotions,
                            common=common,
                            copies=kept.get("copies"),
                        )
                    )
                    run.bar.advance(task)
        said = write_report(
            run.folder, run.manifest, cells, left_out(tested, known, common), more=_facts(cells)
        )
        return run.complete(said)


def _outputs(
    model: FERModel, one: DataColumn, learned: Faces | None, device: str
) -> dict[str, NDArray[Any]]:
    """Outputs of a network on test faces, and which of them are copies of its training faces."""
    made: dict[str, NDArray[Any]] = {
        "logits": logits_of(Predictor(model, device=device), one.faces).numpy()
    }
    if learned is not None:
        made["copies"] = copies_of(one.faces, learned)
    return made


def _facts(cells: Sequence[Cell]) -> dict[str, str]:
    """The networks whose training faces are not known, for the line of facts."""
    unknown = [cell.network.name for cell in cells if cell.network.training.domains is None]
    names = ", ".join(dict.fromkeys(unknown))
    return {"Trained on unknown faces (no card)": names} if names else {}
