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
from fer_xai.data.splits import face_groups
from fer_xai.names import slug
from metrics.core.score_cache import ScoreCache
from metrics.randomisation.gate import GRID, MARGIN, MIN_NETWORKS, Gate, randomisation_gate
from studies.engine import store
from studies.engine.explained import Explained
from studies.engine.shards import check_made_of
from studies.reporting.formatting import readable
from studies.reporting.page import Table
from studies.scoreboard.explainers import explainers
from studies.scoreboard.scores import MODEL_FREE, Scoreboard
from studies.scoreboard.tables import bounds


def gate(
    explained: Explained,
    board: Scoreboard,
    *,
    networks: int = MIN_NETWORKS,
    margin: float = MARGIN,
    shards: Path | None = None,
    progress: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """One row a method that the board does not refuse, and a control whose verdict is known.

    The images of all faces are in memory, since each random network explains all of them before its
    maps are held against those of other faces: of a large set take a sample (``--limit``).

    Parameters
    ----------
    explained
        A network and its faces, as the board has explained them.
    board
        Methods, target rule and seed.
    networks
        Number of wholly random networks.
    margin
        Largest likeness with them that passes.
    shards
        Folder in which what was found of each method is kept, for this model, these faces and
        options alone.
    progress
        Called after each method.

    Returns
    -------
    DataFrame
        ``model``, ``method``, ``control``, ``gate`` (passes, stopped, undecided or undefined),
        ``likeness`` with its bounds, ``margin``, ``other faces``, ``excess`` with its bounds,
        ``faces above``, ``undefined``, ``units needed``; the least alike first, controls last.

    Raises
    ------
    InputError
        If the images of all faces take more than 4 GiB.
    """
    predictor, faces = explained.predictor, explained.faces
    made_of = {}
    if shards is not None:
        made_of = {**board.made_of(explained), "networks": networks, "grid": GRID}
        check_made_of(shards, made_of, write=False, name="gate-", shards="gate-*.npz")
    names = methods_of_gate(board)
    again = explainers(explained, names, faces.ids, explained.regions)
    images = explained.images()
    clusters = face_groups(faces).tolist()
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
                clusters=clusters,
            )
            if shards is not None:
                check_made_of(shards, made_of, name="gate-", shards="gate-*.npz")
            return {"similarity": found.similarity.numpy(), "null": found.null.numpy()}

        kept = make() if shards is None else store.once(shards / f"gate-{slug(name)}.npz", make)
        found = Gate(
            similarity=torch.from_numpy(kept["similarity"]),
            null=torch.from_numpy(kept["null"]),
            margin=margin,
            clusters=clusters,
        )
        rows.append(
            {
                "model": readable(predictor.name),
                "method": name,
                "control": name in CONTROLS,
                "gate": found.verdict,
                **bounds("likeness", found.interval),
                "margin": margin,
                "other faces": found.null_mean,
                **bounds("excess", found.excess),
                "faces above": found.share_above,
                "undefined": found.blank / max(len(faces), 1),
                "units needed": found.faces_needed,
            }
        )
        progress()
    return pd.DataFrame(rows).sort_values(["control", "likeness"]).reset_index(drop=True)


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


def gate_table(frame: pd.DataFrame, *, unit: str, networks: int, margin: float = MARGIN) -> Table:
    """The gate's table with its caption.

    Examples
    --------
    >>> frame = pd.DataFrame({"method": ["gradcam"], "gate": ["passes"]})
    >>> "10 wholly random networks" in gate_table(frame, unit="the face (6)", networks=10).caption
    True
    """
    return Table(
        name="gate",
        frame=frame,
        caption=f"Likeness: mean Spearman of each face's map with the maps that {networks} wholly "
        f"random networks give of that face, all averaged over the same {GRID}×{GRID} cells, with "
        "its 95 % interval for new faces and new random networks. A method passes where the "
        f"interval lies wholly below the margin ({margin:g}), is stopped where it lies wholly "
        "above, and is undecided between; units needed: how many would decide it if this likeness "
        "and this scatter stayed (infinite: more random networks are needed). Intervals are not "
        "corrected for the number of methods, and no p-value is given: verdicts are of the size "
        "of the likeness. Other faces: the same with the random networks' maps of other faces; "
        "excess: what is due to the face, paired. Faces above: share whose own mean lies above the "
        "margin. Undefined: share of faces without a similarity. Controls do not look at the "
        "network: all must be stopped but the uniform map, which has no similarity and so no "
        f"verdict. Unit: {unit}.",
    )


def gate_sentence(model: str, table: pd.DataFrame) -> str:
    """How many methods pass, which do not, and which are undecided.

    Examples
    --------
    >>> verdicts = {"method": ["gradcam", "lime"], "gate": ["passes", "undecided"]}
    >>> frame = pd.DataFrame({**verdicts, "control": False, "units needed": [math.nan, 90.0]})
    >>> gate_sentence("tiny", frame)
    'tiny: 1 of 2 methods pass the randomisation gate; undecided: lime (about 90 units needed).'
    """
    methods = table[~table["control"]]
    names = {verdict: list(own["method"]) for verdict, own in methods.groupby("gate")}
    said = f"; it stops {', '.join(names['stopped'])}" if "stopped" in names else ""
    if "undecided" in names:
        needed = methods.set_index("method")["units needed"]
        said += "; undecided: " + ", ".join(
            f"{name} ({_needed(float(needed[name]))})" for name in names["undecided"]
        )
    if "undefined" in names:
        said += f"; no verdict on {', '.join(names['undefined'])}"
    return (
        f"{model}: {len(names.get('passes', []))} of {len(methods)} methods pass the "
        f"randomisation gate{said}."
    )


def _needed(units: float) -> str:
    """What an undecided verdict needs, in words.

    Examples
    --------
    >>> _needed(210.0), _needed(math.inf), _needed(math.nan)
    ('about 210 units needed', 'more random networks needed', 'too few faces for an interval')
    """
    if math.isnan(units):
        return "too few faces for an interval"
    if math.isinf(units):
        return "more random networks needed"
    return f"about {units:,.0f} units needed"
