"""Emotions over which networks are compared: those that all of them have enough maps of.

Emotions differ in how well their pairs are told, so a network that lacks maps of one emotion has
another mean area for that reason alone. A trained network and its untrained ones are therefore
compared, at each target, over the emotions that none of them leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.attributions import upsample
from fer_xai.emotions import EMOTIONS
from fer_xai.landmarks.registration import Registration
from metrics.consistency.pairs import LEAST
from metrics.consistency.separability import Separability
from metrics.core.similarity import normalised_rows
from studies.scoreboard.consistency import SIZE

Shared = tuple[frozenset[int], ...]
"""For each target, the labels of the emotions that are compared."""
TOO_FEW = "units of an emotion left out"
"""Metric of rows that count an emotion's maps (persons) in a network where it is left out."""
REASON = "another network of the architecture has fewer than five maps (persons)"


def defined_maps(cells: Tensor, frame: Registration) -> NDArray[np.bool_]:
    """``(N, K)``: faces and targets with a map to compare, of cells ``(N, K, h, w)``.

    Examples
    --------
    >>> from fer_xai.landmarks import register
    >>> frame = register(torch.full((2, 68, 2), torch.nan), size=64, kind="none")
    >>> defined_maps(torch.stack([torch.zeros(1, 4, 4), torch.eye(4)[None]]), frame).tolist()
    [[False], [True]]
    """
    found = []
    for position in range(cells.shape[1]):
        maps = frame.apply(upsample(cells[:, position : position + 1], size=(SIZE, SIZE)))[:, 0]
        found.append(torch.isfinite(normalised_rows(maps, frame.mask)).all(dim=1))
    return torch.stack(found, dim=1).numpy()


def shared_emotions(
    defined: Iterable[NDArray[np.bool_]], labels: Tensor, clusters: NDArray[np.int64]
) -> Shared:
    """The emotions that every network has five maps (of five persons) of, at each target.

    Parameters
    ----------
    defined
        For each network, ``(N, K)``: faces and targets with a map to compare.
    labels
        ``(N,)`` emotion of each face.
    clusters
        ``(N,)`` person of each face.

    Examples
    --------
    >>> one, other = np.ones((12, 1), dtype=bool), np.arange(12)[:, None] != 0
    >>> labels = torch.tensor([0] * 5 + [5] * 7)
    >>> shared_emotions([one, other], labels, np.arange(12))
    (frozenset({5}),)
    """
    enough = []
    for maps in defined:
        counts = {
            label: [len(np.unique(clusters[members & mapped])) for mapped in maps.T]
            for label in labels.unique().tolist()
            for members in [(labels == label).numpy()]
        }
        enough.append(
            [{e for e, n in counts.items() if n[k] >= LEAST} for k in range(maps.shape[1])]
        )
    return tuple(
        frozenset.intersection(*map(frozenset, sets)) for sets in zip(*enough, strict=True)
    )


def over_shared(networks: Sequence[Sequence[Separability]]) -> list[list[Separability]]:
    """Results of several networks, each for the same targets, over the emotions that all have.

    Examples
    --------
    >>> from metrics.consistency.separability import separability
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0]] * 5 + [[0, 1]] * 10))
    >>> whole = separability(rows, torch.tensor([0] * 5 + [4] * 5 + [5] * 5))
    >>> rows[9] = torch.nan  # four maps of emotion 4
    >>> lacking = separability(rows, torch.tensor([0] * 5 + [4] * 5 + [5] * 5))
    >>> whole.auc > 0.8, [found.auc for [found] in over_shared([[whole], [lacking]])]
    (True, [1.0, 1.0])
    """
    kept = [
        frozenset.intersection(*(frozenset(found.counted) for found in of_target))
        for of_target in zip(*networks, strict=True)
    ]
    return [
        [found.over(emotions, reason=REASON) for found, emotions in zip(one, kept, strict=True)]
        for one in networks
    ]


def left_out(sets: pd.DataFrame, compared: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """Emotions that a comparison leaves out, at which targets, and the network with fewest maps.

    Parameters
    ----------
    sets
        Rows of a run, one a set.
    compared
        Names of the comparisons, by subset of faces and method.

    Returns
    -------
    DataFrame
        One row a model, comparison and emotion; empty where nothing is left out.

    Examples
    --------
    >>> row = {"architecture": "a", "subset": "all", "method": "gradcam", "metric": TOO_FEW}
    >>> row |= {"target": "fixed:fear", "emotion": "anger"}
    >>> counts = {"network": "a", "value": 4.0}, {"network": "a@untrained0", "value": 9.0}
    >>> sets = pd.DataFrame([row | count for count in counts])
    >>> left_out(sets, {("all", "gradcam"): "all faces"}).to_numpy().tolist()
    [['a', 'all faces', 'anger', 1, 'fear (4 in a)']]
    """
    found = []
    few = sets[sets["metric"] == TOO_FEW]
    for architecture in dict.fromkeys(few["architecture"]):
        for (subset, method), meaning in compared.items():
            here = few[(few["architecture"] == architecture) & (few["subset"] == subset)]
            here = here[here["method"] == method]
            fewest = here.loc[here.groupby(["emotion", "target"])["value"].idxmin()]
            for emotion in sorted(set(fewest["emotion"]), key=EMOTIONS.index):
                rows = fewest[fewest["emotion"] == emotion]
                said = [
                    f"{row['target'].removeprefix('fixed:')} ({row['value']:.0f} in "
                    f"{row['network']})"
                    for _, row in rows.iterrows()
                ]
                found.append((architecture, meaning, emotion, len(said), ", ".join(said)))
    columns = ["model", "faces compared", "emotion", "targets", "left out at (fewest maps)"]
    return pd.DataFrame(found, columns=columns)
