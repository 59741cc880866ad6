"""A multiverse run: specifications scored one after another, and the page of what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fer_xai.names import slug
from studies.engine import store
from studies.engine.shards import check_made_of
from studies.engine.study import Run
from studies.multiverse.curve import specification_curve
from studies.multiverse.factors import Multiverse, Plan, Specification
from studies.multiverse.summary import ABOUT_THE_SHARE, NOT_TESTED, by_level, headline
from studies.reporting.formatting import counted
from studies.reporting.page import Picture, Table, write_page

SOURCES = (
    "Multiverse: Steegen et al. (2016), Perspectives on Psychological Science 11; specification "
    "curve: Simonsohn, Simmons & Nelson (2020), Nature Human Behaviour 4.",
)
CAVEATS = (
    "Each combination is judged alone: with many combinations, some are told from zero by chance.",
    "Plausible are the choices that were thought of: others may say something else, and levels of "
    "a choice count equally, though nobody may ever have made some of them. A choice that has an "
    "effect in few combinations, such as the seed of noise that few fills draw, weighs little.",
)
"""What no multiverse says."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a multiverse run asks of one model.

    Attributes
    ----------
    plan
        The specifications.
    make
        Rows of a specification, kept as a shard.
    judge
        A specification's row of the table (:func:`studies.multiverse.summary.row_of`), of those.
    made_of
        Dependencies of the rows (:func:`studies.engine.shards.check_made_of`).

    Examples
    --------
    >>> plan = Plan(specifications=(), combinations=0, possible=0, left_out={})
    >>> Asked(
    ...     plan=plan, make=lambda one: pd.DataFrame(), judge=lambda one, rows: {}, made_of={}
    ... ).plan.n_sampled
    0
    """

    plan: Plan
    make: Callable[[Specification], pd.DataFrame]
    judge: Callable[[Specification, pd.DataFrame], dict[str, Any]]
    made_of: Mapping[str, Any]

    def once(self, path: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Rows of a shard, made first if need be; its folder says what they are made of.

        Raises
        ------
        InputError
            If the shards of the folder were made of something else.
        """
        check_made_of(path.parent, self.made_of, write=False, shards="*.parquet")

        def recorded() -> pd.DataFrame:
            made = make()
            check_made_of(path.parent, self.made_of, shards="*.parquet")
            return made

        return store.once_table(path, recorded)


def answered(run: Run, asked: Asked, *, model: str) -> pd.DataFrame:
    """Rows of all specifications of one model; each is kept as a shard, so that a run goes on.

    The plan goes into the manifest before the first of them is computed.

    Parameters
    ----------
    run
        The run.
    asked
        The specifications, and how they are scored.
    model
        The model's name.

    Raises
    ------
    InputError
        If the shards that are there were made of another model, other faces or other options.

    Examples
    --------
    >>> import tempfile
    >>> from rich.progress import Progress
    >>> one = Specification(levels={"fill": "black"}, changed="default")
    >>> plan = Plan(specifications=(one,), combinations=1, possible=1, left_out={})
    >>> with tempfile.TemporaryDirectory() as place:
    ...     run = Run(folder=Path(place), manifest={}, bar=Progress(disable=True))
    ...     for value in (1, 2):  # the second time the shard is read
    ...         asked = Asked(
    ...             plan=plan,
    ...             make=lambda one, value=value: pd.DataFrame({"value": [value]}),
    ...             judge=lambda one, rows: {"estimate": rows["value"].sum()},
    ...             made_of={"model": "1a2b"},
    ...         )
    ...         answered(run, asked, model="tiny")["estimate"].tolist()
    [1]
    [1]
    """
    plan = asked.plan
    run.manifest.setdefault("multiverse", {})[model] = {
        "combinations": plan.combinations,
        "different": plan.possible,
        "left out": dict(plan.left_out),
        "specifications": len(plan.specifications),
        "sampled": plan.n_sampled,
        "keys": [one.key for one in plan.specifications],
    }
    run.record()
    task = run.bar.add_task(f"specifications of {model}", total=len(plan.specifications))
    rows = []
    for one in plan.specifications:
        path = run.folder / "shards" / slug(model) / f"{one.key}.parquet"

        def make(one: Specification = one) -> pd.DataFrame:
            return asked.make(one)

        rows.append(asked.judge(one, asked.once(path, make)))
        run.bar.advance(task)
    return pd.DataFrame(rows)


