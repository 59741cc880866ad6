"""Do attributions depend on what the model has learned, and are they stable?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pandas as pd
import torch
import tyro
from numpy.typing import NDArray
from rich.progress import Progress
from torch import Tensor

from fer_xai.attributions import CONTROLS, explain
from fer_xai.data.splits import face_groups
from fer_xai.errors import InputError
from fer_xai.landmarks import face_regions
from fer_xai.models import load_model
from fer_xai.models.checkpoints import file_digest
from fer_xai.probe import Probe
from fer_xai.types import Faces
from metrics.evaluation import calibration_images
from metrics.gate import Gate, randomisation_gate
from metrics.ledger import Ledger
from metrics.randomisation import model_contrast
from metrics.statistics import mean_interval
from studies import store
from studies.registry import QUESTIONS, STUDIES
from studies.report import Table
from studies.scoreboard import REMADE, Scoreboard
from studies.scored import ScoredStudy


@STUDIES.register("sanity_checks")
@dataclass(frozen=True, kw_only=True)
class SanityChecks(ScoredStudy):
    """Do attributions depend on what the model has learned, and are they stable?

    Declared before looking: the randomisation gate. A method fails where its maps are more like
    those of wholly random networks than moved and mirrored copies of these are (the 95th percentile
    of that null); a method that fails gets no rank.
    """

    name: ClassVar[str] = "sanity_checks"
    question: ClassVar[str] = QUESTIONS["sanity_checks"]
    primary: ClassVar[str] = "mprt_last"
    told: ClassVar[tuple[str, ...]] = (
        "The gate, declared before looking: mean Spearman of each face's map with those of wholly "
        "random networks (every parameter drawn anew, BatchNorm statistics taken from the faces), "
        "against the 95th percentile of the same after the random networks' maps were moved by a "
        "quarter of the side or more and mirrored.",
    )
    caveats: ClassVar[tuple[str, ...]] = (
        "The gate is no score: noise passes it, and so does a method that depends on the weights "
        "and on nothing else that matters.",
    )

    metrics: tuple[str, ...] = (
        "mprt",
        "mprt_last",
        "emprt",
        "random_logit",
        "sensitivity_max",
        "sensitivity_mean",
        "gini",
        "entropy",
        "effective_complexity",
        "total_variation",
    )
    """Names of metrics."""
    limit: int = 24
    """At most this many faces with landmarks, with the emotions' shares kept."""
    networks: int = 10
    """Wholly random networks of the gate."""
    random_labels: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=WEIGHTS …")] = ()
    """Models trained on permuted labels (training.run --permute-labels), whose maps are held
    against those of the trained ones."""

    def beyond(
        self,
        probe: Probe,
        faces: Faces,
        *,
        model: str,
        board: Scoreboard,
        folder: Path,
        bar: Progress,
    ) -> tuple[str, list[Table]]:
        """The gate, a method at a time; controls whose verdict is known stand beside them."""
        names = [*(m for m in self.methods if m not in board.refused), *REMADE]
        asked = _Asked.of(probe, faces, rule=self.targets, seed=self.seed)
        calibration = calibration_images(faces.ids, lambda chosen: asked.images[chosen])
        explainers = board.explainers(probe, faces, asked.regions, names)
        task = bar.add_task(f"{model}: gate", total=len(names))
        rows = []
        for name in names:

            def make(name: str = name) -> dict[str, NDArray[Any]]:
                found = randomisation_gate(
                    Ledger(probe, asked.images, ids=faces.ids, seed=self.seed), asked.images,
                    asked.maps(probe, name), asked.targets, explainers[name],
                    networks=self.networks, calibration=calibration,
                )  # fmt: skip
                return {"similarity": found.similarity.numpy(), "null": found.null.numpy()}

            kept = store.once(folder / "shards" / model / f"gate-{name}.npz", make)
            gate = Gate(**{key: torch.from_numpy(values) for key, values in kept.items()})
            rows.append(
                {
                    "model": model,
                    "method": name,
                    "control": name in CONTROLS,
                    "gate": "passes" if gate.passed else "fails",
                    "similarity": gate.mean,
                    "threshold": gate.threshold,
                    "faces above": gate.share_above,
                    "undefined": gate.blank,
                }
            )
            bar.advance(task)
        table = pd.DataFrame(rows).sort_values(["control", "similarity"]).reset_index(drop=True)
        gate_table = Table(
            name="gate",
            frame=table,
            caption="Mean Spearman of each face's map with those of "
            f"{self.networks} wholly random networks, and the 95th percentile of the null: "
            "the random networks' maps moved and mirrored. Above it a method fails. Faces "
            "above: share whose own mean lies above the threshold. Undefined: faces without "
            f"a map, of {len(faces)}. Edges, centre and uniform maps do not look at the "
            "network: the first two must fail, the third has no similarity.",
        )
        nonsense = self._data_randomisation(asked, probe, model=model, board=board)
        return _sentence(model, table), [gate_table, *nonsense]

    def config(self) -> dict[str, Any]:
        """The settings that results depend on; weights are told apart by content."""
        digests = [f"{name}={file_digest(Path(path))}" for name, path in self._nonsense().items()]
        return super().config() | {"random_labels": digests}

    def _nonsense(self) -> dict[str, str]:
        """Weights of networks trained on permuted labels, by model."""
        found = {}
        for text in self.random_labels:
            name, _, path = text.partition("=")
            if not Path(path).is_file():
                raise InputError(
                    f"Expected --random-labels NAME=WEIGHTS, with a file of weights, got {text!r}."
                )
            found[name] = path
        return found

    def _data_randomisation(
        self, asked: _Asked, probe: Probe, *, model: str, board: Scoreboard
    ) -> list[Table]:
        """Likeness of each method's maps with those of a network that was taught nonsense."""
        path = self._nonsense().get(model)
        if path is None:
            return []
        other = Probe(load_model(model, weights=path), device=str(probe.device))
        rows = []
        for name in (m for m in self.methods if m not in board.refused):
            one, two = (asked.maps(network, name) for network in (probe, other))
            clusters = face_groups(asked.faces).tolist()
            found = mean_interval(model_contrast(one, two), clusters=clusters)
            rows.append(
                {"model": model, "method": name, "similarity": found.estimate,
                 "similarity low": found.low, "similarity high": found.high}
            )  # fmt: skip
        return [
            Table(
                name="data_randomisation",
                frame=pd.DataFrame(rows).sort_values("similarity"),
                caption="Mean Spearman of each face's map with that of a network of the same "
                "architecture trained on permuted labels; lower is better. Unit: the face, "
                "95 % intervals by infinitesimal jackknife.",
            )
        ]


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Faces, and what is explained of them."""

    faces: Faces
    images: Tensor
    targets: Tensor
    regions: Tensor | None
    seed: int

    @classmethod
    def of(cls, probe: Probe, faces: Faces, *, rule: str, seed: int) -> _Asked:
        """By a network's own answers, or by the labels."""
        size = probe.model.size
        images = faces.pixels(size).float() / 255
        known = faces.landmarks is not None
        answers = probe.model.canonical(probe.logits(images).argmax(dim=1))
        return cls(
            faces=faces,
            images=images,
            targets=faces.labels if rule == "true" else answers,
            regions=face_regions(faces.landmarks_at(size), size=size) if known else None,
            seed=seed,
        )

    def maps(self, probe: Probe, method: str) -> Tensor:
        """Of a network, ``(N, H, W)``."""
        return explain(
            probe, self.images, method=method, targets=self.targets, regions=self.regions,
            ids=self.faces.ids, seed=self.seed,
        ).maps  # fmt: skip


def _sentence(model: str, table: pd.DataFrame) -> str:
    methods = table[~table["control"]]
    failed = methods.loc[methods["gate"] == "fails", "method"]
    stopped = f"; it stops {', '.join(failed)}" if len(failed) else ""
    return (
        f"{model}: {len(methods) - len(failed)} of {len(methods)} methods pass the randomisation "
        f"gate{stopped}."
    )
