"""Shared fixtures: small faces and small nets, nothing downloaded, nothing trained."""

import matplotlib as mpl
import pytest
import torch
from torch import Tensor

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.models import FERModel
from fer_xai.types import Faces
from tests.helpers import tiny_model

mpl.use("Agg")
torch.set_num_threads(1)  # two test processes share two cores


@pytest.fixture(autouse=True, scope="session")
def own_pixel_cache(tmp_path_factory):
    """No test reads or fills the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def model() -> FERModel:
    return tiny_model()


@pytest.fixture(scope="session")
def faces() -> Faces:
    return synthetic_faces(36, style="wild", split="test")


@pytest.fixture
def images() -> Tensor:
    return torch.rand(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))
