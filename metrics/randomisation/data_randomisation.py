"""TODO."""

from __future__ import annotations

from torch import Tensor

from metrics.core.similarity import Likeness, map_similarity


def model_contrast(
    maps: Tensor, other_maps: Tensor, *, similarity: Likeness = "spearman", absolute: bool = False
) -> Tensor:
    """Are these the maps of a network that was taught nonsense, too? Lower is better.

    The data randomisation test of Adebayo et al., NeurIPS 2018: ``other_maps`` are
    those of a network trained on permuted labels, which the caller has trained. Parameters and
    returns are those of :func:`~metrics.core.similarity.map_similarity`.
    """
    return map_similarity(maps, other_maps, similarity=similarity, absolute=absolute)
