"""The plausible set of a multiverse: factors, their levels and rules, and specifications of them.

Steegen, Tuerlinckx, Gelman & Vanpaemel (2016), "Increasing Transparency Through a Multiverse
Analysis", Perspectives on Psychological Science 11; Simonsohn, Simmons & Nelson (2020),
"Specification curve analysis", Nature Human Behaviour 4. The set is declared in code before
anything is computed, and is part of a run's configuration, so that its digest names it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_xai.draws.streams import stream
from fer_xai.errors import InputError
from studies.engine.store import digest

Level = str | int | float
"""A choice: the name of what is taken, or a number."""
Levels = dict[str, Level]
"""The level of every factor, by the factor's name."""
SAMPLED = 64
"""Combinations that are sampled of a plausible set."""


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One choice that a claim hangs on.

    Attributes
    ----------
    name
        Name of the choice.
    levels
        What could be chosen; the first is the default.
    reason
        Why the others are as defensible, in a sentence.

    Examples
    --------
    >>> Factor(name="sign", levels=("relu", "signed"), reason="Both are published.").default
    'relu'
    """

    name: str
    levels: tuple[Level, ...]
    reason: str

    @property
    def default(self) -> Level:
        """The level that the study takes."""
        return self.levels[0]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Combinations in which a factor changes nothing: they are the one with its default.

    Attributes
    ----------
    when
        A factor and those of its levels at which the rule holds.
    without_effect
        The factor that changes nothing there.
    reason
        Why, in a sentence.

    Examples
    --------
    >>> rule = Rule(when=("fill", ("black",)), without_effect="seed", reason="No noise is drawn.")
    >>> rule.holds({"fill": "black", "seed": 1})
    True
    """

    when: tuple[str, tuple[Level, ...]]
    without_effect: str
    reason: str

    @property
    def name(self) -> str:
        """The factor without effect, and where it has none."""
        return f"{self.without_effect} under {self.when[0]} {' or '.join(map(str, self.when[1]))}"

    def holds(self, levels: Mapping[str, Level]) -> bool:
        """Whether a combination is one of those."""
        return levels[self.when[0]] in self.when[1]


