"""Trainings of a second, for the studies that train: tiny nets under the names of real ones."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from fer_xai.models.registry import MODELS, Architecture
from studies.questions.ablation import study as ablation_study
from tests.helpers import TinyNet
from tests.training.run_training import faces_read_once
from training.recipes import Overrides
from training.variants import TrainingOptions

OPTIONS = TrainingOptions(
    seeds=(0, 1),
    overrides=Overrides(epochs=2, dropout_from=0),
    limit=160,
    precision="fp32",
    device="cpu",
)


@contextmanager
def tiny_nets(greyscale: Mapping[str, bool]) -> Iterator[None]:
    """The models named are tiny nets for a while, fed greyscale or colour; faces are drawn once."""
    assert MODELS["gimefive"].parameters  # the real ones are registered first
    with pytest.MonkeyPatch.context() as patch, faces_read_once():
        for name, grey in greyscale.items():
            tiny = Architecture(build=TinyNet, cam_layer="relu2", greyscale=grey)
            patch.setitem(MODELS._entries, name, tiny)
        patch.setattr(ablation_study, "CALIBRATION", 48)  # faces are slow to draw
        yield
