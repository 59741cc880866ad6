"""Scores of chance controls, kept as shards, as those of methods are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from fer_xai.attributions import CONTROLS, ControlInputs, control_maps
from fer_xai.names import slug
from studies.engine import store
from studies.engine.digests import code_digest
from studies.engine.networks import Network
from studies.engine.shards import check_made_of
from studies.questions.landmark_alignment.areas import SIZE
from studies.questions.landmark_alignment.maps import CHUNK, Job, Scored, joined


def control_scores(job: Job, network: Network, matched: Scored) -> Iterator[tuple[str, Scored]]:
    """Scores of each chance control, at the resolution of Grad-CAM and matched to its maps.

    They are made where a shard of them is missing, and read otherwise. Shards hold no maps.

    Parameters
    ----------
    job
        The work on all faces.
    network
        A trained network.
    matched
        Scores of its Grad-CAM maps, with the maps.

    Yields
    ------
    tuple
        Name of a control of :data:`fer_xai.attributions.CONTROLS`, and its scores.

    Raises
    ------
    InputError
        If the shards were made by other controls than those at hand.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> from rich.progress import Progress
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> from studies.engine.study import Run
    >>> from studies.questions.landmark_alignment.areas import EmotionAreas, choices
    >>> faces, emotions = synthetic_faces(2), ("happiness", "fear")
    >>> areas = EmotionAreas(
    ...     faces.landmarks_at(SIZE), emotions, choices("fer_xai", "emfacs", emotions)
    ... )
    >>> network = Network(name="gimefive", architecture="gimefive", weights="rafdb")
    >>> ones = torch.ones(2, 8)
    >>> matched = Scored(likeness=ones, scores=ones, gains=ones, maps=torch.rand(2, 2, 4, 4))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = Run(folder=Path(folder), manifest={"networks": {}}, bar=Progress())
    ...     job = Job(
    ...         run, faces, faces, [], methods=["gradcam"], areas=areas, rule="predicted", seed=0,
    ...         predictor=lambda model, _: model,
    ...     )
    ...     job.targets["gimefive"] = torch.tensor([0, 1])
    ...     found = dict(control_scores(job, network, matched))
    >>> found["uniform"].scores.shape
    torch.Size([2, 8])
    """
    assert matched.maps is not None
    setting = ControlInputs(
        maps=matched.maps,
        labels=job.labels[job.targets[network.architecture]],
        ids=job.faces.ids,
        pixels=job.faces.sliced(SIZE),
        seed=job.seed,
    )
    folder = job.run.folder / "shards" / slug(network.name) / "controls"
    code = {name: code_digest([CONTROLS[name]]) for name in CONTROLS}
    check_made_of(folder, {"controls": code}, shards="*.npz")

    def make(cells: Callable[[], Tensor], rows: slice) -> dict[str, NDArray[Any]]:
        found = job.scored(network, cells()[rows], rows)
        return {key: values for key, values in found.items() if key != "maps"}

    for name in CONTROLS:
        cells = cache(partial(control_maps, name, setting))  # made if a shard of them is missing
        parts = [
            store.once(
                folder / f"{slug(name)}-{start:06d}.npz",
                partial(make, cells, slice(start, start + CHUNK)),
            )
            for start in job.starts()
        ]
        yield name, joined(parts)