@dataclass(frozen=True, kw_only=True)
class Specification:
    """One combination of choices.

    Attributes
    ----------
    levels
        The level of every factor.
    changed
        The one factor that differs from the default, for a specification of one factor at a time;
        ``default`` for the default itself; empty for others.
    sampled
        Whether it is among the sampled combinations.

    Examples
    --------
    >>> one = Specification(levels={"sign": "relu"}, changed="default")
    >>> one.key == Specification(levels={"sign": "relu"}, sampled=True).key
    True
    """

    levels: Levels
    changed: str = ""
    sampled: bool = False

    @property
    def key(self) -> str:
        """Eight characters that stand for the levels."""
        return digest(self.levels)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Specifications that are computed of one model, and combinations that are not.

    Attributes
    ----------
    specifications
        The default first, then one factor at a time, then the sampled ones.
    combinations
        Number of combinations of all levels.
    possible
        Number of different ones among them, which the sample is drawn from.
    left_out
        Number of combinations that each rule leaves out, by its name.

    Examples
    --------
    >>> one = Specification(levels={"sign": "relu"}, changed="default", sampled=True)
    >>> Plan(specifications=(one,), combinations=1, possible=1, left_out={}).n_sampled
    1
    """

    specifications: tuple[Specification, ...]
    combinations: int
    possible: int
    left_out: Mapping[str, int]

    @property
    def n_sampled(self) -> int:
        """Number of sampled combinations."""
        return sum(one.sampled for one in self.specifications)


@dataclass(frozen=True, kw_only=True)
class Multiverse:
    """A claim and its plausible set, declared beforehand.

    Attributes
    ----------
    claim
        The claim, in words; the study's endpoint for multiverse runs says when it holds.
    estimate
        What is estimated, in words.
    factors
        The choices.
    rules
        Combinations that are the same as another one.
    sampled
        Number of combinations that are sampled.

    Examples
    --------
    >>> two = Multiverse(
    ...     claim="Grad-CAM is better.",
    ...     estimate="gain",
    ...     factors=(
    ...         Factor(name="fill", levels=("linear", "black"), reason="Both are used."),
    ...         Factor(name="seed", levels=(0, 1), reason="Noise is drawn."),
    ...     ),
    ...     rules=(Rule(when=("fill", ("black",)), without_effect="seed", reason="No noise."),),
    ... )
    >>> plan = two.plan(seed=0)
    >>> plan.possible, plan.left_out
    (3, {'seed under fill black': 1})
    >>> [(one.changed, *one.levels.values()) for one in plan.specifications]
    [('default', 'linear', 0), ('fill', 'black', 0), ('seed', 'linear', 1)]
    """

    claim: str
    estimate: str
    factors: tuple[Factor, ...]
    rules: tuple[Rule, ...] = ()
    sampled: int = SAMPLED

    def factor(self, name: str) -> Factor:
        """A factor by its name."""
        return next(one for one in self.factors if one.name == name)

    def starting_from(self, **defaults: Level) -> Multiverse:
        """The same set with other defaults, such as the options that a study was given.

        Raises
        ------
        InputError
            If a default is none of a factor's levels.
        """
        changed = []
        for one in self.factors:
            chosen = defaults.get(one.name, one.default)
            if chosen not in one.levels:
                raise InputError(
                    f"Expected {one.name} to be one of {', '.join(map(str, one.levels))}, which "
                    f"the multiverse is declared of, got {chosen!r}."
                )
            others = tuple(level for level in one.levels if level != chosen)
            changed.append(dataclasses.replace(one, levels=(chosen, *others)))
        return dataclasses.replace(self, factors=tuple(changed))

    def described(self) -> dict[str, Any]:
        """The declaration as JSON, for a run's configuration."""
        return {
            "claim": self.claim,
            "estimate": self.estimate,
            "factors": [
                {"name": one.name, "levels": list(one.levels), "reason": one.reason}
                for one in self.factors
            ],
            "rules": [{"name": rule.name, "reason": rule.reason} for rule in self.rules],
            "sampled": self.sampled,
        }

    def plan(self, *, seed: int, absent: Mapping[tuple[str, Level], str] | None = None) -> Plan:
        """The default, one factor at a time, and sampled combinations.

        Combinations are sampled so that their levels are balanced, as in a Latin hypercube (McKay,
        Beckman & Conover, "A comparison of three methods for selecting values of input variables",
        Technometrics 1979): all combinations are put in a seeded random order, and the next one is
        always the first whose levels have been taken least often so far. So the levels of a factor
        differ in their number by one or hardly more, and no combination is taken twice. A factor
        that a rule leaves without effect in some combinations (such as the seed of noise under
        fills that draw none) stands there at its default, and is balanced over the others alone:
        its levels other than the default are therefore fewer than those of other factors, and the
        share of the claim says as much less about them.

        Parameters
        ----------
        seed
            Seed of the sample.
        absent
            Levels that a model does not have, by factor and level, and why.
        """
        missing = absent or {}
        default = {one.name: one.default for one in self.factors}
        found = {digest(default): Specification(levels=default, changed="default")}
        for one in self.factors:
            for level in one.levels[1:]:
                levels = default | {one.name: level}
                if (one.name, level) not in missing and self._same_as(levels) == levels:
                    found[digest(levels)] = Specification(levels=levels, changed=one.name)
        everything = self._combinations()
        left_out: dict[str, int] = {}
        there: list[tuple[str, Levels]] = []
        for levels in everything:
            name = self._left_out_by(levels, missing)
            if name is not None:
                left_out[name] = left_out.get(name, 0) + 1
            if not missing.keys() & levels.items():
                same = self._same_as(levels)
                there.append((digest(same), same))
        for key, levels in self._balanced(there, seed=seed):
            known = found.get(key, Specification(levels=levels))
            found[key] = dataclasses.replace(known, sampled=True)
        return Plan(
            specifications=tuple(found.values()),
            combinations=len(everything),
            possible=len(dict(there)),
            left_out=left_out,
        )

    def has_effect(self, name: str, levels: Mapping[str, Level]) -> bool:
        """Whether a factor changes anything in a combination: no rule says that it does not."""
        return not any(rule.without_effect == name and rule.holds(levels) for rule in self.rules)

    def _balanced(
        self, there: Sequence[tuple[str, Levels]], *, seed: int
    ) -> list[tuple[str, Levels]]:
        """Different combinations with levels that are taken about equally often.

        Parameters
        ----------
        there
            Key and levels of every combination that can be drawn, those that are the same as
            another one too, so that each combination of levels counts once.
        seed
            Seed of the order.
        """
        there = sorted(there, key=lambda pair: pair[0])  # whatever the defaults are
        order = stream(seed, "multiverse", self.claim).randperm(len(there)).tolist()
        drawn = list({there[at][0]: there[at][1] for at in order}.items())
        # a column a level: whether a combination takes it, where its factor has an effect
        columns = [
            [self.has_effect(one.name, own) and own[one.name] == level for _, own in drawn]
            for one in self.factors
            for level in one.levels
        ]
        takes = np.array(columns, dtype=np.int64).T  # (combinations, levels)
        factor_of = np.repeat(np.arange(len(self.factors)), [len(f.levels) for f in self.factors])
        never = takes.sum(axis=0) == 0  # levels that the model lacks
        counts, left = np.zeros(takes.shape[1]), np.ones(len(drawn), dtype=bool)
        chosen: list[int] = []
        while left.any() and len(chosen) < self.sampled:
            known = np.where(never, np.inf, counts)
            fewest = np.array([known[factor_of == at].min() for at in range(len(self.factors))])
            over = np.where(never, 0.0, counts - fewest[factor_of])
            cost = np.where(left, takes @ over**2, np.inf)
            chosen.append(int(np.argmin(cost)))  # the first in the random order
            left[chosen[-1]] = False
            counts += takes[chosen[-1]]
        return [drawn[at] for at in chosen]

    def _combinations(self) -> list[Levels]:
        """Every combination of levels."""
        names = [one.name for one in self.factors]
        each = itertools.product(*(one.levels for one in self.factors))
        return [dict(zip(names, levels, strict=True)) for levels in each]

    def _same_as(self, levels: Levels) -> Levels:
        """The combination that stands for this one: factors without effect are at their default."""
        fixed = dict(levels)
        for rule in self.rules:
            if rule.holds(fixed):
                fixed[rule.without_effect] = self.factor(rule.without_effect).default
        return fixed

    def _left_out_by(self, levels: Levels, absent: Mapping[tuple[str, Level], str]) -> str | None:
        for name, level in levels.items():
            if (name, level) in absent:
                return f"{name} {level}: {absent[name, level]}"
        for rule in self.rules:
            factor = self.factor(rule.without_effect)
            if rule.holds(levels) and levels[factor.name] != factor.default:
                return rule.name
        return None
