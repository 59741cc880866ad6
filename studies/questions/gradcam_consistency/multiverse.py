"""The multiverse of the primary endpoint: the excess over untrained networks, under other choices.

Sign, registration, grid and similarity are choices of scoring alone: maps are shared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fer_xai.data.splits import face_groups
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import register
from fer_xai.landmarks.registration import Kind, Registration
from fer_xai.models import FERModel
from fer_xai.types import Faces, undefined_maps
from metrics.consistency.separability import Separability, separability
from metrics.core.similarity import normalised_rows
from metrics.statistics.intervals import Interval
from studies.engine import store
from studies.engine.networks import Network
from studies.engine.study import Run, face_table
from studies.engine.units import units_of
from studies.multiverse.factors import Factor, Level, Levels, Multiverse, Plan, Specification
from studies.multiverse.maps import (
    LAYER,
    OUTPUT,
    SIGN,
    UPSAMPLING,
    enlarged,
    with_sign,
)
from studies.multiverse.page import Asked, answered, write_multiverse
from studies.multiverse.summary import row_of
from studies.questions.gradcam_consistency.excess import excess_over_untrained, mean_over_targets
from studies.questions.gradcam_consistency.multiverse_maps import TARGETS, SignedMaps, of_floor
from studies.questions.gradcam_consistency.multiverse_report import CAVEAT, LABEL, METHOD
from studies.questions.gradcam_consistency.shared import over_shared
from studies.registry import question
from studies.scoreboard.consistency import SIZE

Array = NDArray[np.float64]

CONSISTENCY = Multiverse(
    claim="Grad-CAM's maps follow the emotion more than those of untrained networks",
    estimate="AUC with which the similarity of two maps tells pairs of one emotion from pairs of "
    "two, less the mean AUC of untrained networks",
    factors=(
        Factor(
            name="target",
            levels=("fixed", "own", "predicted"),
            reason="One target for all maps compares like with like; the emotion that the face "
            "shows, or that the network names, is what users look at.",
        ),
        OUTPUT,
        UPSAMPLING,
        Factor(
            name="grid",
            levels=(64, 16, 8),
            reason="Registered maps have 64 × 64 pixels, of which a layer fills far fewer: coarser "
            "cells forgive small shifts.",
        ),
        Factor(
            name="registration",
            levels=("similarity", "affine", "none"),
            reason="Faces are held differently, but moving maps to a common face changes them.",
        ),
        LAYER,
        SIGN,
        Factor(
            name="similarity",
            levels=("pearson", "spearman", "cosine"),
            reason="Likeness of maps is measured by all three; SSIM is none of unit vectors, and "
            "is left out.",
        ),
        Factor(
            name="compared",
            levels=("all", "common"),
            reason="Blank maps are dropped a network at a time, or wherever one network has them.",
        ),
        Factor(
            name="untrained",
            levels=(0, 1),
            reason="The floor is a handful of random networks: another handful is as good.",
        ),
    ),
)
"""What is declared of the claim that the primary endpoint is above the untrained floor."""


NO_SPREAD = "Too few maps for an AUC at any target, or the excess has no spread over faces."
"""Why a specification is not tested."""


class Excesses:
    """Excesses over untrained networks, under the specifications of :data:`CONSISTENCY`.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(2, size=64)
    >>> network = Network(name="gimefive", architecture="gimefive", weights="synthetic")
    >>> excesses = Excesses(
    ...     faces, faces, [network], seed=0, predictor=lambda model, n: Predictor(model)
    ... )
    >>> excesses.plans(CONSISTENCY)["gimefive"].n_sampled
    64
    """

    def __init__(
        self,
        faces: Faces,
        floor: Faces,
        networks: Sequence[Network],
        *,
        seed: int,
        predictor: Callable[[FERModel, int | None], Predictor],
    ) -> None:
        """Faces and networks of a run.

        Parameters
        ----------
        faces, floor
            Faces that are explained, and faces that calibrate untrained networks.
        networks
            Trained and untrained ones (:func:`sets_of_untrained`).
        seed
            The study's seed, of the sample of combinations.
        predictor
            Makes a predictor of a model, with the batch size that the manifest has recorded.
        """
        self.faces, self.networks, self.seed = faces, networks, seed
        self.maps = SignedMaps(faces, floor, predictor=predictor)
        self._clusters = list(face_groups(faces))
        self._frames: dict[Level, Registration] = {}

    def trained(self) -> list[Network]:
        """The trained networks."""
        return [one for one in self.networks if one.trained]

    def plans(self, multiverse: Multiverse) -> dict[str, Plan]:
        """The plan of each trained network, by its name."""
        found = {}
        for network in self.trained():
            absent = self.maps.look_at(network)
            if self.faces.landmarks is None:
                for kind in ("similarity", "affine"):
                    absent["registration", kind] = "the faces have no landmarks"
            found[network.name] = multiverse.plan(seed=self.seed, absent=absent)
        return found

    def answered(self, run: Run, plans: Mapping[str, Plan]) -> pd.DataFrame:
        """Rows of all specifications of all trained networks."""
        rows = []
        for network in self.trained():
            alike = [one for one in self.networks if one.architecture == network.architecture]
            self.maps.make(run, alike)
            asked = Asked(
                plan=plans[network.name],
                make=lambda one, alike=alike: self.excess(one.levels, alike),  # type: ignore[misc]
                judge=lambda one, found, network=network: judged(  # type: ignore[misc]
                    one, found, model=network.name
                ),
                made_of={name: run.manifest[name] for name in ("config", "inputs")},
            )
            rows.append(answered(run, asked, model=network.name))
        return pd.concat(rows, ignore_index=True)

    def report(
        self, run: Run, multiverse: Multiverse, plans: Mapping[str, Plan], rows: pd.DataFrame
    ) -> str:
        """Write the page; returns the answer."""
        return write_multiverse(
            run.folder,
            question=question("gradcam_consistency"),
            multiverse=multiverse,
            plans=plans,
            rows=rows,
            facts={
                "faces": f"{len(self.faces)} of {self.faces.name}",
                "units": units_of(face_table(self.faces)),
                "models": ", ".join(plans),
                "calibration of untrained networks": run.manifest["calibration"],
                "fer-xai": f"{run.manifest['versions']['fer-xai']}, commit "
                f"{store.made_by(run.manifest)}",
            },
            label=LABEL,
            method=METHOD,
            caveats=[CAVEAT],
            manifest=run.manifest,
        )

    def excess(self, levels: Levels, networks: Sequence[Network]) -> pd.DataFrame:
        """The excess of a trained network over its floor, in one row with its interval."""
        chosen = [one for one in networks if one.trained or of_floor(one, levels["untrained"])]
        cells = [with_sign(self.maps.of(one, levels)[0], levels) for one in chosen]
        lost = torch.stack(
            [(some == 0).flatten(2).all(dim=2) | undefined_maps(some) for some in cells]
        )
        everyone = torch.ones(lost.shape[1:], dtype=torch.bool)
        common = everyone if levels["compared"] == "all" else ~lost.any(dim=0)  # (N, K)
        answers = over_shared(
            [
                self._areas(some, levels, common, self._positions(levels, chosen[0]))
                for some in cells
            ]
        )
        aucs = np.array([[one.auc for one in found] for found in answers])  # (1 + U, T)
        kept = np.flatnonzero(np.isfinite(aucs).all(axis=0))
        influence = np.array(
            [
                mean_over_targets(np.array([found[place].influence for place in kept]).T)
                if len(kept)
                else np.full(len(self.faces), np.nan)
                for found in answers
            ]
        )
        means = aucs[:, kept].mean(axis=1) if len(kept) else np.full(len(aucs), np.nan)
        labels = self.faces.table["emotion"].to_numpy()
        made = excess_over_untrained(means, influence, labels, clusters=self._clusters)
        emotions = [len(answers[0][k].counted) for k in kept]
        return pd.DataFrame(
            [
                {
                    "estimate": made.over_both.estimate,
                    "low": made.over_both.low,
                    "high": made.over_both.high,
                    "standard error": made.over_both.standard_error,
                    "freedom": made.over_both.freedom,
                    "units": made.over_both.n,
                    "AUC trained": float(means[0]),
                    "AUC untrained": float(means[1:].mean()),
                    "faces": int(np.isfinite(influence[0]).sum()),
                    "targets": len(kept),
                    "emotions": min(emotions, default=0),
                }
            ]
        )

    def _positions(self, levels: Levels, trained: Network) -> list[Tensor]:
        """``(N,)`` positions of the targets: one for each comparison of all faces.

        Untrained networks explain what the trained one predicts: were it their own predictions,
        maps would differ by target, and not by training alone.
        """
        n = len(self.faces)
        if levels["target"] == "fixed":
            return [torch.full((n,), place) for place in range(len(TARGETS))]
        if levels["target"] == "own":
            return [torch.tensor([TARGETS.index(int(label)) for label in self.faces.labels])]
        return [self.maps.of(trained, levels)[1].argmax(dim=1)]

    def _areas(
        self, cells: Tensor, levels: Levels, common: Tensor, positions: Sequence[Tensor]
    ) -> list[Separability]:
        """Separability of one network's maps, for each choice of targets."""
        frame = self._frame(levels["registration"])
        each = torch.arange(len(cells))
        found = []
        for position in positions:
            full = enlarged(cells[each, position][:, None], levels, size=SIZE)
            maps, mask = coarser(frame.apply(full), frame.mask, int(levels["grid"]))
            kind = cast("Any", levels["similarity"])
            rows = normalised_rows(maps[:, 0], mask, kind=kind)
            found.append(
                separability(
                    rows,
                    self.faces.labels,
                    clusters=self._clusters,
                    defined=common[each, position],
                )
            )
        return found

    def _frame(self, kind: Level) -> Registration:
        if kind not in self._frames:
            points = self.faces.landmarks_at(SIZE)
            self._frames[kind] = register(points, size=SIZE, kind=cast("Kind", kind))
        return self._frames[kind]


