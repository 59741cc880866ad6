"""Do attributions depend on what the model has learned, and are they stable?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import torch
from numpy.typing import NDArray
from rich.progress import Progress

from fer_xai.attributions import CONTROLS, explain
from fer_xai.landmarks import face_regions
from fer_xai.probe import Probe
from fer_xai.types import Faces
from metrics.evaluation import calibration_images
from metrics.gate import Gate, randomisation_gate
from metrics.ledger import Ledger
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
        size = probe.model.size
        images = faces.pixels(size).float() / 255
        regions = None
        if faces.landmarks is not None:
            regions = face_regions(faces.landmarks_at(size), size=size)
        if self.targets == "true":
            targets = faces.labels
        else:
            targets = probe.model.canonical(probe.logits(images).argmax(dim=1))
        calibration = calibration_images(faces.ids, lambda chosen: images[chosen])
        explainers = board.explainers(probe, faces, regions, names)
        task = bar.add_task(f"{model}: gate", total=len(names))
        rows = []
        for name in names:

            def make(name: str = name) -> dict[str, NDArray[Any]]:
                maps = explain(
                    probe, images, method=name, targets=targets, regions=regions,
                    ids=faces.ids, seed=self.seed,
                ).maps  # fmt: skip
                ledger = Ledger(probe, images, ids=faces.ids, seed=self.seed)
                found = randomisation_gate(
                    ledger, images, maps, targets, explainers[name], networks=self.networks,
                    calibration=calibration,
                )  # fmt: skip
                return {"similarity": found.similarity.numpy(), "null": found.null.numpy()}

            kept = store.once(folder / "shards" / model / f"gate-{name}.npz", make)
            gate = Gate(
                similarity=torch.from_numpy(kept["similarity"]), null=torch.from_numpy(kept["null"])
            )
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
        return _sentence(model, table), [
            Table(
                name="gate",
                frame=table,
                caption="Mean Spearman of each face's map with those of "
                f"{self.networks} wholly random networks, and the 95th percentile of the null: "
                "the random networks' maps moved and mirrored. Above it a method fails. Faces "
                "above: share whose own mean lies above the threshold. Undefined: faces without "
                f"a map, of {len(faces)}. Edges, centre and uniform maps do not look at the "
                "network: the first two must fail, the third has no similarity.",
            )
        ]


def _sentence(model: str, table: pd.DataFrame) -> str:
    methods = table[~table["control"]]
    failed = methods.loc[methods["gate"] == "fails", "method"]
    stopped = f"; it stops {', '.join(failed)}" if len(failed) else ""
    return (
        f"{model}: {len(methods) - len(failed)} of {len(methods)} methods pass the randomisation "
        f"gate{stopped}."
    )