def write_multiverse(
    folder: Path,
    *,
    question: str,
    multiverse: Multiverse,
    plans: Mapping[str, Plan],
    rows: pd.DataFrame,
    facts: Mapping[str, str],
    label: str,
    tables: Sequence[Table] = (),
    method: Sequence[str] = (),
    caveats: Sequence[str] = (),
    manifest: Mapping[str, Any],
) -> str:
    """Write the page of a multiverse run; returns the answer.

    Parameters
    ----------
    folder
        Folder of the run.
    question
        The study's question.
    multiverse
        The claim and its plausible set.
    plans
        Plan of each model.
    rows
        Rows of all models and specifications.
    facts
        What was looked at.
    label
        Name of the effect, for the axis of the curve.
    tables
        Further tables.
    method, caveats
        Sentences on how it was done, and what it does not say.
    manifest
        The run's manifest.

    Examples
    --------
    >>> import tempfile
    >>> from studies.multiverse.factors import Factor
    >>> fill = Factor(name="fill", levels=("linear", "black"), reason="Both are used.")
    >>> made = Multiverse(claim="It gains.", estimate="gain", factors=(fill,))
    >>> rows = pd.DataFrame({"model": "tiny", "specification": ["a", "b"],
    ...                      "changed": ["default", "fill"], "sampled": True,
    ...                      "fill": ["linear", "black"], "holds": [True, False],
    ...                      "verdict": ["holds", "not tested"], "reason": ["", "Two faces."]})
    >>> for name in ("estimate", "low", "high", "effect", "effect low", "effect high"):
    ...     rows[name] = [0.5, -0.1]
    >>> with tempfile.TemporaryDirectory() as place:
    ...     answer = write_multiverse(
    ...         Path(place), question="Which?", multiverse=made, plans={"tiny": made.plan(seed=0)},
    ...         rows=rows, facts={}, label="gain", manifest={},
    ...     )
    ...     sorted(path.name for path in Path(place).rglob("*.csv"))
    ['choices.csv', 'levels.csv', 'not_tested.csv', 'specifications.csv']
    >>> answer[:57]
    'tiny: "It gains." holds in 1 of 2 sampled combinations: 5'
    """
    parts = {str(model): part for model, part in rows.groupby("model", sort=False)}
    said = [headline(part, multiverse, model=model) for model, part in parts.items()]
    answer = "\n".join([*said, ABOUT_THE_SHARE])
    write_page(
        folder,
        question=question,
        answer=answer,
        facts={
            "claim": multiverse.claim,
            "estimate": multiverse.estimate,
            **facts,
            **_plan_facts(plans),
        },
        tables=[
            _levels(parts, multiverse),
            _not_tested(rows, multiverse),
            *tables,
            _choices(multiverse),
            _specifications(rows, label),
        ],
        pictures=[_curve(part, multiverse, model, label) for model, part in parts.items()],
        method=[*method, *_left_out(plans), *SOURCES],
        caveats=[*caveats, *CAVEATS],
        manifest=manifest,
    )
    return answer


def _plan_facts(plans: Mapping[str, Plan]) -> dict[str, str]:
    return {
        f"specifications, {model}": f"{len(plan.specifications)}, of which {plan.n_sampled} "
        f"sampled from {plan.possible} different combinations of {plan.combinations}"
        for model, plan in plans.items()
    }


def _curve(rows: pd.DataFrame, multiverse: Multiverse, model: str, label: str) -> Picture:
    return Picture(
        name=f"curve-{model}",
        caption=f"{model}: {label} of the sampled combinations and of the declared one (diamond), "
        "with 95 % intervals over faces. Orange: the claim holds; blue: the opposite; grey: not "
        "told apart; light grey: not tested. Below, the choices of each; a choice without effect "
        "is marked at its declared level.",
        figure=specification_curve(rows, multiverse.factors, label=label),
    )


def _levels(parts: Mapping[str, pd.DataFrame], multiverse: Multiverse) -> Table:
    """Table of each level of each factor, by model."""
    made = [
        by_level(part, multiverse.factors, rules=multiverse.rules).assign(model=model)
        for model, part in parts.items()
    ]
    frame = pd.concat(made, ignore_index=True)
    frame.insert(0, "model", frame.pop("model"))
    return Table(
        name="levels",
        caption="All combinations, and each choice: the share of sampled combinations with it in "
        "which the claim holds (Wilson's interval; those that were not tested count in their "
        "number), the change of the effect where it alone differs from the declared choices "
        "(alone), and the mean effect of sampled combinations with it, less that of those with the "
        "declared level (among sampled). "
        "Combinations in which a choice has no effect are left out of its lines, so that these "
        "stand on fewer.",
        frame=frame,
        leading=True,
    )


def _not_tested(rows: pd.DataFrame, multiverse: Multiverse) -> Table:
    """Table of the specifications that were not tested, by their choices; may be empty."""
    names = [one.name for one in multiverse.factors]
    frame = rows.loc[rows["verdict"] == NOT_TESTED, ["model", "sampled", *names, "reason"]]
    return Table(
        name="not_tested",
        caption="Specifications in which the claim was not tested, and why: it neither holds nor "
        "fails there.",
        frame=frame.reset_index(drop=True),
    )


def _specifications(rows: pd.DataFrame, label: str) -> Table:
    return Table(
        name="specifications",
        caption="Every specification: its choices, the estimate in its own unit with its 95 % "
        f"interval over faces and two-sided p, the effect ({label}), the verdict (the claim holds "
        "where p is below .05 and the interval lies above zero, the opposite where it lies below "
        "zero) and the test behind it.",
        frame=rows.drop(columns="specification"),
    )


def _choices(multiverse: Multiverse) -> Table:
    frame = pd.DataFrame(
        {
            "factor": [one.name for one in multiverse.factors],
            "levels": [", ".join(map(str, one.levels)) for one in multiverse.factors],
            "reason": [one.reason for one in multiverse.factors],
        }
    )
    return Table(
        name="choices",
        caption="The plausible set, declared before anything was computed; the first level of each "
        "factor is the declared one.",
        frame=frame,
    )


def _left_out(plans: Mapping[str, Plan]) -> list[str]:
    return [
        f"{model}: left out {counted(n, 'combination')} by the rule “{rule}”."
        for model, plan in plans.items()
        for rule, n in plan.left_out.items()
    ]
