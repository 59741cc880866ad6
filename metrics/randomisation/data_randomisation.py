"""Data randomisation: does a network that learned permuted labels give the same maps?"""

from __future__ import annotations

from torch import Tensor

from metrics.core.similarity import Likeness, map_similarity


def model_contrast(
    maps: Tensor, other_maps: Tensor, *, similarity: Likeness = "spearman", absolute: bool = False
) -> Tensor:
    """How similar are the maps of a network that was trained on permuted labels? Lower is better.

    The data randomisation test of Adebayo et al., NeurIPS 2018; the caller trains the other
    network.

    Parameters
    ----------
    maps
        ``(B, H, W)`` of the network trained on true labels.
    other_maps
        ``(B, H, W)`` of the same faces, by the network trained on permuted labels.
    similarity
        ``spearman``, ``pearson`` or ``ssim`` (:func:`~metrics.core.similarity.map_similarity`).
    absolute
        Whether maps lose their sign first.

    Returns
    -------
    Tensor
        ``(B,)`` in [−1, 1]; NaN where a map is zero, not finite or (except for SSIM) constant.

    Raises
    ------
    InputError
        If the similarity is unknown, or the two stacks of maps differ in shape.

    Examples
    --------
    >>> import torch
    >>> maps = torch.arange(8.0).reshape(2, 2, 2)
    >>> model_contrast(maps, torch.stack([maps[0], -maps[1]]))
    tensor([ 1., -1.])
    """
    return map_similarity(maps, other_maps, similarity=similarity, absolute=absolute)
