"""The randomisation gate over methods, for studies and for the audit."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from numpy.typing import NDArray

from fer_xai.attributions import CONTROLS
from fer_xai.names import slug
from metrics.core.score_cache import ScoreCache
from metrics.randomisation.gate import MIN_NETWORKS, Gate, randomisation_gate
from studies.engine import store
from studies.engine.explained import Explained
from studies.engine.shards import check_made_of
from studies.reporting.formatting import readable
from studies.reporting.page import Table
from studies.scoreboard.explainers import explainers
from studies.scoreboard.scores import MODEL_FREE, Scoreboard


def gate(
    explained: Explained,
    board: Scoreboard,
    *,
    networks: int = MIN_NETWORKS,
    shards: Path | None = None,
    progress: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """One row a method that the board does not refuse, and a control whose verdict is known.

    Parameters
    ----------
    explained
        A network and its faces, as the board has explained them.
    board
        Methods, target rule and seed.
    networks
        Number of wholly random networks.
    shards
        Folder in which what was found of each method is kept, for this model, these faces and
        options alone.
    progress
        Called after each method.

    Returns
    -------
    DataFrame
        ``model``, ``method``, ``control``, ``gate`` (passes, fails or undefined), ``similarity``,
        ``threshold``, ``excess``, ``p``, ``faces above``, ``undefined``; the least alike first,
        controls last.
    """
    predictor, faces = explained.predictor, explained.faces
    made_of = {} if shards is None else {**board.made_of(explained), "networks": networks}
    if shards is not None:
        check_made_of(shards, made_of, write=False, name="gate-", shards="gate-*.npz")
    names = methods_of_gate(board)
    again = explainers(explained, names, faces.ids, explained.regions)
    images = explained.images()
    rows = []
    for name in names:

        def make(name: str = name) -> dict[str, NDArray[Any]]:
            found = randomisation_gate(
                ScoreCache(predictor, images, ids=faces.ids, seed=board.seed),
                images,
                explained.control(name).maps
                if name in CONTROLS
                else explained.maps(name, chunk=board.chunk),
                explained.targets,
                again[name],
                networks=networks,
                calibration=explained.calibration,
            )
            if shards is not None:
                check_made_of(shards, made_of, name="gate-", shards="gate-*.npz")
            return {"similarity": found.similarity.numpy(), "null": found.null.numpy()}

        kept = make() if shards is None else store.once(shards / f"gate-{slug(name)}.npz", make)
        found = Gate(**{key: torch.from_numpy(values) for key, values in kept.items()})
        rows.append(
            {
                "model": readable(predictor.name),
                "method": name,
                "control": name in CONTROLS,
                "gate": _verdict(found),
                "similarity": found.mean,
                "threshold": found.threshold,
                "excess": found.excess,
                "p": found.p,
                "faces above": found.share_above,
                "undefined": found.blank / max(len(faces), 1),
            }
        )
        progress()
    return pd.DataFrame(rows).sort_values(["control", "similarity"]).reset_index(drop=True)


def _verdict(found: Gate) -> str:
    if math.isnan(found.mean):
        return "undefined"
    return "passes" if found.passed else "fails"


def methods_of_gate(board: Scoreboard) -> list[str]:
    """Methods and controls in the gate's table.

    Examples
    --------
    >>> board = Scoreboard(methods=["gradcam", "lime"], metrics=["gini"])
    >>> board.refused["lime"] = "no rules"
    >>> methods_of_gate(board)[:2]
    ['gradcam', 'random']
    """
    return [*(m for m in board.methods if m not in board.refused), *MODEL_FREE]


def gate_table(frame: pd.DataFrame, *, faces: int, networks: int) -> Table:
    """The gate's table with its caption.

    Examples
    --------
    >>> frame = pd.DataFrame({"method": ["gradcam"], "gate": ["passes"]})
    >>> "10 wholly random networks" in gate_table(frame, faces=6, networks=10).caption
    True
    """
    return Table(
        name="gate",
        frame=frame,
        caption=f"Mean Spearman of each face's map with those of {networks} wholly random "
        "networks, and the 95th percentile of single pairs of the null: the random networks' maps "
        "moved and mirrored. Above it a method fails; that is a bar against gross likeness, and "
        "no test at 5 %. Excess: the mean less the null's mean. p: one-sided, of the mean among "
        "the means of the null's draws; a method may pass and still be more like random networks "
        "than moved maps are. Faces above: share whose own mean lies above the threshold. "
        f"Undefined: share of the {faces} faces without a similarity. Controls do not look at the "
        "network: all must fail but the uniform map, which has no similarity and so no verdict.",
    )


def gate_sentence(model: str, table: pd.DataFrame) -> str:
    """How many methods pass, and which do not.

    Examples
    --------
    >>> verdicts = {"method": ["gradcam", "lime", "edges"], "gate": ["passes", "fails", "fails"]}
    >>> gate_sentence("tiny", pd.DataFrame({**verdicts, "control": [False, False, True]}))
    'tiny: 1 of 2 methods pass the randomisation gate; it stops lime.'
    """
    methods = table[~table["control"]]
    names = {verdict: list(own["method"]) for verdict, own in methods.groupby("gate")}
    stopped = f"; it stops {', '.join(names['fails'])}" if "fails" in names else ""
    if "undefined" in names:
        stopped += f"; no verdict on {', '.join(names['undefined'])}"
    return (
        f"{model}: {len(names.get('passes', []))} of {len(methods)} methods pass the "
        f"randomisation gate{stopped}."
    )
