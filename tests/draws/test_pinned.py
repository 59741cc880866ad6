"""Numbers that no machine, instruction set or version may change: the digests are constants."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from fer_xai.draws.initial import repeatable
from fer_xai.draws.streams import streams


def digest(*tensors):
    raw = b"".join(tensor.detach().contiguous().numpy().tobytes() for tensor in tensors)
    return hashlib.sha256(raw).hexdigest()[:16]


def found():
    drawn = streams((0, face) for face in "abc")
    with repeatable(0, "a layer"):
        truncated = nn.init.trunc_normal_(torch.empty(1000), std=0.02)
    return {
        "rand": digest(drawn.rand(1000, 3)),
        "randn": digest(drawn.randn(1000, 3)),
        "randint": digest(drawn.randint(7, 999)),
        "randperm": digest(drawn.randperm(100, 5)),
        "bernoulli": digest(drawn.bernoulli(0.3, 1000)),
        "choice": digest(drawn.choice(torch.tensor([1.0, 2, 3]), 1000)),
        "truncated normal": digest(truncated),
    }


PINNED = {
    "rand": "8c72d086bd3e665d",
    "randn": "6d20ccec2e1d9269",
    "randint": "02baedcb815146dd",
    "randperm": "fe46e4939460f015",
    "bernoulli": "28d2404635705015",
    "choice": "71cb22a12baff4a7",
    "truncated normal": "91b5138eda47f5ce",
}


def test_draws_are_those_of_every_machine():
    assert found() == PINNED


def test_draws_do_not_depend_on_instructions_and_threads():
    """Without vector instructions, where PyTorch's own normals differ."""
    command = [
        sys.executable,
        "-c",
        "from tests.draws.test_pinned import *; print(found() == PINNED)",
    ]
    other = {"ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "2"}
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        command, cwd=root, env=os.environ | other, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "True"


@pytest.mark.parametrize(
    ("name", "expected"), [("baseline4", "feac26d3c485af91"), ("resnet18", "7ea3190c1449692f")]
)
def test_untrained_weights_follow_from_seed_and_architecture(name, expected):
    from fer_xai.models import load_model  # the process above need not

    assert digest(*load_model(name, seed=3).state_dict().values()) == expected
