"""Tables of regions: what each region costs, by emotion, and where the codebook shows it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fer_xai.emotions import SIX
from fer_xai.landmarks import REGIONS
from studies.questions.occlusion_robustness.families import FamilyMean, family_means

ON_FACE = tuple(name for name in REGIONS if name != "off_face")
_NONE = FamilyMean(0, np.nan, np.nan, np.nan, np.nan)


def region_table(rows: Mapping[str, pd.DataFrame], clusters: pd.Series) -> pd.DataFrame:
    """What it costs to lose each region, over all faces and beyond a patch of its area.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     [
    ...         ("a", region, "fear", 0.1, cost, 0.125, 1.0)
    ...         for region, cost in zip(REGIONS, [0, 0.5, 0, 0, 0, 0, 0, 0], strict=True)
    ...     ],
    ...     columns=["id", "region", "target", "area", "cost", "patch", "book fear"],
    ... )
    >>> units = pd.Series([0], index=["a"])
    >>> region_table({"net": rows}, units)["cost"].tolist()[:2]  # forehead and brows
    [0.0, 0.5]
    """
    found = []
    for model, own in rows.items():
        cost = own.pivot(index="id", columns="region", values="cost")
        patch = own.pivot(index="id", columns="region", values="patch")
        lost = family_means(cost[list(REGIONS)], clusters, bounds=(-1, 1))
        beyond = family_means((cost - patch)[list(ON_FACE)], clusters, bounds=(-1, 1))
        area = own.groupby("region")["area"].mean()
        for name in REGIONS:
            row = {
                "model": model,
                "region": name,
                "faces": lost[name].n,
                "image": 100 * area[name],
                **lost[name].named("cost"),
                "patch": patch[name].mean(),
            }
            if name in ON_FACE:
                row |= beyond[name].named("beyond a patch")
                row["p, beyond a patch"] = beyond[name].p
            found.append(row)
    return pd.DataFrame(found)


def emotion_table(rows: Mapping[str, pd.DataFrame], clusters: pd.Series) -> pd.DataFrame:
    """What it costs each emotion to lose each region, beside the codebook: the matrix, by row.

    Intervals and p-values are those of one family over all cells of a model on the face, by betting
    on a bounded mean: where 42 cells of 60 skewed values had no effect, t statistics made some
    claim in 9 of 37 simulated families.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     [
    ...         ("a", region, "fear", 0.1, cost, 0.125, 1.0)
    ...         for region, cost in zip(REGIONS, [0, 0.5, 0, 0, 0, 0, 0, 0], strict=True)
    ...     ],
    ...     columns=["id", "region", "target", "area", "cost", "patch", "book fear"],
    ... )
    >>> units = pd.Series([0], index=["a"])
    >>> emotion_table({"net": rows}, units)["beyond a patch"].tolist()[:2]
    [-0.125, 0.375]
    """
    found = []
    for model, costs in rows.items():
        own = costs.assign(beyond=costs["cost"] - costs["patch"])
        cells = own[own["target"].isin(SIX)].pivot(
            index="id", columns=["target", "region"], values="beyond"
        )
        emotions = [emotion for emotion in SIX if emotion in cells]
        wide = {
            f"{emotion} {name}": cells[emotion, name]
            for emotion in emotions
            for name in ON_FACE
            if (emotion, name) in cells
        }
        family = family_means(pd.DataFrame(wide), clusters, bounds=(-1, 1), counted=True)
        for emotion in emotions:
            here = own[own["target"] == emotion]
            for name in REGIONS:
                part = here[here["region"] == name]
                one = family.get(f"{emotion} {name}", _NONE)
                found.append(
                    {
                        "model": model,
                        "emotion": emotion,
                        "region": name,
                        "faces": int(part["cost"].notna().sum()),
                        "cost": part["cost"].mean(),
                        **one.named("beyond a patch"),
                        "p, beyond a patch": one.p,
                        "codebook": 100 * part[f"book {emotion}"].mean(),
                    }
                )
    return pd.DataFrame(found)


def book_table(rows: Mapping[str, pd.DataFrame], clusters: pd.Series) -> pd.DataFrame:
    """Does it cost an emotion more to lose where the codebook shows it than where others show?

    For each face, the mean cost of the face's regions, weighted by the share of each that the
    codebook gives the explained emotion, less the mean of the same for the other emotions: a
    region that costs every emotion as much cancels. The row ``all`` is the mean of the emotions'
    means, each of which weighs the same however many faces it has; it has no interval and no p.

    Examples
    --------
    >>> books = {f"book {name}": [0.0, 1.0] for name in SIX} | {"book fear": [1.0, 0.0]}
    >>> rows = pd.concat(
    ...     pd.DataFrame({"id": face, "region": ["brows", "mouth"], "target": target,
    ...                   "cost": [0.5, 0.25], **books})
    ...     for face, target in (("a", "fear"), ("b", "happiness"), ("c", "happiness"))
    ... )
    >>> found = book_table({"net": rows}, pd.Series(range(3), index=["a", "b", "c"]))
    >>> found[["emotion", "faces", "gain"]].round(3).values.tolist()
    [['all', 3, 0.1], ['happiness', 2, -0.05], ['fear', 1, 0.25]]
    """
    found = []
    for model, own in rows.items():
        gains = book_gains(own)
        emotion = own.drop_duplicates("id").set_index("id")["target"]
        columns = {name: gains.where(emotion == name) for name in SIX if (emotion == name).any()}
        each = family_means(pd.DataFrame(columns), clusters, bounds=(-1, 1))
        macro = pd.Series([one.mean for one in each.values()], dtype=float).mean()
        whole = _NONE._replace(n=sum(one.n for one in each.values()), mean=macro)
        for name, one in ({"all": whole} | each).items():
            row = {"model": model, "emotion": name, "faces": one.n, **one.named("gain")}
            found.append(row | {"p": one.p})
    return pd.DataFrame(found)


def book_gains(rows: pd.DataFrame) -> pd.Series:
    """The gain of each face, by its id.

    An emotion whose regions are all out of sight has no mean cost and is left out of the mean over
    other emotions. The gain is NaN where the explained emotion is not in the codebook or has no
    region in sight, and where no other emotion has one.

    Parameters
    ----------
    rows
        Rows of one network, a face and region.

    Examples
    --------
    >>> books = {f"book {name}": [0.0, 1.0] for name in SIX} | {"book fear": [1.0, 0.0]}
    >>> rows = pd.DataFrame({"id": "a", "region": ["brows", "mouth"], "target": "fear",
    ...                      "cost": [0.5, 0.25], **books})
    >>> book_gains(rows).tolist()
    [0.25]
    """
    face = rows[rows["region"].isin(ON_FACE)]
    cost = face.pivot(index="id", columns="region", values="cost")
    by_book = {}
    for emotion in SIX:
        weight = face.pivot(index="id", columns="region", values=f"book {emotion}")
        weight = weight.where(cost.notna())
        by_book[emotion] = (cost * weight).sum(axis=1) / weight.sum(axis=1)
    table = pd.DataFrame(by_book)
    target = rows.drop_duplicates("id").set_index("id")["target"].loc[table.index]
    explained = pd.DataFrame({name: target == name for name in SIX})
    own, others = table.where(explained), table.mask(explained)
    return own.mean(axis=1) - others.mean(axis=1)  # means skip emotions without a visible region
