"""Built-in faces are slow to draw: the trainings of one process share them."""

import pytest

from tests.helpers import drawn_once
from tests.training.run_training import faces_read_once


@pytest.fixture(scope="session", autouse=True)
def _drawn_once():
    with drawn_once(), faces_read_once():
        yield
