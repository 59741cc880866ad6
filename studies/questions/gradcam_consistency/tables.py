"""Tables of the consistency study, made from its rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.attributions import CONTROLS
from fer_xai.emotions import EMOTIONS
from fer_xai.landmarks import REGIONS
from metrics.consistency.jackknife import jackknife_interval
from metrics.statistics.effect_sizes import auc_to_d, cohens_d
from metrics.statistics.intervals import Interval, mean_interval
from metrics.statistics.significance import holm
from studies.questions.gradcam_consistency.excess import excess_over_untrained, mean_over_targets
from studies.questions.gradcam_consistency.shared import left_out

COMPARED = {
    ("all", "gradcam"): "all registered faces (primary)",
    ("all", "gradcam_signed"): "all registered faces, maps without the ReLU",
    ("common", "gradcam"): "maps defined in every network",
    ("correct", "gradcam"): "faces the trained model has right",
    ("template", "gradcam"): "all faces, unregistered",
}
"""Names of the comparisons, by subset of faces and method: the endpoint and its checks."""


def primary(rows: pd.DataFrame, sets: pd.DataFrame, faces: pd.DataFrame) -> pd.DataFrame:
    """The declared endpoint of each model, and the same of signed maps and other sets of faces.

    One row a model and comparison: AUC of the trained network, mean and range over the untrained
    ones, their difference with two intervals (over faces; over faces and untrained networks),
    Holm's p over the declared family, which is the primary row of every model. Emotions that a
    network of the architecture has too few maps of at a target, and targets at which one has no
    AUC, are left out of all of them, so that like is compared with like.
    """
    found = []
    lost = left_out(sets, COMPARED).groupby(["model", "faces compared"])["targets"].sum()
    for architecture in _architectures(sets):
        for (subset, method), meaning in COMPARED.items():
            here = sets[
                (sets["architecture"] == architecture)
                & (sets["subset"] == subset)
                & (sets["method"] == method)
                & (sets["metric"] == "separability")
                & (sets["emotion"] == "all")
                & sets["target"].str.startswith("fixed")
            ]
            if not len(here):  # without signed maps
                continue
            aucs = here.set_index(["trained", "network", "target"])["value"].unstack("target")
            targets = list(aucs.columns[aucs.notna().all()])
            mean = aucs[targets].mean(axis=1)
            trained = float(mean[True].iloc[0])
            floor = mean[False].to_numpy()
            influence = _influences(rows, architecture, (subset, method), faces, targets)
            clusters, labels = list(faces["cluster"]), faces["emotion"].to_numpy()
            aucs_of_all = np.array([trained, *floor])
            excess = excess_over_untrained(aucs_of_all, influence, labels, clusters=clusters)
            own, over_faces, both = excess.trained, excess.over_faces, excess.over_both
            counts = here.loc[here["trained"] & here["target"].isin(targets), "n"]
            found.append(
                {
                    "model": architecture,
                    "faces compared": meaning,
                    "AUC trained": trained,
                    "AUC low": own.low,
                    "AUC high": own.high,
                    "AUC untrained": float(floor.mean()),
                    "untrained min": float(floor.min()),
                    "untrained max": float(floor.max()),
                    "excess": both.estimate,
                    "low": both.low,
                    "high": both.high,
                    "effect size d": auc_to_d(trained) - auc_to_d(float(floor.mean())),
                    "low, faces only": over_faces.low,
                    "high, faces only": over_faces.high,
                    "p": both.p_value,
                    "primary": (subset, method) == ("all", "gradcam"),
                    "units": both.n,
                    "n_min": counts.min(),
                    "n_max": counts.max(),
                    "targets": len(targets),
                    "left out": int(lost.get((architecture, meaning), 0)),
                    "units needed for ±.01": over_faces.units_needed(0.01),
                    "unregistered": _unregistered(_part(sets, architecture, subset, method)),
                    "undefined maps": _undefined(
                        _part(sets, architecture, subset, method), trained=True
                    ),
                    "undefined maps, untrained": _undefined(
                        _part(sets, architecture, subset, method), trained=False
                    ),
                }
            )
    table = pd.DataFrame(found)
    table.insert(list(table.columns).index("p") + 1, "p (Holm)", np.nan)
    table.loc[table["primary"], "p (Holm)"] = holm(table.loc[table["primary"], "p"])
    return table


def _part(sets: pd.DataFrame, architecture: str, subset: str, method: str) -> pd.DataFrame:
    """Rows of one comparison."""
    here = sets[(sets["architecture"] == architecture) & (sets["subset"] == subset)]
    return here[here["method"] == method]


def _undefined(here: pd.DataFrame, *, trained: bool) -> float:
    """Share of registered faces without a map to compare, mean over targets and networks."""
    lost = here[(here["trained"] == trained) & (here["metric"] == "undefined maps")]
    return float(_lost_share(lost).mean())


def _unregistered(here: pd.DataFrame) -> int:
    """Number of faces that could not be registered: at no target do they take part."""
    return int(here.loc[here["trained"] & (here["metric"] == "unregistered"), "value"].max())


def _lost_share(lost: pd.DataFrame) -> pd.Series:
    """Share of registered faces without a map, from rows that count those and those with one."""
    return lost["value"] / (lost["value"] + lost["n"]).clip(lower=1)


def _architectures(sets: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(sets.loc[sets["trained"], "architecture"]))


def _influences(
    rows: pd.DataFrame,
    architecture: str,
    compared: tuple[str, str],
    faces: pd.DataFrame,
    targets: Sequence[str],
) -> NDArray[np.float64]:
    """``(1 + untrained, N)``: each face's part in the AUC's jackknife, averaged over targets.

    The trained network comes first. A face without a defined map for a target has no influence
    on that target; one without any is NaN.
    """
    subset, method = compared
    metric = f"separability influence ({subset})"
    here = rows[(rows["metric"] == metric) & (rows["method"] == method)]
    here = here[here["target"].isin(targets)]
    names = [str(name) for name in here["network"].cat.categories if _belongs(name, architecture)]
    names.sort(key=lambda name: ("@" in name, len(name), name))
    return np.array([_mean_influence(here[here["network"] == name], faces) for name in names])


def _mean_influence(rows: pd.DataFrame, faces: pd.DataFrame) -> NDArray[np.float64]:
    """``(N,)``: a network's influences, averaged over the targets that have an AUC."""
    wide = rows.pivot_table(
        index="id", columns="target", values="value", observed=True, dropna=False
    ).reindex(faces["id"])
    return mean_over_targets(wide.to_numpy(dtype=np.float64))


