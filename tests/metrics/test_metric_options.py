"""What is no count, share, deviation or choice is refused, and so are no targets and no maps."""

import numpy as np
import pytest
import torch

import metrics
from fer_xai.errors import InputError

TARGETS = torch.tensor([0, 5])
MAPS = torch.randn(2, 64, 64, generator=torch.Generator().manual_seed(4))
WHOLE = "as a whole number of"
SHARE = "as at least one share above 0 and below 1"


@pytest.fixture
def two(images):
    return images[:2]


REFUSED = [
    ("deletion steps", (0, 4.0, "4", None), f"steps {WHOLE} 1 or more"),
    ("deletion order", ("up", 1), "order morf, lerf"),
    ("deletion output", ("loss",), "output logit, log_probability, probability"),
    ("insertion order", ("up",), "order morf, lerf"),
    ("erasure bins", ((), (10, 20), (-1,), ("a",), 0.1, None), f"bins {SHARE}"),
    ("road fractions", ((), (0.0, 0.5), (0.5, 1.0), ("a",)), f"fractions {SHARE}"),
    ("road fractions", ((0.5, 0.1), (0.1, 0.1)), "fractions that rise"),
    ("road noise", (-0.1, "much"), "noise from 0"),
    ("infidelity samples", (1, 4.0, "4"), f"samples {WHOLE} 2 or more"),
    ("infidelity sigma", (0, -0.2, float("nan"), "a"), "sigma above 0"),
    ("infidelity scaling", ("best",), "scaling none, free, share"),
    ("mu_fidelity samples", (1, 4.0), f"samples {WHOLE} 2 or more"),
    ("mu_fidelity grid", (0, 9.0), f"grid {WHOLE} 1 or more"),
    ("mu_fidelity share", (0, 1, "a"), "share above 0 and below 1"),
    ("mu_fidelity correlation", ("kendall",), "correlation pearson, spearman"),
    ("sensitivity_n samples", (1, 4.0), f"samples {WHOLE} 2 or more"),
    ("sensitivity_n shares", ((), (1.0,), ("a",)), f"shares {SHARE}"),
    ("sensitivity_n correlation", ("kendall",), "correlation pearson, spearman"),
    ("naopc_searched grid", (1, 4.0), f"grid {WHOLE} 2 or more"),
    ("naopc_searched order", ("up",), "order morf, lerf"),
]


@pytest.mark.parametrize(
    ("name", "option", "value", "match"),
    [
        pytest.param(*asked.split(), value, match, id=f"{asked} {value}")
        for asked, values, match in REFUSED
        for value in values
    ],
)
def test_options_are_checked(model, two, *, name, option, value, match):
    with pytest.raises(InputError, match=f"Expected {match}.*, got"):
        getattr(metrics, name)(model, two, MAPS, TARGETS, **{option: value})


@pytest.mark.parametrize("targets", [[0, 5], (0, 5), np.array([0, 5]), TARGETS.int()])
def test_targets_may_be_a_list_or_an_array(model, two, targets):
    expected = metrics.deletion(model, two, MAPS, TARGETS, steps=2).auc
    assert torch.equal(metrics.deletion(model, two, MAPS, targets, steps=2).auc, expected)


@pytest.mark.parametrize("name", ["deletion", "masked_confidence", "naopc_searched"])
@pytest.mark.parametrize(
    "targets",
    [torch.tensor(0), torch.tensor([0.0, 5.0]), [True, False], ["fear", "anger"], 3, None],
)
def test_other_targets_are_refused(model, two, name, targets):
    with pytest.raises(InputError, match=r"Expected targets \(B,\) as whole numbers"):
        getattr(metrics, name)(model, two, MAPS, targets)


@pytest.mark.parametrize("name", ["deletion", "infidelity", "masked_confidence", "naopc_searched"])
def test_maps_are_tensors(model, two, name):
    with pytest.raises(InputError, match=r"Expected maps as a torch tensor \(B, H, W\), got ndarr"):
        getattr(metrics, name)(model, two, MAPS.numpy(), TARGETS)


def test_maps_of_a_metric_without_a_model_are_tensors():
    with pytest.raises(InputError, match=r"Expected maps as a torch tensor \(B, H, W\), got ndarr"):
        metrics.gini(MAPS.numpy())
