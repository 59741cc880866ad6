"""Functions that make each method's maps again, of changed images or another network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from torch import Tensor

from fer_xai.attributions import ATTRIBUTIONS, attribute, explain, upsample
from fer_xai.attributions.api import counting_maps
from fer_xai.inference.predictor import Predictor
from metrics.core.registry import Explain
from studies.engine.explained import Explained


def explainers(
    explained: Explained, names: Iterable[str], ids: Sequence[str], regions: Tensor | None
) -> dict[str, Explain]:
    """Functions that make each method's maps of some faces again, of changed images or models.

    Parameters
    ----------
    explained
        The network and its faces.
    names
        Methods and controls.
    ids, regions
        Names and facial regions of the faces that may be asked for.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 16, 8)), torch.nn.Flatten())
    >>> predictor = Predictor(FERModel(halves, emotions=["happiness", "surprise"], size=16))
    >>> explained = Explained(predictor, synthetic_faces(2, size=16))
    >>> again = explainers(explained, ["saliency"], explained.ids, None)["saliency"]
    >>> again(predictor.model, explained.images(), explained.targets, explained.ids).shape
    torch.Size([2, 16, 16])
    """
    predictor, seed = explained.predictor, explained.seed
    place = {name: index for index, name in enumerate(ids)}

    @lru_cache(maxsize=1)
    def predictor_of(model: Any) -> Predictor:
        if model is predictor.model:
            return predictor
        return Predictor(
            model,
            device=str(predictor.device),
            precision=predictor.precision,
            batch_size=predictor.batch_size,
        )

    def maker(name: str) -> Explain:
        @counting_maps()
        def make(model: Any, images: Tensor, targets: Tensor, ids: Sequence[str]) -> Tensor:
            own = predictor_of(model)
            parts = None if regions is None else regions[[place[face] for face in ids]]
            if name not in ATTRIBUTIONS:
                return explain(
                    own,
                    images,
                    method=name,
                    targets=targets,
                    regions=parts,
                    ids=ids,
                    seed=seed,
                ).defined_maps
            cells = attribute(  # as explain, without a pass for the logits
                own,
                images,
                own.model.columns(targets)[:, None],
                method=name,
                regions=parts,
                ids=ids,
                seed=seed,
            ).defined_cells
            return upsample(cells, size=tuple(images.shape[-2:]))[:, 0]

        return make

    return {name: maker(name) for name in names}
