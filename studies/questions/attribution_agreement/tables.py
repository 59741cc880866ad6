"""Tables of the agreement study, from its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fer_xai.attributions import CONTROLS
from metrics.statistics.bounded import order_by_name
from metrics.statistics.effect_sizes import cohens_d
from metrics.statistics.families import mean_family
from metrics.statistics.intervals import Interval, mean_interval
from metrics.statistics.power import about, units_to_tell
from studies.scoreboard.judged import ALONE, BY, judged_by
from studies.scoreboard.report import MOST_UNITS
from studies.scoreboard.tables import LEVEL, NEEDED, P, bounds

CHANCE = ("random", "signed_random", "uniform", "centre", "edges")
"""Controls that know nothing of the model. A map's sums order regions by area where it has no sign,
and at random where it has one: which chance scores best depends on the fills, so a method is held
against the one that does."""
SHAPLEY = "region_shapley"


def by_face(rows: pd.DataFrame, *keys: str) -> pd.DataFrame:
    """Values averaged over fills, one a face and ``keys``."""
    grouped = rows.groupby([*keys, "id"], observed=True)["value"]
    return grouped.mean().reset_index()


def interval(values: pd.Series, clusters: pd.Series) -> Interval:
    """Mean over faces, by clusters; ``values`` are indexed by face."""
    return mean_interval(values.to_numpy(), clusters=list(clusters.loc[list(values.index)]))


def between_fills(rows: pd.DataFrame, clusters: pd.Series) -> dict[str, Interval]:
    """Agreement between the Shapley values of two fills, averaged over pairs, by model."""
    part = by_face(rows[rows["comparison"] == "fills"], "model")
    return {
        str(model): interval(own.set_index("id")["value"], clusters)
        for model, own in part.groupby("model", observed=True)
    }


def another_fill(
    rows: pd.DataFrame, model: str, scored_by: Sequence[str], starts_from: Sequence[str]
) -> float:
    """Mean agreement of exact Shapley values of another fill, where a method is scored.

    It is what the choice of the fill alone leaves of an exact answer, and no upper bound: a method
    that agrees with several fills at once can pass it. A method that starts from a fill is scored
    by the others, and so are the Shapley values of that fill; one that starts from none is held
    against pairs of different fills.
    """
    part = rows[(rows["comparison"] == "fills") & (rows["model"] == model)]
    mean = part.groupby(["attribution", "with"], observed=True, as_index=False)["value"].mean()
    pairs = {
        frozenset((str(one), str(two))): float(value)
        for one, two, value in mean[["attribution", "with", "value"]].itertuples(index=False)
    }
    own = [fill for fill in starts_from if any(fill in pair for pair in pairs)]
    found = [
        value
        for pair, value in pairs.items()
        for by in pair & set(scored_by)
        if not own or pair - {by} <= set(own)
    ]
    return float(np.mean(found)) if found else np.nan


def floors(rows: pd.DataFrame) -> dict[str, str]:
    """The chance control that agrees most with exact Shapley, by model."""
    part = rows[(rows["comparison"] == "shapley") & rows["attribution"].isin(CHANCE)]
    means = part.groupby(["model", "attribution"], observed=True)["value"].mean().unstack()
    return {str(model): str(name) for model, name in means.idxmax(axis=1).items()}


def gains(rows: pd.DataFrame, model: str, name: str, floor: str) -> pd.Series:
    """What a method's agreement exceeds the floor's by, indexed by face.

    Paired by face and fill, then averaged over the fills that the method is scored by: a method
    that starts from a fill is not scored by it, and neither then is the floor.
    """
    part = rows[(rows["comparison"] == "shapley") & (rows["model"] == model)]
    wide = part[part["attribution"].isin([name, floor])].pivot_table(
        index=["id", "with"], columns="attribution", values="value", sort=False, observed=True
    )
    if name not in wide or floor not in wide:
        return pd.Series(dtype=float)
    return (wide[name] - wide[floor]).dropna().groupby(level="id", sort=False).mean()


def methods(rows: pd.DataFrame, clusters: pd.Series, described: Mapping[str, Any]) -> pd.DataFrame:
    """One row a model and attribution: the primary endpoint, and what stands beside it."""
    shapley = by_face(rows[rows["comparison"] == "shapley"], "model", "attribution")
    pixels, seeds = (rows[rows["comparison"] == kind] for kind in ("pixels", "seeds"))
    fills = rows[(rows["comparison"] == "shapley") & rows["value"].notna()]
    scored_by = fills.groupby(["model", "attribution"], observed=True)["with"].unique()
    floor = floors(rows)
    out = []
    for model, own in shapley.groupby("model", observed=True):
        passes = described[str(model)]["methods"]
        parts = dict(list(own.groupby("attribution", observed=True, sort=False)))
        gain_of = {
            str(name): gains(rows, str(model), str(name), floor[str(model)]) for name in parts
        }
        over = _judged(gain_of, clusters, floor[str(model)])
        for name, part in parts.items():
            values = part.set_index("id")["value"]
            found = interval(values, clusters)
            gain = gain_of[str(name)]
            described = passes.get(str(name), {})
            needed = described.get("passes", (np.nan, np.nan))
            by = list(scored_by.get((model, name), []))
            out.append(
                {
                    "model": model,
                    "attribution": name,
                    "control": name in CONTROLS,
                    "Shapley": found.estimate,
                    "Shapley low": found.low,
                    "Shapley high": found.high,
                    "fills": ", ".join(by),
                    "another fill": another_fill(
                        rows, str(model), by, described.get("starts from", ())
                    ),
                    **bounds("over chance", over[str(name)].interval),
                    "units": float(over[str(name)].interval.n),
                    "d_z": cohens_d(gain) if len(gain) else np.nan,
                    P: over[str(name)].p,
                    NEEDED: over[str(name)].needed,
                    BY: over[str(name)].by,
                    "other methods": _with_others(pixels, str(model), str(name)),
                    "itself, other seed": seeds.loc[
                        (seeds["model"] == model) & (seeds["attribution"] == name), "value"
                    ].mean(),
                    "undefined": float(values.isna().mean()),
                    "forward passes": needed[0],
                    "backward passes": needed[1],
                }
            )
    table = pd.DataFrame(out)
    order = table.sort_values(["model", "control", "over chance"], ascending=[True, True, False])
    return order.reset_index(drop=True)


class _Gain(NamedTuple):
    """Mean gain of an attribution: how it was judged, and how many units would tell it."""

    interval: Interval
    p: float
    needed: float
    by: str


def _judged(gain_of: Mapping[str, pd.Series], clusters: pd.Series, floor: str) -> dict[str, _Gain]:
    """Mean gain of each attribution, judged.

    Attributions that are no control are one family; the floor is not held against itself.
    """
    wide = pd.DataFrame({name: gain for name, gain in gain_of.items() if name not in CONTROLS})
    wide = wide.iloc[order_by_name(wide.index)]  # so that rows in another order say the same
    labels = list(clusters.loc[list(wide.index)])
    family = mean_family(wide.to_numpy(dtype=np.float64), clusters=labels, bounds=(-2, 2))
    level = family.level_each if np.isfinite(family.level_each) else LEVEL
    nan = float("nan")
    judged = {
        str(name): _Gain(
            one,
            float(p),
            units_to_tell(one, level=level) if p >= 1 - LEVEL else nan,
            judged_by(one),
        )
        for name, one, p in zip(wide, family.intervals, family.p_values, strict=True)
    }
    controls = {
        name: _Gain(interval(gain, clusters), nan, nan, "" if name == floor else ALONE)
        for name, gain in gain_of.items()
        if name in CONTROLS
    }
    return judged | controls


def _with_others(pixels: pd.DataFrame, model: str, name: str) -> float:
    """Mean pixel agreement with every method that is no control."""
    own = pixels[pixels["model"] == model]
    either = own[(own["attribution"] == name) | (own["with"] == name)]
    other = np.where(either["attribution"] == name, either["with"], either["attribution"])
    return float(either.loc[[o not in CONTROLS for o in other], "value"].mean())


def matrix(rows: pd.DataFrame, model: str, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Mean pixel agreement of each pair of attributions of a model."""
    part = rows[(rows["comparison"] == "pixels") & (rows["model"] == model)]
    mean = part.groupby(["attribution", "with"], observed=True)["value"].mean().reset_index()
    both = pd.concat([mean, mean.rename(columns={"attribution": "with", "with": "attribution"})])
    table = both.pivot(index="attribution", columns="with", values="value")
    order = list(names or dict.fromkeys([*part["attribution"], *part["with"]]))
    table = table.reindex(index=order, columns=order)
    values = table.to_numpy(copy=True)
    np.fill_diagonal(values, 1.0)
    return pd.DataFrame(values, index=order, columns=order)


