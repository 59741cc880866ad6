"""Everything that a run of the alignment study measured, as rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.landmarks import REGIONS, Registration, register
from studies.engine.explained import MATCHED_TO
from studies.engine.networks import Network
from studies.questions.landmark_alignment import causes as looked
from studies.questions.landmark_alignment.areas import SIGNED, SIZE
from studies.questions.landmark_alignment.chance import control_scores
from studies.questions.landmark_alignment.maps import Job, Scored
from studies.questions.landmark_alignment.rows import (
    contrast_rows,
    matrix_rows,
    own_score_rows,
    score_rows,
)
from studies.questions.landmark_alignment.scores import sized

LEAST_PERSONS = 30
"""Fewest persons whose mean face is drawn, where faces are not built in."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """Rows of a run, and the mean maps that figures show.

    Attributes
    ----------
    contrasts, scores, others, matrix
        Rows of contrasts, of scores, of scores on other faces' areas, and of the matrix of targets
        and areas.
    ceilings
        The best that Grad-CAM's cells can score, by face.
    regions
        Density of the own map, exact Shapley value and share in the book, by face and region.
    agreement
        Spearman over regions, of the sampled faces.
    units
        Action units at rest, of built-in faces; empty for real ones.
    mean_maps
        ``(C, 64, 64)`` by model: mean registered Grad-CAM map of the faces of each target.
    mean_face
        ``(64, 64)``: mean of all registered faces, in [0, 1]; None where one could be recognised
        (:func:`mean_face_of`).

    Examples
    --------
    >>> Results(**{n: pd.DataFrame() for n in ("contrasts", "scores", "others", "matrix",
    ...     "ceilings", "regions", "agreement", "units")}).mean_maps
    {}
    """

    contrasts: pd.DataFrame
    scores: pd.DataFrame
    others: pd.DataFrame
    matrix: pd.DataFrame
    ceilings: pd.DataFrame
    regions: pd.DataFrame
    agreement: pd.DataFrame
    units: pd.DataFrame
    mean_maps: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    mean_face: NDArray[Any] | None = None

    def frames(self) -> dict[str, pd.DataFrame]:
        """All rows by name, those that are empty left out."""
        named = {
            "contrasts": self.contrasts,
            "scores": self.scores,
            "other_faces": self.others,
            "matrix": self.matrix,
            "ceilings": self.ceilings,
            "regions": self.regions,
            "agreement": self.agreement,
            "units_at_rest": self.units,
        }
        return {name: rows for name, rows in named.items() if len(rows)}

    @classmethod
    def of(cls, job: Job, *, causes: int) -> Results:
        """Do the work of a job, or read what was done.

        Parameters
        ----------
        job
            The work.
        causes
            Number of faces whose causes are looked at.
        """
        found = job.work()
        registration = register(job.faces.landmarks_at(SIZE), size=SIZE)
        batches = job.faces.batches(size=SIZE)
        grey = torch.cat([part.pixels.float().mean(dim=1) / 255 for part in batches])  # (N, S, S)
        mean_maps: dict[str, NDArray[Any]] = {}
        ids, emotions, asked = job.faces.ids, job.emotions, job.areas.choices
        sample = looked.sample_of(job.faces, causes, seed=job.seed) if causes else np.arange(0)
        some = [ids[row] for row in sample]
        parts: dict[str, list[pd.DataFrame]] = {name: [] for name in Results.__dataclass_fields__}

        trained = {n.architecture: found[n.name] for n in job.networks if n.trained}

        def add(names: list[str], network: Network, method: str, scored: Scored) -> None:
            beside = None if network.trained else trained[network.architecture].get(method)
            parts["contrasts"].append(
                contrast_rows(
                    names, network, method, scored, asked=asked, emotions=emotions, trained=beside
                )
            )
            if method == SIGNED:  # its positive values are Grad-CAM's
                return
            parts["scores"].append(own_score_rows(names, network, method, scored))
            parts["matrix"].append(matrix_rows(network, method, scored, emotions=emotions))

        for network in job.networks:
            scored = found[network.name]
            for method, each in scored.items():
                add(ids, network, method, each)
            if not network.trained:
                continue
            scored = {method: each for method, each in scored.items() if method != SIGNED}
            for method, each in scored.items():
                floors = job.floors(network, method, each)
                parts["others"].append(score_rows(ids, network, method, floors))
            for control, each in control_scores(job, network, scored[MATCHED_TO]):
                add(ids, network, control, each)
            mean_maps[network.name] = _mean_maps(job, network, scored[MATCHED_TO], registration)
            tops = job.ceilings(network, scored[MATCHED_TO])
            parts["ceilings"].append(pd.DataFrame({"id": ids, "model": network.name, **tops}))
            values = None
            if causes:
                at = looked.Causes(job=job, network=network, rows=sample)
                exact, values = at.shapley()
                add(some, network, looked.SHAPLEY, exact)
                parts["agreement"].append(at.agreements(values, scored[MATCHED_TO]))
                rest = at.units_at_rest(scored)
                if rest is not None:
                    parts["units"].append(rest)
            parts["regions"].append(_regions(job, network, scored[MATCHED_TO], sample, values))
        joined = {
            name: pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
            for name, frames in parts.items()
            if name not in ("mean_maps", "mean_face")
        }
        mean_face = mean_face_of(job, registration.apply(grey))
        return cls(**joined, mean_maps=mean_maps, mean_face=mean_face)


def mean_face_of(job: Job, registered: Tensor) -> NDArray[Any] | None:
    """Mean face ``(h, w)``, each person's faces with the same weight; None for a few real persons.

    Faces that are not built in are of persons, who must not be recognised: their mean is made from
    :data:`LEAST_PERSONS` on, where copies and faces of one person count once.

    Parameters
    ----------
    job
        Its faces and their clusters.
    registered
        ``(N, h, w)`` grey faces, on the canonical face.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> job = SimpleNamespace(faces=synthetic_faces(2), clusters=[0, 1])
    >>> mean_face_of(job, torch.ones(2, 1, 1))
    array([[1.]], dtype=float32)
    >>> job.faces = SimpleNamespace(reader=None)
    >>> mean_face_of(job, torch.ones(2, 1, 1)) is None
    True
    """
    units = torch.tensor(job.clusters)
    persons = units.unique()
    if looked.parameters_of(job.faces) is None and len(persons) < LEAST_PERSONS:
        return None
    means = [registered[units == person].mean(dim=0) for person in persons]
    return np.asarray(torch.stack(means).mean(dim=0).numpy())


def _mean_maps(
    job: Job, network: Network, scored: Scored, registration: Registration
) -> NDArray[Any]:
    """``(C, 64, 64)``: mean of the own maps of each target, each face's with the same mass."""
    assert scored.maps is not None
    targets = job.targets[network.architecture]
    own = sized(scored.maps[torch.arange(len(targets)), targets][:, None])[:, 0].clamp(min=0)
    total = own.sum(dim=(1, 2), keepdim=True)
    placed = registration.apply(torch.where(total > 0, own / total, torch.nan))
    means = [placed[targets == t].nanmean(dim=0) for t in range(len(job.emotions))]
    return np.asarray(torch.stack(means).numpy())


def _regions(
    job: Job,
    network: Network,
    scored: Scored,
    sample: NDArray[np.int64],
    values: Tensor | None,
) -> pd.DataFrame:
    """One row a face and region."""
    n, at = len(job.faces), torch.arange(len(job.faces))
    targets = job.targets[network.architecture]
    every = looked.Causes(job=job, network=network, rows=np.arange(n))
    books = every.coverage()[at, targets].numpy()  # (N, R)
    exact = np.full((n, len(REGIONS)), np.nan)
    if values is not None:
        own = values[torch.arange(len(sample)), targets[sample]].double()
        exact[sample] = (own / own.abs().nansum(dim=1, keepdim=True)).numpy()
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "id": job.faces.ids,
                    "model": network.name,
                    "target": [job.emotions[int(t)] for t in targets],
                    "region": region,
                    "share in the book": books[:, r],
                    "Grad-CAM gain": scored.gains[:, r].double().numpy(),
                    "Shapley share": exact[:, r],
                }
            )
            for r, region in enumerate(REGIONS)
        ],
        ignore_index=True,
    )
