import pytest
import torch

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.detect.network import LandmarkNet
from fer_xai.models.checkpoints import save_weights


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or fills the user's own cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fer-xai" / "landmarks"


@pytest.fixture(scope="session")
def network_file(tmp_path_factory):
    """Weights of an untrained landmark network whose answers depend on the image."""
    path = tmp_path_factory.mktemp("network") / "mine.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = LandmarkNet()
        torch.nn.init.normal_(net.head.weight, std=3e-3)
    save_weights(net, path, settings={"model": "landmarks", "size": 64})
    return path


@pytest.fixture(scope="session")
def faces():
    return synthetic_faces(6)
