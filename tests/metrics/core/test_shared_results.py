"""Results that several metrics read."""

import dataclasses

import pytest
import torch

from fer_xai import explain
from fer_xai.errors import InputError
from fer_xai.landmarks import face_regions
from metrics import evaluate
from metrics.core.registry import MetricSpec
from metrics.core.shared_results import SharedResults


@pytest.fixture
def few(faces):
    return faces.subset(range(5))


def own_spec(name, fn, *needs):
    return MetricSpec(
        name=name,
        fn=fn,
        family="complexity",
        higher_is_better=None,
        bounds=(0.0, float("inf")),
        needs=needs,
        reference="none",
    )


def test_results_of_other_needs_are_not_shared(model, few):
    def covered(maps, regions=None):
        return torch.zeros(len(maps)) if regions is None else regions.flatten(1).sum(dim=1)

    regions = face_regions(few.landmarks_at(64), size=64)
    specs = [own_spec("a", covered, "maps"), own_spec("b", covered, "maps", "regions")]
    made = explain(model, few, method="saliency")
    for order in (specs, specs[::-1]):
        frame = evaluate(model, few, made, order, regions=regions)
        values = frame.pivot_table(index="id", columns="metric", values="value")
        assert (values["a"] == 0).all()
        assert (values["b"] > 0).all()


def test_one_result_of_one_function_with_the_same_needs_and_options():
    calls = []
    results = SharedResults({"maps": torch.ones(1, 2, 2), "ids": ["a"]})

    def counted(maps, ids=None, option=1):
        calls.append((ids, option))
        return len(calls)

    spec = own_spec("own", counted, "maps")
    assert [results.of(spec), results.of(dataclasses.replace(spec, name="other"))] == [1, 1]
    assert results.of(dataclasses.replace(spec, needs=("maps", "ids"))) == 2
    assert results.of(dataclasses.replace(spec, needs=("ids", "maps"))) == 2
    for number, option in enumerate((1, 1.0, True, "1", 2), start=3):
        assert results.of(dataclasses.replace(spec, options={"option": option})) == number


def test_a_function_that_cannot_be_hashed_will_do(model, few):
    @dataclasses.dataclass
    class Total:
        def __call__(self, maps):
            return maps.sum(dim=(1, 2))

    made = explain(model, few, method="saliency")
    assert len(evaluate(model, few, made, [own_spec("total", Total(), "maps")])) == len(few)


def test_a_metric_must_not_change_what_others_read(model, few):
    made = explain(model, few, method="saliency")
    spec = own_spec("own", lambda maps: maps.neg_().sum(dim=(1, 2)), "maps")
    with pytest.raises(InputError, match="Expected own to leave what it is given as it is, since"):
        evaluate(model, few, made, [spec, "gini"])
