"""What the tests of studies share: the weights of a tiny network, registered as ``tiny``."""

import pytest

from fer_xai.models.checkpoints import save_weights
from tests.helpers import drawn_once, tiny_model
from tests.studies.run_study import sparing  # which registers the tiny model


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A checkpoint of the tiny network."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(tiny_model().net, path, settings={"model": "tiny"}, half=False)
    return path


@pytest.fixture(scope="session", autouse=True)
def _drawn_once():
    with drawn_once():
        yield


@pytest.fixture
def spared():
    """For tests of neither controls nor pictures."""
    with sparing():
        yield
