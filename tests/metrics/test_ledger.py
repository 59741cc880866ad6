import pytest
import torch

import metrics
from fer_xai.probe import Probe
from metrics.ledger import Ledger

TARGETS = torch.tensor([0, 5, 2])


@pytest.fixture
def three(images):
    return images[:3]


@pytest.fixture
def maps():
    return torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(4))


def test_double_precision_images_are_scored_as_single(model, three, maps):
    once, twice = (
        metrics.deletion(model, one, maps, TARGETS, steps=4).auc for one in (three, three.double())
    )
    assert torch.equal(once, twice)
    ledger = Ledger(Probe(model, device="cpu"), three, fills={"mine": three.double()})
    assert ledger.filled("mine").dtype == ledger.images.dtype == torch.float32