def coarser(maps: Tensor, mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Registered maps ``(N, K, H, W)`` and their mask as means over ``side`` × ``side`` cells.

    A cell takes part where half of its pixels or more are in the mask.

    Examples
    --------
    >>> maps, mask = torch.arange(16.0).view(1, 1, 4, 4), torch.ones(4, 4, dtype=torch.bool)
    >>> coarser(maps, mask, 2)[0][0, 0]
    tensor([[ 2.5000,  4.5000],
            [10.5000, 12.5000]])
    """
    if side == maps.shape[-1]:
        return maps, mask
    share = F.adaptive_avg_pool2d(mask.float()[None, None], side)[0, 0]
    return F.adaptive_avg_pool2d(maps, side), share >= 0.5


def judged(one: Specification, found: pd.DataFrame, *, model: str) -> dict[str, Any]:
    """A specification's row of the table, of what its shard holds.

    Parameters
    ----------
    one
        The specification.
    found
        One row of :meth:`Excesses.excess`.
    model
        The model's name.

    Examples
    --------
    >>> columns = ["estimate", "low", "high", "standard error", "freedom", "units", "faces"]
    >>> shard = pd.DataFrame([[0.1, 0.05, 0.15, 0.02, 8, 9, 9]], columns=columns)
    >>> judged(Specification(levels={"grid": 8}), shard, model="tiny")["holds"]
    True
    """
    row = found.iloc[0]
    interval = Interval(
        estimate=float(row["estimate"]),
        low=float(row["low"]),
        high=float(row["high"]),
        standard_error=float(row["standard error"]),
        freedom=float(row["freedom"]),
        n=int(row["units"]),
        scheme="delete-one jackknife over faces and untrained networks",
        reason="" if np.isfinite(row["low"]) else NO_SPREAD,
    )
    p = interval.p_value
    made = row_of(one, interval, p_value=p, model=model, faces=int(row["faces"]))
    more = ("AUC trained", "AUC untrained", "targets", "emotions")
    return made | {name: row[name] for name in more if name in row}
