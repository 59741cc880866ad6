"""Tables of maps: what an occluder does to the map, beside random patches of its area."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from studies.questions.occlusion_robustness.families import family_means


def drift_table(rows: Mapping[str, pd.DataFrame], clusters: pd.Series) -> pd.DataFrame:
    """How alike the map stays outside of what is hidden, over the occluders of each face.

    Beside the mean over all faces stands that over covers that leave the prediction as it was. The
    floor is the likeness with the clean maps of other persons' faces for which the same emotion is
    explained: a mean without an interval, since each map stands in the values of many faces. The
    difference from a random patch is taken by face and occluder, where both are defined.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     [("a", "m", kind, "mouth", True, True, 0.5, 0.25, 0.1, after, 0.1)
    ...      for kind, after in (("occluder", 0.5), ("patch", 0.1))],
    ...     columns=["id", "method", "kind", "name", "covered", "stays", "likeness", "other",
    ...              "before", "after", "area"],
    ... )
    >>> drift_table({"net": rows}, pd.Series([0], index=["a"]))["likeness"].tolist()
    [0.5]
    """
    found = []
    for model, own in rows.items():
        wide, beyond = {}, {}
        for method, part in own[own["covered"]].groupby("method", sort=False):
            occluder, patch = (part[part["kind"] == kind] for kind in ("occluder", "patch"))
            wide[str(method)] = {
                "all": occluder.groupby("id")["likeness"].mean(),
                "stays": occluder[occluder["stays"]].groupby("id")["likeness"].mean(),
                "changes": occluder[~occluder["stays"]].groupby("id")["likeness"].mean(),
                "patch": patch.groupby("id")["likeness"].mean(),
                "other": occluder.groupby("id")["other"].mean(),
                "undefined": 100 * occluder["likeness"].isna(),
                "undefined, patch": 100 * patch["likeness"].isna(),
            }
            beyond[str(method)] = _beyond(part, "likeness")
        over_patch = family_means(pd.DataFrame(beyond), clusters, bounds=(-2, 2))
        for method, one in wide.items():
            found.append(
                {
                    "network": model,
                    "method": method,
                    "faces": int(one["all"].notna().sum()),
                    "likeness": one["all"].mean(),
                    "undefined": one["undefined"].mean(),
                    "prediction stays": one["stays"].mean(),
                    "faces, stays": int(one["stays"].notna().sum()),
                    "prediction changes": one["changes"].mean(),
                    "faces, changes": int(one["changes"].notna().sum()),
                    "other persons' maps": one["other"].mean(),
                    "random patch": one["patch"].mean(),
                    "undefined, patch": one["undefined, patch"].mean(),
                    **over_patch[method].named("beyond a patch"),
                    "p, beyond a patch": over_patch[method].p,
                }
            )
    return pd.DataFrame(found)


def mass_table(rows: Mapping[str, pd.DataFrame], clusters: pd.Series) -> pd.DataFrame:
    """Does the map move onto the occluder, and more than onto a random patch of its area?

    The difference from a patch is taken by face and occluder, where both are defined.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     [("a", "m", kind, "mouth", True, True, 0.5, 0.25, 0.1, after, 0.1)
    ...      for kind, after in (("occluder", 0.5), ("patch", 0.1))],
    ...     columns=["id", "method", "kind", "name", "covered", "stays", "likeness", "other",
    ...              "before", "after", "area"],
    ... )
    >>> mass_table({"net": rows}, pd.Series([0], index=["a"]))["moved"].tolist()
    [0.4]
    """
    found = []
    for model, own in rows.items():
        wide: dict[str, pd.DataFrame] = {}
        undefined, beyond = {}, {}
        covered = own[own["covered"]]
        moved = covered.assign(moved=covered["after"] - covered["before"])
        for method, part in moved.groupby("method", sort=False):
            occluder, patch = (part[part["kind"] == kind] for kind in ("occluder", "patch"))
            known = occluder[occluder["moved"].notna()]
            columns = {
                name: known.groupby("id")[name].mean()
                for name in ("area", "before", "after", "moved")
            }
            columns["patch"] = patch.groupby("id")["moved"].mean()
            wide[str(method)] = pd.DataFrame(columns)
            undefined[str(method)] = 100 * float(occluder["moved"].isna().mean())
            beyond[str(method)] = _beyond(part, "moved")
        each = {method: one["moved"] for method, one in wide.items()}
        alone = family_means(pd.DataFrame(each), clusters, bounds=(-1, 1))
        over_patch = family_means(pd.DataFrame(beyond), clusters, bounds=(-2, 2))
        for method, one in wide.items():
            found.append(
                {
                    "network": model,
                    "method": method,
                    "faces": int(one["moved"].notna().sum()),
                    "undefined": undefined[method],
                    "area": one["area"].mean(),
                    "before": one["before"].mean(),
                    "after": one["after"].mean(),
                    **alone[method].named("moved"),
                    "p, moved": alone[method].p,
                    "onto a patch": one["patch"].mean(),
                    **over_patch[method].named("beyond a patch"),
                    "p, beyond a patch": over_patch[method].p,
                }
            )
    return pd.DataFrame(found)


def _beyond(part: pd.DataFrame, value: str) -> pd.Series:
    """Occluder less patch by face: the mean over the occluders for which both are defined."""
    table = part.pivot(index=["id", "name"], columns="kind", values=value)
    table = table.reindex(columns=["occluder", "patch"])
    return (table["occluder"] - table["patch"]).groupby("id").mean()


def occluder_maps_table(rows: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The likeness and the mass by occluder: means over faces, without intervals.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     [("a", "m", kind, "mouth", True, True, 0.5, 0.25, 0.1, after, 0.1)
    ...      for kind, after in (("occluder", 0.5), ("patch", 0.1))],
    ...     columns=["id", "method", "kind", "name", "covered", "stays", "likeness", "other",
    ...              "before", "after", "area"],
    ... )
    >>> occluder_maps_table({"net": rows})[["occluder", "moved", "moved, patch"]].values.tolist()
    [['mouth', 0.4, 0.0]]
    """
    parts = []
    for model, own in rows.items():
        here = own[own["covered"]]
        here = here.assign(moved=here["after"] - here["before"])
        here["kept"] = here["likeness"].where(here["stays"])
        keys = ["method", "name", "kind"]
        table = here.groupby(keys, sort=False)[["likeness", "kept", "area", "moved"]].mean()
        table["faces"] = here.groupby(keys, sort=False)["likeness"].count()
        empty = here.assign(empty=100 * here["likeness"].isna())
        table["undefined"] = empty.groupby(keys, sort=False)["empty"].mean()
        wide = table.unstack("kind")
        parts.append(
            pd.DataFrame(
                {
                    "network": model,
                    "method": wide.index.get_level_values("method"),
                    "occluder": wide.index.get_level_values("name"),
                    "faces": wide["faces", "occluder"].to_numpy(),
                    "likeness": wide["likeness", "occluder"].to_numpy(),
                    "undefined": wide["undefined", "occluder"].to_numpy(),
                    "prediction stays": wide["kept", "occluder"].to_numpy(),
                    "likeness, patch": wide["likeness", "patch"].to_numpy(),
                    "area": wide["area", "occluder"].to_numpy(),
                    "moved": wide["moved", "occluder"].to_numpy(),
                    "moved, patch": wide["moved", "patch"].to_numpy(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