def _belongs(network: str, architecture: str) -> bool:
    return network == architecture or network.startswith(f"{architecture}@")


def methods(rows: pd.DataFrame, sets: pd.DataFrame, faces: pd.DataFrame) -> pd.DataFrame:
    """Every network and method side by side: separability, likeness, blank maps.

    Intervals are over faces (clusters), for trained networks and controls.

    Untrained networks of one architecture are averaged. Where a map is the same for all faces,
    similarity is 1 within and between, and no test exists: cells stay empty.
    """
    keep = sets[(sets["subset"] == "all") & (sets["emotion"] == "all")].copy()
    fixed = keep["target"].str.startswith("fixed")
    keep["column"] = np.where(fixed, "fixed: ", keep["target"] + ": ") + keep["metric"]
    keep["network"] = _caption(keep)
    lost = keep["metric"] == "undefined maps"
    keep.loc[lost, "value"] = _lost_share(keep[lost])
    table = keep.pivot_table(
        index=["network", "method"], columns="column", values="value", sort=False, dropna=False
    )
    order = {
        "fixed: separability": "AUC, fixed target",
        "fixed: excess similarity": "excess Pearson, fixed target",
        "own: separability": "AUC, own target*",
        "predicted: separability": "AUC, predicted target*",
        "own: within pearson": "within Pearson*",
        "own: between pearson": "between Pearson*",
        "own: excess pearson": "excess Pearson*",
        "own: within cosine": "within cosine*",
        "own: between cosine": "between cosine*",
        "own: within spearman": "within Spearman*",
        "own: between spearman": "between Spearman*",
        "own: within ssim": "within SSIM*",
        "own: between ssim": "between SSIM*",
        "own: excess p": "permutation p*",
        "own: blank share": "blank maps",
        "fixed: undefined maps": "undefined maps",
    }
    table = table.reindex(columns=list(order)).rename(columns=order)
    table = table.dropna(how="all").reset_index()
    bounds = pd.DataFrame(
        [
            _method_intervals(
                rows[(rows["network"] == network) & (rows["method"] == method)],
                faces,
                auc=auc,
                excess=excess,
            )
            for network, method, auc, excess in zip(
                *(table[column] for column in ("network", "method", "AUC, fixed target")),
                table["excess Pearson*"],
                strict=True,
            )
        ]
    )
    for position, column in ((3, "AUC low"), (4, "AUC high")):
        table.insert(position, column, bounds[column])
    at = list(table.columns).index("excess Pearson*") + 1
    for offset, column in enumerate(("excess low", "excess high")):
        table.insert(at + offset, column, bounds[column])
    undefined = table["AUC, fixed target"].isna()
    alike = [name in CONTROLS and CONTROLS[name].same_for_all for name in table["method"]]
    same = table["method"] == "other_face_same_emotion"
    table["note"] = np.select(
        [np.array(alike, dtype=bool), undefined, same],
        [
            "one map for every face: no test exists",
            "too few faces have a map to compare",
            "Grad-CAM's own maps, handed on within each emotion",
        ],
        "",
    )
    return table


