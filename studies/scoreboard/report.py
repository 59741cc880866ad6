"""Tables, figures and the answer of a scoreboard, for studies and for the audit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_xai.types import LARGEST_GAP
from metrics.core.registry import MetricSpec
from metrics.statistics.power import about
from studies.reporting.formatting import signed, signed_bounds
from studies.reporting.page import Picture, Table
from studies.scoreboard import tables
from studies.scoreboard.judged import meaning_of
from studies.scoreboard.plots import critical_difference, dots, heatmap
from studies.scoreboard.scores import FLOOR
from studies.scoreboard.thresholds import MOST_UNDEFINED

FILLS = (
    "A perturbed face is no face that the network has seen: what a fill does to the score is part "
    "of every faithfulness metric. Look at several fills before believing one."
)
WEIGHTS = "Intervals speak of faces for these weights, not of other trainings."
OVER = f"over {FLOOR}"
"""Column of gains over the floor."""
CLEAR = 0.05
"""p below which a gain over the floor is spoken of."""
MOST_UNITS = 100_000
"""Most units that are spoken of as what would be needed."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """Tables and figures of a page, and its answer.

    Examples
    --------
    >>> Content(answer="None.", tables=[], pictures=[], methods=pd.DataFrame()).answer
    'None.'
    """

    answer: str
    tables: list[Table]
    pictures: list[Picture]
    methods: pd.DataFrame


def common_caveats(specs: Iterable[MetricSpec]) -> list[str]:
    """Caveats of every study of these metrics.

    Examples
    --------
    >>> from metrics import METRICS
    >>> len(common_caveats([METRICS["gini"]])), len(common_caveats([METRICS["deletion"]]))
    (1, 2)
    """
    perturbed = any(spec.family == "faithfulness" for spec in specs)
    return [*([FILLS] if perturbed else []), WEIGHTS]


def content(
    rows: pd.DataFrame,
    clusters: pd.Series,
    specs: Mapping[str, MetricSpec],
    *,
    methods: Sequence[str],
    primary: str,
    refused: Mapping[str, Mapping[str, str]],
    fills_shared: Sequence[tuple[str, str, str]] = (),
    gates: Mapping[str, Mapping[str, str]] | None = None,
    margin: float | None = None,
) -> Content:
    """Tables, figures and the answer, made from rows of scores.

    Parameters
    ----------
    rows
        ``id``, ``model``, ``method``, ``metric``, ``value``, and ``blank`` where it is known.
    clusters
        Units that faces belong to, indexed by id.
    specs
        Specs of the metrics, by name.
    methods
        Attributions, controls apart.
    primary
        The metric that the answer speaks of.
    refused
        By model, why methods have no maps.
    fills_shared
        Method, metric and the fill that both use, of which there are no rows.
    gates
        By model, the randomisation gate's verdict on each method: one that does not pass has no
        rank, and takes no part in the agreement of metrics or the answer.
    margin
        Gain over the control below which a method counts as no different; none by default.
    """
    table = tables.method_table(rows, clusters, specs, margin=margin)
    passing = rows
    if gates:
        verdicts = pd.Series({(m, name): v for m, own in gates.items() for name, v in own.items()})
        at = pd.MultiIndex.from_frame(table[["model", "method"]])
        table.insert(
            list(table).index("control") + 1, "gate", verdicts.reindex(at, fill_value="").to_numpy()
        )
        stopped = verdicts.index[verdicts != "passes"]
        passing = rows[~pd.MultiIndex.from_frame(rows[["model", "method"]]).isin(stopped)]
    used = [m for m in methods if m in set(passing["method"])]
    unit = unit_of(list(clusters.loc[list(rows["id"].unique())]))
    ungated = " Without methods that the gate does not pass." if gates else ""
    made = [
        Table(
            name="methods",
            frame=table,
            caption=" ".join(_explained(table, margin)) + f" Unit: {unit}.",
        ),
        Table(
            name="disagreement",
            frame=tables.disagreement_table(passing, clusters, specs, used),
            caption="Do metrics of one family order the methods alike? Krippendorff's α over "
            "metrics, of the methods that all of them score (ordinal; 1 alike, 0 as by chance); "
            "Kendall's W within each metric, over the units that have a score of every method: the "
            "family's least and largest, and the fewest such units. There is no mean rank over "
            f"metrics: it would hide this.{ungated} Unit: {unit}.",
        ),
        Table(
            name="refused",
            frame=pd.DataFrame(
                [
                    {"model": model, "attribution": name, "reason": reason}
                    for model, some in refused.items()
                    for name, reason in some.items()
                ],
                columns=["model", "attribution", "reason"],
            ),
            caption="Methods that have no rules for a model, and why.",
        ),
        Table(
            name="fills_shared",
            frame=pd.DataFrame(list(fills_shared), columns=["method", "metric", "fill"]),
            caption="Left out: a method is not scored by a metric that removes pixels with the "
            "fill its maps start from, which would hold the maps against themselves.",
        ),
    ]
    pictures = [
        picture
        for model in dict.fromkeys(rows["model"])
        for picture in _pictures(
            model,
            passing[passing["model"] == model],
            table[table["model"] == model],
            clusters,
            specs,
            methods=used,
            primary=primary,
            notes=(ungated, f" Unit: {unit}."),
        )
    ]
    return Content(
        answer=answer(table, specs[primary], margin=margin),
        tables=made,
        pictures=pictures,
        methods=table,
    )


def _pictures(
    model: str,
    rows: pd.DataFrame,
    table: pd.DataFrame,
    clusters: pd.Series,
    specs: Mapping[str, MetricSpec],
    *,
    methods: list[str],
    primary: str,
    notes: tuple[str, str],
) -> Iterator[Picture]:
    """A model's means, how its metrics agree, and the ranks by the primary one.

    ``notes``: which methods take no part, and the unit.
    """
    ungated, unit = notes
    yield Picture(
        name=f"scores_{model}",
        figure=dots(table, specs),
        caption=f"{model}: mean of each metric with its 95 % interval, the better the further "
        "right (axes of metrics that fall are turned). Red: methods; grey: chance controls; the "
        f"line, where methods are held against it, is the {FLOOR} control.{unit}",
    )
    means = tables.oriented_means(rows, specs, methods)
    if len(means) > 2 and means.shape[1] > 2:
        yield Picture(
            name=f"metrics_{model}",
            figure=heatmap(tables.metric_agreement(means)),
            caption=f"{model}: Spearman between the orders that two metrics give "
            f"{means.shape[1]} methods.{ungated}",
        )
    ranked = [m for m in methods if m in set(rows.loc[rows["metric"] == primary, "method"])]
    if len(ranked) > 2:
        test = tables.rank_test(rows, clusters, specs, primary, ranked)
        if np.isfinite(test.p_value):
            yield Picture(
                name=f"ranks_{model}",
                figure=critical_difference(test, ranked),
                caption=f"{model}: mean rank by {primary} over the {test.n} units that have a "
                "score of every method, 1 the best; methods under one bar are not told apart "
                f"(Nemenyi after Friedman, 5 %).{ungated}{unit}",
            )


def unit_of(clusters: Sequence[object]) -> str:
    """Independent unit of the faces, and the number of units, for captions.

    Examples
    --------
    >>> unit_of([1, 2, 3]), unit_of([1, 1, 2])
    ('the face (3)', 'the person or group of copies (2 of 3)')
    """
    n, groups = len(clusters), len(set(clusters))
    return f"the face ({n})" if n == groups else f"the person or group of copies ({groups} of {n})"


def _explained(table: pd.DataFrame, margin: float | None = None) -> Iterator[str]:
    """Sentences that explain the columns of the table of methods."""
    yield (
        "Mean of each metric, with its 95 % interval (Student's t, corrected for skewness; CR2 "
        "where a unit has several faces). Better: which values are; control: chance, no method; "
        "undefined: share of faces without a score."
    )
    if "gate" in table:
        yield "Gate: whether it passes that of randomisation; what does not has no rank."
    if "blank" in table:
        yield (
            "Blank: share of faces whose map is zero everywhere, so that the seed alone orders its "
            "pixels."
        )
    if tables.UNDEFINED_MAPS in table:
        yield (
            "Undefined maps: share of faces whose map is NaN or infinite somewhere, or misses more "
            f"than {LARGEST_GAP:.0%} of what it should add up to; no metric scores them."
        )
    if OVER in table:
        yield (
            f"Over {FLOOR}: gain over that control, in metrics of faithfulness alone (others ask "
            "nothing that a map made without the network could fail at), paired by face and signed "
            "so that above zero is better; units: those behind it; units better: share of them "
            "whose gain is above zero; d_z: mean gain of a unit over its spread. The family is "
            "the methods of a model and metric: their intervals hold all together with 95 %, and "
            f"{tables.P} is two-sided, of the mean, step-down over the family by one resampling "
            "of signs of units (Romano & Wolf 2005). Gains of controls: 95 % one at a time, no p. "
            f"{meaning_of(table)}"
            "No p, and no interval of a gain: too few units, too unequal or too skewed, or one "
            f"value for all. {tables.NEEDED.capitalize()}: units with which a gain of this size "
            "would be told with a power of 80 %, where it is not told with these. A method beats "
            f"the control, or does worse, where p is below {CLEAR:g}."
        )
    if "no different" in table:
        yield (
            f"No different: the gain is shown to lie within ±{margin:g}, the margin that was "
            "declared, by two one-sided tests, Holm over the family."
        )


def answer(table: pd.DataFrame, primary: MetricSpec, *, margin: float | None = None) -> str:
    """A sentence a model: which methods beat the floor, and by how much.

    Examples
    --------
    >>> from metrics import METRICS
    >>> print(answer(pd.DataFrame(), METRICS["gini"]))
    gini is not held against the centre control, which looks at no network: its means stand in
    the table of methods.
    """
    if not tables.compared_with_floor(primary):
        return (
            f"{primary.name} is not held against the {FLOOR} control, which looks at no network: "
            "its means stand in the table of methods."
        )
    sentences = []
    for model, own in table[table["metric"] == primary.name].groupby("model", sort=False):
        if OVER not in own or own.loc[~own["control"], OVER].isna().all():
            continue
        methods = own[~own["control"]]
        family = max(int(methods[OVER].notna().sum()), 1)
        units = int(methods["units"].max())
        said = f"{model}: by {primary.name}, "
        that_pass = ""
        if "gate" in methods:
            methods, that_pass = methods[methods["gate"] == "passes"], " that pass the gate"
        few = methods.loc[methods["undefined"] > MOST_UNDEFINED, "method"]
        methods = methods[~(methods["undefined"] > MOST_UNDEFINED)]
        apart = f" {', '.join(few)} took no part: most faces have no score." if len(few) else ""
        if len(few) and not len(methods):
            sentences.append(f"{said}no method can be judged.{apart}")
            continue
        judged = methods[methods[tables.P].notna()]
        if not len(judged) and len(methods):
            sentences.append(
                f"{said}{units} unit{' is' if units == 1 else 's are'} too few, too unequal or too "
                f"skewed to tell {family} method{'' if family == 1 else 's'} from the {FLOOR} "
                f"control.{apart}"
            )
            continue
        told = judged[tables.P] < CLEAR  # and the interval lies on one side, as is declared
        told &= (judged[f"{OVER} low"] > 0) | (judged[f"{OVER} high"] < 0)
        clear = judged[told]
        better = clear[clear[OVER] > 0].sort_values(OVER, ascending=False)
        worse = clear[clear[OVER] < 0]
        named = ", ".join(
            f"{row['method']} {signed(row[OVER])}"
            f"{signed_bounds(row[f'{OVER} low'], row[f'{OVER} high'])}"
            for _, row in better.iterrows()
        )
        sentences.append(
            f"{said}{len(better)} of {len(methods)} methods{that_pass} beat the {FLOOR} control"
            f"{f' ({named})' if named else ''}, and {len(worse)} "
            f"{'does' if len(worse) == 1 else 'do'} worse than it."
            f"{_not_told(judged[~told], units, margin)}"
            f"{_untested(methods[methods[OVER].notna() & methods[tables.P].isna()])}{apart}"
        )
    return (
        "\n".join(sentences)
        or f"No score of {primary.name} can be held against the {FLOOR} control."
    )


def _not_told(methods: pd.DataFrame, units: int, margin: float | None) -> str:
    """What is to be said of methods that are not told from the floor."""
    if not len(methods):
        return ""
    said = ""
    if "no different" in methods:
        same, methods = methods[methods["no different"]], methods[~methods["no different"]]
        if len(same):
            said = f" Shown to be no different (within ±{margin:g}): {', '.join(same['method'])}."
    if not len(methods):
        return said
    nearest, more = methods[tables.NEEDED].min(), ""
    if units < nearest <= MOST_UNITS:
        more = f"; about {about(nearest)} would be needed for the largest of these gains"
    return f"{said} Not told apart with {units} units: {', '.join(methods['method'])}{more}."


def _untested(methods: pd.DataFrame) -> str:
    """What is to be said of methods whose gain has no p."""
    if not len(methods):
        return ""
    return f" Not tested, for too few or too skewed units: {', '.join(methods['method'])}."
