"""Rows of the alignment study: a contrast a face and choice, a score a face and metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from studies.engine.explained import MATCHED_TO
from studies.engine.networks import Network
from studies.questions.landmark_alignment.areas import SIGNED, WITHOUT_RELU, Choice
from studies.questions.landmark_alignment.maps import Scored
from studies.questions.landmark_alignment.scores import (
    SCORES,
    contrasts,
    excess,
    pair_contrasts,
)


def contrast_rows(
    ids: Sequence[str],
    network: Network,
    method: str,
    scored: Scored,
    *,
    asked: Sequence[Choice],
    emotions: Sequence[str],
    trained: Scored | None = None,
) -> pd.DataFrame:
    """One row a face and choice: the contrast, and how many targets it is over.

    Signed Grad-CAM has one choice, as a sensitivity of Grad-CAM, whose rows its row joins; all
    other choices read positive values, of which it has Grad-CAM's.

    Rows of an untrained network also have the ``excess`` of the trained network's contrast over its
    own, on the pairs of emotions that both have maps of (:func:`excess`).

    Parameters
    ----------
    ids
        Names of the faces.
    network, method
        Whose maps.
    scored
        Their scores.
    asked
        The choices, in the order of the scores.
    emotions
        Compared emotions.
    trained
        Scores of the same method of the trained network, where this one is untrained.

    Examples
    --------
    >>> network = Network(name="lrp-net", architecture="lrp-net", weights="rafdb")
    >>> likeness = torch.tensor([[[[0.75, 0.25], [0.25, 0.5]]]])
    >>> scored = Scored(likeness=likeness, scores=torch.ones(1, 8), gains=torch.ones(1, 8))
    >>> asked = [Choice(name="as declared", edition="fer_xai", codebook="emfacs")]
    >>> rows = contrast_rows(
    ...     ["a"], network, "lrp", scored, asked=asked, emotions=["happiness", "fear"]
    ... )
    >>> rows[["choice", "value", "targets"]].to_dict("records")
    [{'choice': 'as declared', 'value': 0.375, 'targets': 2}]
    """
    parts = []
    for place, (choice, likeness) in enumerate(zip(asked, scored.likeness, strict=True)):
        signed = method == SIGNED
        if signed != (choice.name == WITHOUT_RELU):
            continue
        own = likeness.diagonal(dim1=1, dim2=2)
        parts.append(
            pd.DataFrame(
                {
                    "id": list(ids),
                    **_of(network),
                    "method": MATCHED_TO if signed else method,
                    "choice": choice.name,
                    "value": contrasts(likeness, emotions, without_pair=choice.without_pair),
                    "excess": np.nan
                    if trained is None
                    else excess(
                        trained.likeness[place],
                        likeness,
                        emotions,
                        without_pair=choice.without_pair,
                    ),
                    "targets": own.isfinite().sum(dim=1).numpy(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def score_rows(
    ids: Sequence[str], network: Network, method: str, scores: Mapping[str, Tensor]
) -> pd.DataFrame:
    """One row a face and metric.

    Examples
    --------
    >>> network = Network(name="lrp-net@untrained0", architecture="lrp-net", weights=None)
    >>> score_rows(["a"], network, "lrp", {"au_cosine": torch.tensor([0.5])}).loc[0, "model"]
    'lrp-net'
    """
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "id": list(ids),
                    **_of(network),
                    "method": method,
                    "metric": metric,
                    "value": np.asarray(values, dtype=np.float64),
                }
            )
            for metric, values in scores.items()
        ],
        ignore_index=True,
    )


def own_score_rows(
    ids: Sequence[str], network: Network, method: str, scored: Scored
) -> pd.DataFrame:
    """Rows of the scores of each face's own target.

    Examples
    --------
    >>> network = Network(name="lrp-net", architecture="lrp-net", weights="rafdb")
    >>> ones = torch.ones(1, len(SCORES))
    >>> scored = Scored(likeness=torch.ones(1, 1, 2, 2), scores=ones, gains=ones)
    >>> own_score_rows(["a"], network, "lrp", scored)["metric"].tolist() == list(SCORES)
    True
    """
    columns = dict(zip(SCORES, scored.scores.unbind(dim=1), strict=True))
    return score_rows(ids, network, method, columns)


def matrix_rows(
    network: Network, method: str, scored: Scored, *, emotions: Sequence[str]
) -> pd.DataFrame:
    """One row a target and area: mean likeness of the declared choice, and the pair's contrast.

    Likeness is taken over the faces that have a map and an area of both.

    Examples
    --------
    >>> network = Network(name="lrp-net", architecture="lrp-net", weights="rafdb")
    >>> likeness = torch.tensor([[[[0.75, 0.25], [0.25, 0.5]]]])
    >>> scored = Scored(likeness=likeness, scores=torch.ones(1, 8), gains=torch.ones(1, 8))
    >>> rows = matrix_rows(network, "lrp", scored, emotions=["happiness", "fear"])
    >>> rows["likeness"].tolist(), rows["pair contrast"].tolist()
    ([0.75, 0.25, 0.25, 0.5], [nan, 0.375, 0.375, nan])
    """
    likeness = scored.likeness[0].double()
    own = likeness.diagonal(dim1=1, dim2=2).isfinite()  # (N, C)
    both = own[:, :, None] & own[:, None, :]
    mean = likeness.where(both, torch.nan).nanmean(dim=0).numpy()
    values = torch.from_numpy(pair_contrasts(scored.likeness[0]))
    pairs = values.nanmean(dim=0).fill_diagonal_(torch.nan).numpy()
    count = both.sum(dim=0).numpy()
    return pd.DataFrame(
        [
            {
                **_of(network),
                "method": method,
                "target": target,
                "area of": area,
                "likeness": mean[t, a],
                "pair contrast": pairs[t, a],
                "faces": int(count[t, a]),
            }
            for t, target in enumerate(emotions)
            for a, area in enumerate(emotions)
        ]
    )


def _of(network: Network) -> dict[str, object]:
    return {
        "network": network.name,
        "model": network.architecture,
        "trained": network.trained,
    }
