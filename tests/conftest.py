"""Shared fixtures: small faces and small nets, nothing downloaded, nothing trained."""

import gc
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pytest
import torch
from torch import Tensor

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.inference import measuring
from fer_xai.models import FERModel
from fer_xai.types import Faces
from tests.helpers import tiny_model

mpl.use("Agg")
torch.set_num_threads(1)  # two test processes share two cores

GARBAGE = 2**28
"""Bytes by which a process may grow until it is looked for what nobody refers to any more."""


def pytest_collection_finish() -> None:
    """What was imported stays: it is looked through no more, neither for garbage nor by a test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _resident() -> list[int]:
    return [_memory()]


@pytest.fixture(autouse=True)
def networks_are_dropped(_resident: list[int]) -> Iterator[None]:
    """Copies of networks refer to themselves, and stay, half a gigabyte each, until they are looked
    for, which happens the more rarely the longer a process has run.
    """
    yield
    now = _memory()
    if now > _resident[0] + GARBAGE:
        gc.collect()
        now = _memory()
    elif now > _resident[0]:
        return
    _resident[0] = now


def _memory() -> int:
    """Resident bytes of this process; 0 where the system does not tell."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[1]) * 4096 if told.exists() else 0


@pytest.fixture(autouse=True, scope="session")
def own_pixel_cache(tmp_path_factory):
    """No test reads or fills the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _batch_sizes_are_tried_quickly() -> Iterator[None]:
    """One size is tried instead of four, which take 480 images through each network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(measuring._CANDIDATES, "cpu", (8,))
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
