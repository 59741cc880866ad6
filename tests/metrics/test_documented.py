"""Every public function of the metrics is documented: all parameters, result, an example."""

import inspect

import pytest

import metrics
from metrics.core.registry import METRICS

PUBLIC = {
    **{name: getattr(metrics, name) for name in metrics.__all__},
    **{name: METRICS[name].fn for name in METRICS},
}


FUNCTIONS = sorted(
    {fn for fn in PUBLIC.values() if inspect.isfunction(fn)}, key=lambda fn: fn.__name__
)


@pytest.mark.parametrize("fn", FUNCTIONS, ids=lambda fn: fn.__name__)
def test_every_parameter_is_documented_and_an_example_runs(fn):
    doc = inspect.getdoc(fn)
    parameters, _, rest = doc.partition("Parameters\n----------\n")[2].partition("\n\n")
    names = {
        name
        for line in parameters.splitlines()
        if line and not line.startswith(" ")
        for name in line.split(", ")
    }
    assert names == set(inspect.signature(fn).parameters)
    assert "Examples\n--------\n>>>" in doc
    assert "Returns\n-------\n" in rest
