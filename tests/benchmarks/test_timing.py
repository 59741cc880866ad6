"""The arithmetic of the benchmarks; they themselves run by `make bench`."""

import pytest

from benchmarks.report import Row, Target
from benchmarks.timing import Spread, alternate, ratio


def test_contenders_take_turns_after_a_round_that_warms_up():
    calls = []
    seconds = alternate({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3)
    assert "".join(calls) == "ab" * 4
    assert [len(values) for values in seconds.values()] == [3, 3]


def test_ratios_are_taken_round_by_round():
    found = ratio({"peer": [2.0, 9.0, 4.0], "ours": [1.0, 3.0, 4.0]}, "peer", "ours")
    assert (found.median, found.low, found.high) == (2, 1, 3)


@pytest.mark.parametrize(("value", "met"), [(1.2, True), (1.0, False)])
def test_a_target_is_judged_by_the_median(value, met):
    spread = Spread(median=value, low=0, high=9)
    row = Row(name="x", ours="1", ratio=spread, target=Target(bound=1.1, at_least=True))
    assert row.met is met
    assert ("**no**" in row.cells()) is not met
