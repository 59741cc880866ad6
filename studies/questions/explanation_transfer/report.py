"""What the transfer study leaves: the answer, tables, figures and the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from metrics.core.registry import METRICS
from studies.engine import store
from studies.engine.study import Run
from studies.questions.explanation_transfer.plots import quality_bars, risk_curves
from studies.questions.explanation_transfer.tables import (
    GIVEN,
    TOGETHER,
    Domain,
    Told,
    corrected,
    dimensions_of,
    domain_row,
    told_of_errors,
    transfer_table,
)
from studies.registry import question
from studies.reporting.formatting import signed, signed_bounds
from studies.reporting.page import Picture, Table, write_page

CAVEATS = [
    "That a quality tells of errors does not make it the cause of any: the face may be hard for "
    "both.",
    "Qualities are gains over a floor on the same face, since raw scores of two data sets differ "
    "by their images alone; a gain can still be larger where the network is surer.",
    "Qualities differ between named emotions, whose shares differ between data sets: read a "
    "difference beside the one at equal shares.",
    "Domain distances stand beside the changes of quality; two or three data sets say nothing of "
    "how one depends on the other.",
    "The Fréchet distance of finite samples is too large: read it beside its value by chance, and "
    "never across networks.",
]
METHOD = [
    "Every face is explained at the emotion that the network names for it.",
    "Gain: the quality of the map less that of the centre control on the same face, signed so that "
    "above 0 is better. Consistency: mean Pearson correlation with the maps of other persons' "
    "faces that are named alike, less that with the maps of those that are named otherwise, each "
    "emotion at equal weight; its intervals count that faces share their maps. Alignment: cosine "
    "with the area of the named emotion's action units (EMFACS) less "
    "the mean cosine with the areas of the other emotions, less the same of the centre control.",
    "Errors beyond confidence: nested logistic regressions on a restricted cubic spline of the "
    "log-odds of the confidence (four knots), without and with the qualities; the p-value by a "
    "score test, persons' signs flipped. Areas under the risk–coverage curve are out of fold: "
    "persons in five parts, each foretold by the other four. Ties have their expected risk.",
    "Distance: squared Fréchet distance between the inputs of the network's last layer, over their "
    "first principal components; by chance: of random divisions of the pooled faces.",
]


def write_report(
    run: Run, domains: Sequence[Domain], *, units: str, seed: int, caveats: Sequence[str] = ()
) -> str:
    """Tables, figures and the page; returns the answer.

    Parameters
    ----------
    run
        The run.
    domains
        All networks on all data sets, a network's first data set being its own.
    units
        How faces are counted.
    seed
        Seed of divisions, parts and signs.
    caveats
        Caveats of this run, beside those of all.

    Returns
    -------
    str
        The answer.

    Examples
    --------
    >>> write_report.__name__
    'write_report'
    """
    transfers: list[pd.DataFrame] = []
    rows: list[dict[str, Any]] = []
    told: dict[tuple[str, str, str], Told] = {}
    for own in _by_model(domains):
        home, *others = own
        dimensions = dimensions_of(own)
        rows += [domain_row(home, one, dimensions=dimensions, seed=seed) for one in own]
        count = max(sum(len(transfer_table(home, one, comparisons=1)) for one in others), 1)
        transfers += [transfer_table(home, one, comparisons=count) for one in others]
        for one in own:
            for method in one.methods:
                told[one.model, method, one.data] = told_of_errors(one, method, seed=seed)
    errors = [one.rows for one in told.values()]
    transfer = corrected(pd.concat(transfers, ignore_index=True))
    error = corrected(pd.concat(errors, ignore_index=True))
    table = pd.DataFrame(rows)
    answer = "\n".join([*_told_lines(error), *_transfer_lines(transfer, table)])
    write_page(
        run.folder,
        question=question("explanation_transfer"),
        answer=answer,
        facts={"Units": units, "Seed": str(seed), "Commit": store.made_by(run.manifest)},
        tables=_tables(error, transfer, table),
        pictures=_pictures(domains, told, transfer),
        method=[*METHOD, *_references(transfer)],
        caveats=[*CAVEATS, *caveats],
        manifest=run.manifest,
    )
    return answer


def _by_model(domains: Sequence[Domain]) -> list[list[Domain]]:
    names = dict.fromkeys(one.model for one in domains)
    return [[one for one in domains if one.model == name] for name in names]


def _references(transfer: pd.DataFrame) -> list[str]:
    names = [name for name in dict.fromkeys(transfer["quality"]) if name in METRICS]
    return [f"{name}: {METRICS[name].reference}." for name in names]


def _tables(error: pd.DataFrame, transfer: pd.DataFrame, domain: pd.DataFrame) -> list[Table]:
    first = [name for name in error if name not in ("p", "reason", "p alone")]
    return [
        Table(
            name="errors",
            frame=error[[*first, "p alone", "p", "reason"]],
            leading=True,
            caption=f"What the quality of explanations tells of errors. {TOGETHER}: the declared "
            f"endpoint, of as many as stand in 'of'; {GIVEN}: a look that is not declared, since "
            "quality differs between emotions, and so do errors. AUROC of quality: how often an "
            "error has the lower quality; of confidence likewise. Likelihood ratio, slope (change "
            "of the log-odds of an error for a standard deviation of quality) and p: given the "
            "confidence; p by Holm over the data sets and methods of a model, those of single "
            "qualities being a family of their own. Area: under the risk–coverage curve, out of "
            "fold; gain: what the quality saves. Undefined: share of faces that are left out, "
            "since they have no such quality.",
        ),
        Table(
            name="transfer",
            frame=transfer,
            leading=True,
            caption="Mean gain over the floor at home (the data set that the model was trained on) "
            "and away, with 95 % intervals of each by itself; difference: away less home, with "
            "intervals that hold for all rows of a model together (Welch over persons or faces, "
            "corrected for skewness; Bonferroni) and p by Holm. At equal shares: "
            "the same difference where named emotions weigh equally (those with 10 faces in both), "
            "without an interval: how much of it is the mix of emotions. Raw: the quality itself.",
        ),
        Table(
            name="domains",
            frame=domain,
            leading=True,
            caption="Accuracy with 95 % interval over persons or faces, areas under the "
            "risk–coverage curve by the confidence (and above the best order), and how far the "
            "data are from the first: total variation of the emotions' shares, and squared Fréchet "
            "distance of features with its value in random divisions.",
        ),
    ]


def _pictures(
    domains: Sequence[Domain], told: dict[tuple[str, str, str], Told], transfer: pd.DataFrame
) -> list[Picture]:
    found = []
    for own in _by_model(domains):
        model = own[0].model
        for method in own[0].methods:
            on = {one.data: told[model, method, one.data] for one in own if method in one.methods}
            found.append(
                Picture(
                    name=f"risk_{model}_{method}",
                    figure=risk_curves([one for one in own if one.data in on], on),
                    caption=f"{model}, {method}: share of errors among the faces that are answered "
                    "first, by confidence, and by confidence and all qualities of the explanation "
                    "(foretold out of fold); random order and the best one. The unit is the face; "
                    "no resampling.",
                )
            )
        rows = transfer[transfer["model"] == model]
        if len(rows):
            found.append(
                Picture(
                    name=f"quality_{model}",
                    figure=quality_bars(rows, own[0].data),
                    caption=f"{model}: mean gain over the floor by quality and data set, the first "
                    "being the one that it was trained on; 95 % intervals over persons or faces, "
                    "of one number each, no resampling.",
                )
            )
    return found


def _told_lines(error: pd.DataFrame) -> list[str]:
    """A sentence on the endpoint for each model, method and data set."""
    lines = []
    for (model, method), own in error.groupby(["model", "method"], sort=False):
        said = []
        for _, row in own[own["quality"] == TOGETHER].iterrows():
            if not np.isfinite(row["p"]):
                said.append(f"on {row['data']} it cannot be judged ({row['reason']})")
                continue
            holds = row["p"] < 0.05 and row["gain in area"] > 0
            said.append(
                f"on {row['data']} {'it does' if holds else 'it is not shown'} (likelihood ratio "
                f"{row['likelihood ratio']:.1f} of {row['of']} qualities, p {_p(row['p'])}; area "
                f"{row['area by confidence']:.4f} → {row['area with quality']:.4f}, "
                f"{int(row['errors'])} errors of {int(row['faces'])} faces)"
            )
        given = [
            f"{row['likelihood ratio']:.1f} on {row['data']}, p {_p(row['p'])}"
            for _, row in own[(own["quality"] == GIVEN) & np.isfinite(own["p"])].iterrows()
        ]
        if given:
            said.append(
                "where each named emotion has a rate of errors of its own (a look that was not "
                f"declared), the likelihood ratio is {' and '.join(given)}"
            )
        if said:
            text = "; ".join(said)
            lines.append(
                f"{model}, {method}: does the quality of explanations tell of errors beyond "
                f"confidence? {text[0].upper()}{text[1:]}."
            )
    return lines or ["Fewer than two qualities are defined: there is no joint test of errors."]


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def _transfer_lines(transfer: pd.DataFrame, domain: pd.DataFrame) -> list[str]:
    """A sentence on the change of qualities for each model, method and data set."""
    lines = []
    for (model, method, data), own in transfer.groupby(["model", "method", "data"], sort=False):
        there = domain[(domain["model"] == model) & (domain["data"] == data)].iloc[0]
        home = domain[domain["model"] == model].iloc[0]
        said = [_change(row) for _, row in own.iterrows()]
        lines.append(
            f"{model}, {method}, from {home['data']} to {data} (accuracy "
            f"{100 * home['accuracy']:.1f} to {100 * there['accuracy']:.1f} %): change of the gain "
            f"over the floor {', '.join(said)}."
        )
    return lines


def _change(row: Any) -> str:
    name = row["quality"]
    if row["reason"]:
        return f"{name} {signed(row['difference'])} (no test: {row['reason'].rstrip('.')})"
    bounds = signed_bounds(row["difference low"], row["difference high"])
    return f"{name} {signed(row['difference'])}{bounds}"
