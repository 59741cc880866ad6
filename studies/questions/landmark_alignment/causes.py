"""Where the model looks: exact region Shapley values, and action units that are set to rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.attributions.raw_maps import attribute
from fer_xai.attributions.shapley import RegionShapley
from fer_xai.data.synthetic import AUS, FaceParams, render
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import EDITIONS, au_maps, face_regions
from fer_xai.landmarks.codebooks import find_codebook
from fer_xai.names import slug
from fer_xai.types import Faces
from fer_xai.types.pixels import resized
from metrics.alignment.mass import energy_gain
from metrics.core.similarity import region_agreement
from studies.engine import store
from studies.engine.networks import Network
from studies.questions.landmark_alignment.areas import SIZE
from studies.questions.landmark_alignment.maps import Job, Scored, joined
from studies.questions.landmark_alignment.scores import sized

SHAPLEY = "region_shapley"
FILL = "mean"
"""What stands in place of a region that is left out of a coalition."""
ACTIVE = 0.1
"""Intensity from which on an action unit of a built-in face counts as shown."""


def sample_of(faces: Faces, n: int, *, seed: int) -> NDArray[np.int64]:
    """Positions of at most ``n`` faces, with the emotions' shares kept.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> len(sample_of(synthetic_faces(24), 12, seed=0))
    12
    """
    place = {face: index for index, face in enumerate(faces.ids)}
    return np.array([place[face] for face in faces.limit(n, seed=seed).ids])


def parameters_of(faces: Faces) -> FaceParams | None:
    """Parameters of built-in faces, whose action units can be set to rest; None of real ones.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> len(parameters_of(synthetic_faces(6).subset([1, 4])))
    2
    """
    params = getattr(faces.reader, "params", None)
    if not isinstance(params, FaceParams):
        return None
    assert faces.rows is not None
    return params[np.asarray(faces.rows)]


def _score(predictor: Predictor, images: Tensor | Faces, columns: Tensor) -> Tensor:
    """Probability ``(n,)`` of each face's target."""
    probabilities = predictor.logits(images).double().softmax(dim=1)
    return probabilities[torch.arange(len(images)), columns]