def _method_intervals(
    here: pd.DataFrame, faces: pd.DataFrame, *, auc: float, excess: float
) -> dict[str, float]:
    """Bounds of the AUC and of within − between Pearson; NaN where undefined."""
    clusters, labels = list(faces["cluster"]), faces["emotion"].to_numpy()
    out = dict.fromkeys(("AUC low", "AUC high", "excess low", "excess high"), np.nan)
    influence = here[here["metric"] == "separability influence (all)"]
    if len(influence) and np.isfinite(auc):
        found = jackknife_interval(
            auc, _mean_influence(influence, faces), labels, clusters=clusters, scale="logit"
        )
        out |= {"AUC low": found.low, "AUC high": found.high}
    own = here[(here["target"] == "own") & (here["metric"] == "excess pearson influence")]
    if len(own) and np.isfinite(excess):
        found = jackknife_interval(excess, _mean_influence(own, faces), labels, clusters=clusters)
        out |= {"excess low": found.low, "excess high": found.high}
    return out


def _caption(sets: pd.DataFrame) -> NDArray[Any]:
    """The network's name; untrained ones of an architecture share one."""
    return np.where(sets["trained"], sets["network"], sets["architecture"] + " untrained")


def emotions(sets: pd.DataFrame) -> pd.DataFrame:
    """Each network, method and emotion: likeness within and between, agreement of profiles.

    Untrained networks of one architecture are averaged; the recall is that of the network.
    """
    here = sets[(sets["subset"] == "all") & (sets["emotion"] != "all") & (sets["target"] == "own")]
    here = here.assign(network=_caption(here))
    index = ["network", "method", "emotion"]
    table = here.pivot_table(index=index, columns="metric", values="value", sort=False)
    faces = here[here["metric"] == "within pearson"].groupby(index, observed=True)["n"].max()
    columns = {
        "without landmarks": "without landmarks",
        "recall": "recall",
        "within pearson": "within Pearson",
        "between pearson": "between Pearson",
        "within cosine": "within cosine",
        "between cosine": "between cosine",
        "within spearman": "within Spearman",
        "between spearman": "between Spearman",
        "profile ICC(A,1)": "profile ICC(A,1)",
        "profile Kendall W": "profile Kendall W",
        "profile mean Spearman": "as mean Spearman",
        "within ssim": "within SSIM",
        "between ssim": "between SSIM",
    }
    table = table.reindex(columns=list(columns)).rename(columns=columns)
    table.insert(0, "maps compared", faces)
    return table.reset_index()


def regions(rows: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    """Mean log-gain of each region, a network, method and emotion, with face-level intervals."""
    here = rows[rows["metric"].str.startswith("log-gain")]
    found = []
    for key, table in here.groupby(["network", "method", "emotion"], observed=True, sort=False):
        for region in REGIONS:
            part = table[table["metric"] == f"log-gain {region}"]
            mean = mean_interval(part["value"], clusters=list(clusters.reindex(part["id"])))
            names = dict(zip(("network", "method", "emotion"), key, strict=True))
            found.append({**names, "region": region, **_columns(mean)})
    order = {name: k for k, name in enumerate(EMOTIONS)}
    return (
        pd.DataFrame(found)
        .assign(order=lambda table: table["emotion"].map(order))
        .sort_values(["network", "method", "order"], kind="stable")
        .drop(columns="order")
        .reset_index(drop=True)
    )


def self_consistency(rows: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    """Does the map follow the face? Each move: equivariant and unmoved Pearson, and the gain."""
    here = rows[rows["metric"].str.contains(" under ") & rows["value"].notna()]
    found = []
    for (network, metric), table in here.groupby(["network", "metric"], observed=True):
        part, move = str(metric).split(" under ")
        mean = mean_interval(table["value"], clusters=list(clusters.reindex(table["id"])))
        effect = cohens_d(table["value"])
        found.append(
            {"network": network, "move": move, "part": part, "d_z": effect, **_columns(mean)}
        )
    if not found:
        return pd.DataFrame(columns=["network", "move", "equivariant", "unmoved", "gain"])
    table = pd.DataFrame(found)
    wide = table.pivot_table(index=["network", "move"], columns="part", values="mean", sort=False)
    gains = table[table["part"] == "gain"].set_index(["network", "move"])
    parts = wide[["equivariant", "unmoved", "gain"]]
    return parts.join(gains[["low", "high", "d_z", "units"]]).reset_index()


def _columns(interval: Interval) -> dict[str, float]:
    return {
        "mean": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "units": interval.n,
    }