def answer(table: pd.DataFrame, tops: Mapping[str, Interval], floor: Mapping[str, str]) -> str:
    """The result in words."""
    sentences = []
    for model, own in table.groupby("model", sort=False):
        real = own[~own["control"]]
        judged = real.dropna(subset=["over chance"])
        if not len(judged):
            sentences.append(f"{model}: no attribution can be held against exact Shapley values.")
            continue
        best = judged.iloc[0]
        tested = "none is tested, which takes more faces"
        better = int(((judged["over chance low"] > 0) & (judged[P] < 0.05)).sum())
        if judged[P].notna().any():
            tested = f"{better} gain by more than nothing, corrected over all of them (max-T)"
        camera = judged[judged["attribution"] == "gradcam"]
        chance = floor[str(model)]
        known = own.loc[own["attribution"] == chance, "Shapley"].iloc[0]
        top = tops[str(model)]
        text = (
            f"{model}: of {len(judged)} attributions {best['attribution']} gains most over the "
            f"best map that knows nothing of the model ({chance.replace('_', ' ')}, which agrees "
            f"with exact Shapley values of facial regions by Spearman {known:.2f}): "
            f"{best['over chance']:+.2f}"
        )
        if np.isfinite(best["over chance low"]):
            text += f" [{best['over chance low']:+.2f}, {best['over chance high']:+.2f}]"
        if len(camera):
            text += f", Grad-CAM {camera['over chance'].iloc[0]:+.2f}"
        text += (
            f"; {tested}. By the same fills {best['attribution']} agrees by {best['Shapley']:.2f}, "
            f"and exact Shapley values of another fill by {best['another fill']:.2f} (what the "
            "choice of the fill leaves of an exact answer); over all pairs of fills these agree by "
            f"{top.estimate:.2f}"
        )
        if np.isfinite(top.low):
            text += f" [{top.low:.2f}, {top.high:.2f}]"
        sentences.append(f"{text}.{_not_told(judged)}")
    return " ".join(sentences)


def _not_told(judged: pd.DataFrame) -> str:
    """What is to be said of attributions that are not told from the chance control."""
    tested = judged.dropna(subset=[P])
    apart = (tested[P] < 1 - LEVEL) & (
        (tested["over chance low"] > 0) | (tested["over chance high"] < 0)
    )
    rest = tested[~apart]
    if not len(rest):
        return ""
    units = int(rest["units"].max())
    said = f" Not told apart with {units} units: {', '.join(rest['attribution'])}"
    shown = {}
    reachable = rest[rest[NEEDED].gt(units) & rest[NEEDED].le(MOST_UNITS)]
    if len(reachable):
        nearest = reachable.sort_values(NEEDED, kind="stable").iloc[0]
        shown[nearest["attribution"]] = nearest[NEEDED]
    for _, row in reachable[reachable["attribution"] == "gradcam"].iterrows():
        shown["gradcam"] = row[NEEDED]
    if not shown:
        return f"{said}."
    needed = " and ".join(f"{about(n)} for {name}" for name, n in shown.items())
    return f"{said}; to tell gains as large as these, about {needed} would be needed."
