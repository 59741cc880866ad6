import pytest
import torch
from torch import nn

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.inference.predictor import Predictor
from tests.helpers import tiny_model
from tests.metrics.explainers import gradient


@pytest.fixture(scope="session")
def trained():
    """A tiny network after a few steps on built-in faces, six of them, and their targets."""
    faces = synthetic_faces(36, style="wild", split="test")
    model, images = tiny_model(), faces.images
    columns = model.columns(faces.labels)
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(12):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(images), columns).backward()
        optimiser.step()
    predictor = Predictor(model.eval(), device="cpu", batch_size=4)
    return predictor, images[:6], faces.labels[:6]


@pytest.fixture
def case(trained):
    predictor, images, targets = trained
    return predictor, images, gradient(predictor.model, images, targets, None), targets


@pytest.fixture
def three(images):
    """Three random images, to go with :data:`tests.helpers.TARGETS`."""
    return images[:3]


@pytest.fixture
def maps():
    """Random maps of these three."""
    return torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(4))
