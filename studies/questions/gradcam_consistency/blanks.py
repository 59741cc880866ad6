"""Blank maps of the consistency study, counted by emotion and target."""

from __future__ import annotations

import pandas as pd

from fer_xai.emotions import EMOTIONS


def blank_maps(sets: pd.DataFrame) -> pd.DataFrame:
    """Share of faces of each emotion whose map at each target is zero everywhere.

    Grad-CAM's ReLU blanks a map where nothing speaks for the target, so those that remain are a
    selection. Beside the shares stand the faces of the emotion, and the targets at which too few of
    them are left, so that the primary endpoint leaves the emotion out. Untrained networks of an
    architecture are averaged.

    Examples
    --------
    >>> row = {"network": "a", "architecture": "a", "trained": True, "method": "gradcam"}
    >>> row |= {"target": "fixed:fear", "emotion": "anger", "subset": "all"}
    >>> counts = {"metric": "blank maps", "value": 1, "n": 4}, {"metric": "separability", "n": 4}
    >>> blank_maps(pd.DataFrame([row | count for count in counts])).to_dict("records")[0]["fear"]
    0.25
    """
    here = sets[(sets["metric"] == "blank maps") & (sets["subset"] == "all")]
    here = here.assign(
        network=here["network"].where(here["trained"], here["architecture"] + " untrained"),
        share=here["value"] / here["n"].clip(lower=1),
        target=here["target"].str.removeprefix("fixed:"),
    )
    index = ["network", "method", "emotion"]
    table = here.pivot_table(
        index=index, columns="target", values="share", sort=False, observed=True
    )
    table.insert(0, "faces", here.groupby(index, observed=True)["n"].max())
    table["left out at"] = _left_out(sets).reindex(table.index).fillna("")
    table = table.reset_index()
    table.columns.name = None
    order = table["emotion"].map({name: k for k, name in enumerate(EMOTIONS)})
    return table.loc[order.sort_values(kind="stable").index].sort_values(
        ["network", "method"], kind="stable", ignore_index=True
    )


def _left_out(sets: pd.DataFrame) -> pd.Series:
    """Targets at which an emotion has no AUC, of trained networks."""
    here = sets[(sets["metric"] == "separability") & (sets["subset"] == "all") & sets["trained"]]
    here = here[
        (here["emotion"] != "all") & here["target"].str.startswith("fixed:") & here["value"].isna()
    ]
    names = here["target"].str.removeprefix("fixed:")
    return names.groupby([here[key] for key in ("network", "method", "emotion")]).agg(", ".join)