@dataclass(frozen=True, kw_only=True, eq=False)
class Causes:
    """Where one network looks on some faces of a job.

    Attributes
    ----------
    job
        The work on all faces.
    network
        A trained network.
    rows
        Positions of the faces.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> from studies.questions.landmark_alignment.areas import EmotionAreas, choices
    >>> points, emotions = canonical_landmarks()[None], ("happiness", "fear")
    >>> areas = EmotionAreas(points, emotions, choices("fer_xai", "emfacs", emotions))
    >>> job = SimpleNamespace(areas=areas, regions=face_regions(points, size=SIZE))
    >>> network = Network(name="gimefive", architecture="gimefive", weights="rafdb")
    >>> Causes(job=job, network=network, rows=np.arange(1)).coverage().shape
    torch.Size([1, 2, 8])
    """

    job: Job
    network: Network
    rows: NDArray[np.int64]

    def shapley(self) -> tuple[Scored, Tensor]:
        """Scores of exact region Shapley values as maps, and the values ``(n, C, R)``.

        A region without pixels has no value (NaN).
        """
        job, network, rows = self.job, self.network, self.rows
        folder = job.run.folder / "shards" / slug(network.name)

        def make() -> dict[str, NDArray[Any]]:
            predictor = job.loaded(network)
            size = predictor.model.size
            regions = face_regions(job.faces.landmarks_at(size)[rows], size=size)
            made = attribute(
                predictor,
                job.faces.subset(rows),
                job.columns(predictor, len(rows)),
                method=RegionShapley(fill=FILL),
                size=size,
                regions=regions,
                ids=[job.faces.ids[row] for row in rows],
                seed=job.seed,
            )
            assert made.values is not None
            there = regions.flatten(2).any(dim=2)[:, None]  # (n, 1, R)
            values = torch.where(there & ~made.undefined[..., None], made.values.cpu(), torch.nan)
            scored = job.scored(network, made.defined_cells.cpu(), rows)
            return scored | {"values": values.float().numpy()}

        found = store.once(folder / f"{SHAPLEY}.npz", make)
        return joined([found]), torch.from_numpy(found["values"])

    def coverage(self) -> Tensor:
        """``(n, C, R)``: share of each region's pixels that lies in each emotion's area."""
        job, rows = self.job, self.rows
        areas = job.areas.of(job.areas.choices[0], rows).flatten(2).double()  # (n, C, P)
        regions = job.regions[rows].flatten(2).double()  # (n, R, P)
        return areas @ regions.transpose(1, 2) / regions.sum(dim=2)[:, None]

    def agreements(self, values: Tensor, scored: Scored) -> pd.DataFrame:
        """Spearman over regions of book, Shapley values and Grad-CAM: a row a face and pair.

        Parameters
        ----------
        values
            ``(n, C, R)`` exact Shapley values.
        scored
            Scores of Grad-CAM.
        """
        job, network, rows = self.job, self.network, self.rows
        targets = job.targets[network.architecture][rows]
        at = torch.arange(len(rows))
        own = values[at, targets]  # (n, R)
        books = self.coverage()
        assert scored.maps is not None
        maps = sized(scored.maps[rows][at, targets][:, None])[:, 0].clamp(min=0)
        sums = torch.einsum("nhw,nrhw->nr", maps, job.regions[rows].float())
        others = []
        for step in range(1, len(job.emotions)):
            book = books[at, (targets + step) % len(job.emotions)]
            others.append(region_agreement(own, book))
        found = {
            "Shapley with the book": region_agreement(own, books[at, targets]),
            "Shapley with other books": torch.from_numpy(np.stack(others)).nanmean(dim=0).numpy(),
            "Grad-CAM with the book": region_agreement(scored.gains[rows], books[at, targets]),
            "Grad-CAM with Shapley": region_agreement(sums, own),
        }
        return pd.concat(
            [
                pd.DataFrame(
                    {
                        "id": [job.faces.ids[row] for row in rows],
                        "model": network.name,
                        "target": [job.emotions[int(t)] for t in targets],
                        "pair": pair,
                        "value": each,
                    }
                )
                for pair, each in found.items()
            ],
            ignore_index=True,
        )

    def units_at_rest(self, scored: dict[str, Scored]) -> pd.DataFrame | None:
        """What each action unit of built-in faces is worth to the target, a row a face and unit.

        The unit is set to rest and the face drawn anew, the same down to its noise: what changes is
        caused by the unit. Beside the probability lost stands how dense each method's map is in the
        unit's area. None for real faces.

        Parameters
        ----------
        scored
            Scores by method.
        """
        job, network, rows = self.job, self.network, self.rows
        every = parameters_of(job.faces)
        if every is None:
            return None
        params = every[rows]
        targets = job.targets[network.architecture][rows]
        file = job.run.folder / "shards" / slug(network.name) / "units_at_rest.npz"

        def make() -> dict[str, NDArray[Any]]:
            predictor = job.loaded(network)
            side, size = job.faces.read(int(rows[0])).shape[0], predictor.model.size
            columns = predictor.model.columns(job.labels[targets])
            clean = _score(predictor, job.faces.subset(rows), columns)
            lost = []
            for unit in AUS:
                images = render(params.neutralised(aus=[unit]), size=side).images
                pixels = torch.stack([resized(image, size) for image in images])
                lost.append(clean - _score(predictor, pixels, columns))
            return {"lost": torch.stack(lost, dim=1).numpy()}

        lost = store.once(file, make)["lost"]  # (n, U)
        edition, book = job.areas.choices[0].edition, find_codebook(job.areas.choices[0].codebook)
        named = [f"AU{unit}" for unit in AUS]
        mapped = [name for name in named if name in EDITIONS[edition].units]
        points = job.faces.landmarks_at(SIZE)[rows]
        areas = au_maps(points, size=SIZE, edition=edition, units=mapped)
        at = torch.arange(len(rows))
        dense: dict[str, NDArray[Any]] = {}
        for method, each in scored.items():
            assert each.maps is not None
            maps = sized(each.maps[rows][at, targets][:, None])[:, 0]
            gains = energy_gain(maps, areas)
            blank = np.full(len(rows), np.nan)
            dense[method] = np.stack([np.asarray(gains.get(name, blank)) for name in named], axis=1)
        shown = params.action_units.mean(axis=2)  # (n, U)
        parts = []
        for column, name in enumerate(named):
            part = {
                "id": [job.faces.ids[row] for row in rows],
                "model": network.name,
                "target": [job.emotions[int(t)] for t in targets],
                "unit": name,
                "in book": [name in book[job.emotions[int(t)]] for t in targets],
                "intensity": shown[:, column],
                "lost": lost[:, column],
            }
            part |= {f"gain of {method}": gains[:, column] for method, gains in dense.items()}
            parts.append(pd.DataFrame(part))
        return pd.concat(parts, ignore_index=True)


def units_agreement(units: pd.DataFrame) -> pd.DataFrame:
    """Spearman over the units that a face shows: what each costs, and how dense the map is there.

    Parameters
    ----------
    units
        Rows of :func:`units_at_rest`.

    Examples
    --------
    >>> rows = pd.DataFrame({"id": "a", "model": "m", "target": "fear", "unit": list("xyz"),
    ...     "intensity": 0.8, "lost": [0.0, 0.1, 0.5], "gain of lrp": [1.0, 1.2, 2.0]})
    >>> units_agreement(rows)[["method", "value"]].round(6).to_dict("records")
    [{'method': 'lrp', 'value': 1.0}]
    """
    shown = units[units["intensity"] >= ACTIVE]
    out = []
    for (model, face, target), own in shown.groupby(["model", "id", "target"], sort=False):
        lost = torch.tensor(own["lost"].to_numpy(dtype=np.float64))[None]
        for column in [name for name in own if str(name).startswith("gain of ")]:
            gains = torch.tensor(own[column].to_numpy(dtype=np.float64))[None]
            value = float(region_agreement(gains, lost)[0])
            method = str(column).removeprefix("gain of ")
            out.append((model, face, target, method, value))
    return pd.DataFrame(out, columns=["model", "id", "target", "method", "value"])
